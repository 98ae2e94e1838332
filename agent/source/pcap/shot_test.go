// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"sonde/agent/source/pcap"
	"sonde/probes/event"
	"sonde/testbed/reviewed"
)

// epoch is when captures in tests begin.
const epoch = 1_700_000_000 * time.Second

// shot is a packet that a test makes.
type shot struct {
	at   time.Duration // since epoch
	data []byte
	wire int // 0: len(data)
}

// serialise makes bytes of layers as they are on the wire.
func serialise(ls ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		panic(err)
	}
	return bytes.Clone(b.Bytes())
}

// packet is a TCP segment within IP. Flags are letters: S, A, F, R, P.
type packet struct {
	src, dst     string // addresses
	sport, dport uint16
	seq, ack     uint32
	flags, text  string
	id           uint16 // of IPv4
}

func (p *packet) tcp() *layers.TCP {
	has := func(f string) bool { return strings.Contains(p.flags, f) }
	return &layers.TCP{
		SrcPort: layers.TCPPort(p.sport), DstPort: layers.TCPPort(p.dport), Seq: p.seq, Ack: p.ack, Window: 65535,
		SYN: has("S"), ACK: has("A"), FIN: has("F"), RST: has("R"), PSH: has("P"),
	}
}

func (p *packet) bytes() []byte {
	t := p.tcp()
	ip := network(p.src, p.dst, layers.IPProtocolTCP, p.id)
	if err := t.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)); err != nil {
		panic(err)
	}
	return serialise(ip, t, gopacket.Payload(p.text))
}

// network is the IP header between two addresses, of their version.
func network(src, dst string, proto layers.IPProtocol, id uint16) gopacket.SerializableLayer {
	from, to := net.ParseIP(src), net.ParseIP(dst)
	if from.To4() == nil {
		return &layers.IPv6{Version: 6, NextHeader: proto, HopLimit: 64, SrcIP: from, DstIP: to}
	}
	return &layers.IPv4{Version: 4, IHL: 5, Protocol: proto, TTL: 64, SrcIP: from, DstIP: to, Id: id}
}

func udpBytes(src, dst string, sport, dport uint16, payload []byte) []byte {
	ip := network(src, dst, layers.IPProtocolUDP, 7)
	u := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	if err := u.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)); err != nil {
		panic(err)
	}
	return serialise(ip, u, gopacket.Payload(payload))
}

// talk makes the packets of a TCP connection: what its ends send, in the order in which a capture has them.
type talk struct {
	client, server string
	port           uint16 // of the client; the server's is 80
	next           [2]uint32
	now            time.Duration
	shots          []shot
	step           time.Duration // between packets
}

const (
	client = 0
	server = 1
)

func newTalk() *talk {
	return &talk{client: "10.0.0.1", server: "10.0.0.2", port: 40000, next: [2]uint32{1000, 500_000}, step: time.Millisecond}
}

// put adds a packet from one end at its next sequence number shifted by shift, which does not move that number.
func (k *talk) put(from int, flags, text string, shift int) *talk {
	return k.add(k.made(from, flags, text, shift))
}

func (k *talk) made(from int, flags, text string, shift int) []byte {
	p := packet{src: k.client, dst: k.server, sport: k.port, dport: 80, flags: flags, text: text, id: uint16(len(k.shots) + 1)}
	if from == server {
		p.src, p.dst, p.sport, p.dport = k.server, k.client, 80, k.port
	}
	p.seq = k.next[from] + uint32(shift)
	if strings.Contains(flags, "A") {
		p.ack = k.next[1-from]
	}
	return p.bytes()
}

func (k *talk) add(ip []byte) *talk {
	k.shots = append(k.shots, shot{at: k.now, data: ip})
	k.now += k.step
	return k
}

func (k *talk) wait(d time.Duration) *talk { k.now += d; return k }

// send adds a packet and moves the sequence number behind it.
func (k *talk) send(from int, flags, text string) *talk {
	return k.put(from, flags, text, 0).unseen(from, flags, text)
}

// unseen moves the sequence number of a packet that the capture does not have.
func (k *talk) unseen(from int, flags, text string) *talk {
	k.next[from] += uint32(len(text))
	if strings.ContainsAny(flags, "SF") {
		k.next[from]++
	}
	return k
}

func (k *talk) open() *talk {
	return k.send(client, "S", "").send(server, "SA", "").send(client, "A", "")
}

func (k *talk) close() *talk {
	return k.send(client, "FA", "").send(server, "FA", "").send(client, "A", "")
}

const (
	getA = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"                // 28 bytes
	getB = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"                // 28 bytes
	ok5  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" // 43 bytes
	no0  = "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n"    // 40 bytes
)

