// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sonde/agent/source/pcap"
)

// classicFile is a pcap file as gopacket does not write it: in any byte order, with any magic number.
func classicFile(order byteOrder, magic uint32, shots []shot) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, 0x3<<28|uint32(layers.LinkTypeRaw)) // with the length of a frame check sequence
	for _, s := range shots {
		ns := uint64(epoch + s.at)
		b = order.AppendUint32(b, uint32(ns/1e9))
		part := ns % 1e9 / 1000
		if magic == 0xa1b23c4d {
			part = ns % 1e9
		}
		b = order.AppendUint32(b, uint32(part))
		b = order.AppendUint32(b, uint32(len(s.data)))
		b = order.AppendUint32(b, uint32(max(s.wire, len(s.data))))
		if magic == 0xa1b2cd34 {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, s.data...)
	}
	return b
}

func gzipped(b []byte) []byte {
	var to bytes.Buffer
	w := gzip.NewWriter(&to)
	half := len(b) / 2
	_, _ = w.Write(b[:half])
	_ = w.Close() // of two members, as `cat a.gz b.gz` makes them
	w.Reset(&to)
	_, _ = w.Write(b[half:])
	_ = w.Close()
	return to.Bytes()
}

func zstded(b []byte) []byte {
	var to bytes.Buffer
	w, err := zstd.NewWriter(&to)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
	_ = w.Close()
	return to.Bytes()
}

func TestEveryFormatGivesTheSameRecords(t *testing.T) {
	shots := conversation(false)
	plain := file(layers.LinkTypeRaw, shots)
	want := mustRead(t, plain)
	for _, f := range []struct {
		name string
		file []byte
	}{
		{"us, little-endian", classicFile(binary.LittleEndian, 0xa1b2c3d4, shots)},
		{"us, big-endian", classicFile(binary.BigEndian, 0xa1b2c3d4, shots)},
		{"ns, little-endian", classicFile(binary.LittleEndian, 0xa1b23c4d, shots)},
		{"ns, big-endian", classicFile(binary.BigEndian, 0xa1b23c4d, shots)},
		{"modified, big-endian", classicFile(binary.BigEndian, 0xa1b2cd34, shots)},
		{"gzip", gzipped(plain)},
		{"zstd", zstded(plain)},
		{"pcapng", ngFile(shots)},
		{"pcapng, gzip", gzipped(ngFile(shots))},
		{"pcapng, sections in both orders", sections(shots)},
	} {
		text, stats, err := read(t, f.file)
		if err != nil || text != want || stats.Packets != uint64(len(shots)) {
			t.Errorf("%s: %v %+v\n%s\nwant\n%s", f.name, err, stats, text, want)
		}
		if !pcap.Recognise(f.file[:4]) {
			t.Errorf("%s: not recognised", f.name)
		}
	}
}

