// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// fragments cuts an IP packet into fragments of size bytes, a multiple of 8.
func fragments(ip []byte, size int) [][]byte {
	if ip[0]>>4 == 6 {
		return fragments6(ip, size)
	}
	var all [][]byte
	for at := 0; 20+at < len(ip); at += size {
		n := min(size, len(ip)-20-at)
		f := slices.Concat(ip[:20], ip[20+at:20+at+n])
		place := uint16(at / 8)
		if 20+at+n < len(ip) {
			place |= 0x2000
		}
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		binary.BigEndian.PutUint16(f[6:], place)
		all = append(all, f)
	}
	return all
}

func fragments6(ip []byte, size int) [][]byte {
	var all [][]byte
	for at := 0; 40+at < len(ip); at += size {
		n := min(size, len(ip)-40-at)
		place := uint16(at)
		if 40+at+n < len(ip) {
			place |= 1
		}
		header := joined([]byte{ip[6], 0}, u16(place), []byte{0, 0, 0, 77})
		f := slices.Concat(ip[:40], header, ip[40+at:40+at+n])
		f[6] = 44
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		all = append(all, f)
	}
	return all
}

// one is a datagram of 100 bytes, to be cut.
func one(v6 bool) []byte {
	src, dst := "10.0.0.1", "10.0.0.2"
	if v6 {
		src, dst = "fd00::1", "fd00::2"
	}
	return udpBytes(src, dst, 40000, 53, []byte(strings.Repeat("0123456789", 10)))
}

func TestFragmentsArePutTogether(t *testing.T) {
	whole := `datagram 10.0.0.1:40000 -> 10.0.0.2:53 len=100 "` + strings.Repeat("0123456789", 10) + `"`
	for _, c := range []struct {
		name   string
		change func(f [][]byte) [][]byte
		want   string
	}{
		{"in order", func(f [][]byte) [][]byte { return f }, whole},
		{"the other way round", func(f [][]byte) [][]byte { slices.Reverse(f); return f }, whole},
		{"twice", func(f [][]byte) [][]byte { return slices.Concat(f[:2], f[:2], f[2:]) }, whole},
		{"overlapping, the first wins", func(f [][]byte) [][]byte {
			wide := slices.Concat(f[1][:20], slices.Repeat([]byte("X"), 40)) // 24 to 64, of which 24 to 48 and 48 to 72 exist
			binary.BigEndian.PutUint16(wide[2:], uint16(len(wide)))
			return slices.Concat(f[:3], [][]byte{wide}, f[3:])
		}, whole},
		{"one missing", func(f [][]byte) [][]byte { return slices.Concat(f[:1], f[2:]) }, ""},
		{"the last cut by the snap length", func(f [][]byte) [][]byte {
			f[len(f)-1] = f[len(f)-1][:22]
			return f
		}, whole[:strings.Index(whole, `"`)] + `"` + strings.Repeat("0123456789", 10)[:24*4-8+2] + `"`},
		{"one in the middle cut by the snap length", func(f [][]byte) [][]byte {
			f[1] = f[1][:30]
			return f
		}, whole[:strings.Index(whole, `"`)] + `"` + strings.Repeat("0123456789", 10)[:24-8+10] + `"`},
	} {
		for _, v6 := range []bool{false, true} {
			if v6 && (c.name[0] == 'o' && c.name[1] == 'v' || strings.Contains(c.name, "snap")) {
				continue // made of IPv4 headers
			}
			var shots []shot
			for i, f := range c.change(fragments(one(v6), 24)) {
				shots = append(shots, shot{at: time.Duration(i) * time.Millisecond, data: f})
			}
			text := mustRead(t, file(layers.LinkTypeRaw, shots))
			want := c.want
			if v6 {
				want = strings.NewReplacer("10.0.0.1", "[fd00::1]", "10.0.0.2", "[fd00::2]").Replace(want)
			}
			if got := strings.Contains(text, "datagram"); got != (want != "") || !strings.Contains(text, want) {
				t.Errorf("%s, IPv6 %v: got\n%swant %s", c.name, v6, text, want)
			}
		}
	}
}

func TestFragmentsThatWaitAreBounded(t *testing.T) {
	first := fragments(one(false), 24)[0]
	var shots []shot
	for i := range 5000 { // of different datagrams
		f := slices.Clone(first)
		binary.BigEndian.PutUint16(f[4:], uint16(i))
		shots = append(shots, shot{at: time.Duration(i) * time.Millisecond, data: f})
	}
	_, stats, err := read(t, file(layers.LinkTypeRaw, shots))
	if err != nil || stats.Fragments != 5000-1024 {
		t.Errorf("%+v %v", stats, err)
	}
	rest := fragments(one(false), 24)[1:]
	shots = []shot{{data: first}}
	for _, f := range rest { // after the time that Linux waits
		shots = append(shots, shot{at: 31 * time.Second, data: f})
	}
	text, stats, err := read(t, file(layers.LinkTypeRaw, shots))
	if err != nil || stats.Fragments != 1 || text != "" {
		t.Errorf("%+v %v %s", stats, err, text)
	}
}

// TestFragmentsCountAsPackets: the flow has the packets that passed, not those that they were before.
func TestFragmentsCountAsPackets(t *testing.T) {
	var shots []shot
	for _, f := range fragments(one(false), 24) {
		shots = append(shots, shot{data: frameOf(f)})
	}
	text := mustRead(t, file(layers.LinkTypeEthernet, shots))
	if want := "packets=5/0 bytes=208/0"; !strings.Contains(text, want) {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestTCPInFragmentsWithinATunnel(t *testing.T) {
	plain := conversation(false)
	want := mustRead(t, file(layers.LinkTypeRaw, plain))
	var shots []shot
	for _, s := range plain {
		outer := serialise(network("192.0.2.1", "192.0.2.2", layers.IPProtocolIPv4, uint16(len(shots))), gopacket.Payload(s.data))
		for _, f := range fragments(outer, 32) {
			shots = append(shots, shot{at: s.at, data: frameOf(f)})
		}
	}
	got := mustRead(t, file(layers.LinkTypeEthernet, shots))
	got, _, _ = strings.Cut(got, " close ") // it counts packets, of which there are more
	want, _, _ = strings.Cut(want, " close ")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