// file is a pcap file of packets, in ns.
func file(link layers.LinkType, shots []shot) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(262144, link); err != nil {
		panic(err)
	}
	for _, s := range shots {
		if err := w.WritePacket(s.captured(), s.data); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func (s *shot) captured() gopacket.CaptureInfo {
	return gopacket.CaptureInfo{
		Timestamp: time.Unix(0, int64(epoch+s.at)), CaptureLength: len(s.data), Length: max(s.wire, len(s.data)),
	}
}

// records is a receiver that writes down what it gets, one line a record. Sequence numbers are relative to the first of
// their direction, as a Stream would count.
type records struct {
	strings.Builder
	first map[string]uint32
	ticks bool
}

func (r *records) Tick(now time.Duration) {
	if r.ticks {
		fmt.Fprintf(r, "%s tick\n", moment(uint64(now)))
	}
}

func moment(ns uint64) string { return fmt.Sprintf("%9.3fms", float64(int64(ns)-int64(epoch))/1e6) }

func (r *records) Record(e event.Record) {
	switch e.Kind() {
	case event.KindConnect:
		a := event.As[event.Actor](e)
		fmt.Fprintf(r, "%s %d connect %s -> %s\n", moment(a.Hdr.Time), a.Hdr.Sock, event.LocalAddr(&a.Tuple), event.RemoteAddr(&a.Tuple))
	case event.KindEstablished:
		a := event.As[event.Established](e)
		fmt.Fprintf(r, "%s %d established %s -> %s\n", moment(a.Hdr.Time), a.Hdr.Sock, event.LocalAddr(&a.Tuple), event.RemoteAddr(&a.Tuple))
	case event.KindSegment:
		r.segment(e, event.As[event.Segment](e))
	case event.KindClose:
		c := event.As[event.Close](e)
		end := ""
		if c.Hdr.Flags&event.CloseOpen != 0 {
			end = " open"
		}
		fmt.Fprintf(r, "%s %d close state=%d err=%d%s bytes=%d/%d packets=%d/%d retransmits=%d srtt=%dus\n", moment(c.Hdr.Time),
			c.Hdr.Sock, c.Oldstate, c.Err, end, c.BytesAcked, c.BytesReceived, c.SegsOut, c.SegsIn, c.Retransmits, c.SrttUs)
	case event.KindDatagram:
		d := event.As[event.Datagram](e)
		head, _ := event.DatagramHead(e, d)
		fmt.Fprintf(r, "%s datagram %s %s %s len=%d %q\n", moment(d.Hdr.Time), event.LocalAddr(&d.Tuple), arrow(d.Dir),
			event.RemoteAddr(&d.Tuple), d.Len, head)
	case event.KindFlow:
		f := event.As[event.Flow](e)
		t := event.Tuple{Local: f.Key.Local, Remote: f.Key.Remote, LocalPort: f.Key.LocalPort, RemotePort: f.Key.RemotePort}
		fmt.Fprintf(r, "%s flow proto=%d %s - %s packets=%d/%d bytes=%d/%d from %s\n", moment(f.Hdr.Time), f.Key.Proto,
			event.LocalAddr(&t), event.RemoteAddr(&t), f.Value.Packets[0], f.Value.Packets[1], f.Value.Bytes[0], f.Value.Bytes[1],
			strings.TrimSpace(moment(f.Value.First)))
	default:
		fmt.Fprintf(r, "kind %d\n", e.Kind())
	}
}

func arrow(dir uint8) string { return [...]string{"->", "<-"}[dir] }

func (r *records) segment(e event.Record, s *event.Segment) {
	head, tail, ok := event.Payload(e, s)
	if !ok {
		fmt.Fprintf(r, "a segment that contradicts itself: %+v\n", *s)
	}
	if r.first == nil {
		r.first = map[string]uint32{}
	}
	key := func(dir uint8) string { return fmt.Sprint(s.Hdr.Sock, dir) }
	if _, known := r.first[key(s.Dir)]; !known {
		r.first[key(s.Dir)] = s.Seq
		if s.Hdr.Flags&event.SegmentAhead != 0 {
			r.first[key(s.Dir)] = s.Hole
		}
	}
	fmt.Fprintf(r, "%s %d %s %d+%d", moment(s.Hdr.Time), s.Hdr.Sock, arrow(s.Dir), int32(s.Seq-r.first[key(s.Dir)]), s.Len)
	for _, f := range []struct {
		flag uint8
		name string
	}{
		{event.SegmentTurn, "turn"}, {event.SegmentAhead, "ahead"}, {event.SegmentLate, "late"}, {event.SegmentAcked, "acked"},
	} {
		if s.Hdr.Flags&f.flag != 0 {
			fmt.Fprintf(r, " %s", f.name)
		}
	}
	if s.Hdr.Flags&event.SegmentAhead != 0 {
		fmt.Fprintf(r, " hole=%d", int32(s.Hole-r.first[key(s.Dir)]))
	}
	if first, known := r.first[key(s.Dir^1)]; known && s.OtherNext != 0 {
		fmt.Fprintf(r, " other=%d", int32(s.OtherNext-first))
	}
	if s.TcpFlags&event.TCPFin != 0 {
		fmt.Fprint(r, " fin")
	}
	fmt.Fprintf(r, " %q\n", bytes.Join([][]byte{head, tail}, nil))
}

// read returns the records of a capture file as text.
func read(t testing.TB, capture []byte) (string, pcap.Stats, error) {
	t.Helper()
	var r records
	s := pcap.New(pcap.Default(), bytes.NewReader(capture))
	err := s.Run(context.Background(), &r)
	return r.String(), s.Stats(), err
}

func mustRead(t testing.TB, capture []byte) string {
	t.Helper()
	text, _, err := read(t, capture)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt")
	reviewed.Compare(t, path, got)
}