// ngFile has two interfaces with different links and units of time: client and server of a connection.
func ngFile(shots []shot) []byte {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "eth0", LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		panic(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, TimestampResolution: 6})
	if err != nil {
		panic(err)
	}
	for i, s := range shots {
		info := s.captured()
		if i%2 == 1 {
			info.InterfaceIndex = second
			err = w.WritePacket(info, s.data)
		} else {
			frame := frameOf(s.data)
			info.CaptureLength, info.Length = len(frame), len(frame)
			err = w.WritePacket(info, frame)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{LastUpdate: time.Unix(0, int64(epoch)), PacketsDropped: 3}); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// block is a block of pcapng.
func block(order byteOrder, kind uint32, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	n := uint32(len(b) + 12)
	return order.AppendUint32(append(order.AppendUint32(order.AppendUint32(nil, kind), n), b...), n)
}

func sectionHeader(order byteOrder) []byte {
	return block(order, 0x0a0d0d0a, order.AppendUint32(nil, 0x1a2b3c4d), order.AppendUint16(nil, 1), make([]byte, 2),
		order.AppendUint64(nil, math.MaxUint64))
}

// description is an interface with raw IP, a unit of time (if_tsresol) and seconds added to each (if_tsoffset).
func description(order byteOrder, unit byte, offset int64) []byte {
	b := order.AppendUint16(nil, uint16(layers.LinkTypeRaw))
	b = append(b, 0, 0)
	b = order.AppendUint32(b, 0)
	b = append(order.AppendUint16(order.AppendUint16(b, 9), 1), unit, 0, 0, 0)
	b = order.AppendUint64(order.AppendUint16(order.AppendUint16(b, 14), 8), uint64(offset))
	b = order.AppendUint32(b, 0) // end of options
	return block(order, 1, b)
}

func enhanced(order byteOrder, ticks uint64, data []byte) []byte {
	b := order.AppendUint32(make([]byte, 4), uint32(ticks>>32)) // of the first interface
	b = order.AppendUint32(b, uint32(ticks))
	b = order.AppendUint32(b, uint32(len(data)))
	return block(order, 6, order.AppendUint32(b, uint32(len(data))), data)
}

type byteOrder interface {
	binary.AppendByteOrder
	binary.ByteOrder
}

// sections has a section in each byte order, units of 2^-30 and 10^-12 seconds, an offset, blocks that nobody knows, obsolete
// packet blocks and simple ones.
func sections(shots []shot) []byte {
	half := len(shots) / 2
	b := section(binary.LittleEndian, shots[:half], 0x80|30, 0, func(d time.Duration) uint64 {
		return uint64(math.Ceil(float64(d.Microseconds()) / 1e6 * (1 << 30)))
	})
	return append(b, section(binary.BigEndian, shots[half:], 12, int64(epoch/time.Second), func(d time.Duration) uint64 {
		return uint64(d) * 1000
	})...)
}

func section(order byteOrder, shots []shot, unit byte, offset int64, ticks func(time.Duration) uint64) []byte {
	b := append(sectionHeader(order), block(order, 0xbad, []byte("a block that nobody knows"))...)
	if offset == 0 {
		since := ticks
		ticks = func(d time.Duration) uint64 { return uint64(epoch/time.Second)<<30 + since(d) }
	}
	b = append(b, description(order, unit, offset)...)
	for i, s := range shots {
		b = append(b, block(order, 0x80000bad, bytes.Repeat([]byte("x"), i))...)
		if i%2 == 0 {
			b = append(b, enhanced(order, ticks(s.at), s.data)...)
			continue
		}
		old := order.AppendUint32(order.AppendUint32(nil, 0), uint32(ticks(s.at)>>32)) // interface and drops
		old = order.AppendUint32(old, uint32(ticks(s.at)))
		old = order.AppendUint32(order.AppendUint32(old, uint32(len(s.data))), uint32(len(s.data)))
		b = append(b, block(order, 2, old, s.data)...)
	}
	return b
}

func TestSimplePacketsPassWithTheOneBefore(t *testing.T) {
	order := binary.LittleEndian
	shots := conversation(false)
	b := append(sectionHeader(order), description(order, 9, 0)...)
	b = append(b, enhanced(order, uint64(epoch), shots[0].data)...)
	for _, s := range shots[1:] {
		b = append(b, block(order, 3, order.AppendUint32(nil, uint32(len(s.data))), s.data)...)
	}
	text, _, err := read(t, b)
	if lines := strings.Count(text, "    0.000ms 1 "); err != nil || lines != 7 {
		t.Errorf("%d lines, %v:\n%s", lines, err, text)
	}
}

func TestLossesOfTheCapturingProgramAreCounted(t *testing.T) {
	_, stats, err := read(t, ngFile(conversation(false)))
	if err != nil || stats.Dropped != 3 {
		t.Errorf("%+v %v", stats, err)
	}
}

func TestTimesAreRead(t *testing.T) {
	order := binary.BigEndian
	for _, c := range []struct {
		unit   byte
		offset int64
		ticks  uint64
		want   time.Duration
	}{
		{6, 0, 1_500_000, 1500 * time.Millisecond},
		{9, 0, 1_500_000, 1500 * time.Microsecond},
		{3, 10, 1500, 11500 * time.Millisecond},
		{0, 0, 7, 7 * time.Second},
		{18, 0, 1_500_000_000_000_000_000, 1500 * time.Millisecond},
		{0x80 | 1, 0, 3, 1500 * time.Millisecond},
		{0x80 | 32, -1, 5<<32 | 1<<31, 4500 * time.Millisecond},
		{0x80, 0, 5, 5 * time.Second},
		{0x80 | 127, 3, 1, 3 * time.Second},
		{9, 0, 0, 1}, // 0 stands for a time that is not known
		{6, 0, math.MaxUint64, math.MaxInt64},
	} {
		data := udpBytes("10.0.0.1", "10.0.0.2", 1, 2, nil)
		b := append(sectionHeader(order), description(order, c.unit, c.offset)...)
		_, stats, err := read(t, append(b, enhanced(order, c.ticks, data)...))
		if err != nil || stats.First != c.want && c.want < math.MaxInt64 {
			t.Errorf("unit %#x, offset %d, %d: %v, want %v (%v)", c.unit, c.offset, c.ticks, stats.First, c.want, err)
		}
	}
}

// TestDamageSaysWhere cuts files everywhere: what was read before is delivered, and the error says where it ended.
func TestDamageSaysWhere(t *testing.T) {
	shots := conversation(false)
	for name, whole := range map[string][]byte{"pcap": file(layers.LinkTypeRaw, shots), "pcapng": ngFile(shots), "gzip": gzipped(file(layers.LinkTypeRaw, shots))} {
		complete, _, _ := read(t, whole)
		last, ends := uint64(0), 0
		for n := range len(whole) {
			text, stats, err := read(t, whole[:n])
			if err == nil {
				ends++
			} else if n > 30 && name == "pcap" && !strings.Contains(err.Error(), fmt.Sprintf("packet %d, at byte ", stats.Packets+1)) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
			if stats.Packets < last {
				t.Errorf("%s cut at %d: %d packets, %d with a byte less", name, n, stats.Packets, last)
			}
			last = stats.Packets
			before, _, _ := strings.Cut(text, " close ")
			before = before[:strings.LastIndexByte(before, '\n')+1]
			if !strings.HasPrefix(complete, before) {
				t.Errorf("%s cut at %d: other records:\n%s", name, n, text)
			}
		}
		if last != uint64(len(shots)) && name != "pcap" && name != "gzip" || last != uint64(len(shots)-1) && name == "pcap" {
			t.Errorf("%s: %d packets in the end", name, last)
		}
		if ends == 0 && name == "pcap" { // between two packets nothing is missing
			t.Errorf("%s: every cut is an error", name)
		}
	}
}

func TestDamageIsRefused(t *testing.T) {
	order := binary.LittleEndian
	head := append(sectionHeader(order), description(order, 6, 0)...)
	shots := conversation(false)
	huge := file(layers.LinkTypeRaw, shots[:2])
	order.PutUint32(huge[24+16+len(shots[0].data)+8:], 0x7fffffff)
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "the file is empty"},
		{"short", "\xa1\xb2", "not a capture file"},
		{"text", "GET / HTTP/1.1\r\n", "not a capture file"},
		{"a packet of 2 GB", string(huge), "packet 2, at byte 80: a packet of 2147483647 bytes"},
		{"a block of 8 bytes", string(head) + "\x06\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00", "a block of 8 bytes"},
		{"an unknown interface", string(sectionHeader(order)) + string(enhanced(order, 0, shots[0].data)), "interface 0, which was not described"},
		{"a packet larger than its block", string(head) + string(block(order, 6, make([]byte, 12), []byte{255, 0, 0, 0}, make([]byte, 8))), "a packet of 255 bytes in a block that holds 4"},
		{"another length behind", string(head) + "\x06\x00\x00\x00\x20\x00\x00\x00" + strings.Repeat("\x00", 24), "says 0 at its end"},
		{"a byte order that is none", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00abcd" + strings.Repeat("\x00", 16), "byte order"},
		{"gzip of nothing", string(gzipped(nil)), "the file is empty"},
		{"gzip that is none", "\x1f\x8b\x08garbage that is no gzip", "gzip"},
	} {
		if _, _, err := read(t, []byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
