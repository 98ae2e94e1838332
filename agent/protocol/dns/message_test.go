// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sonde/agent/protocol"
)

// exampleNames is the message of RFC 1035 4.1.4, whose names are at 20, 40, 64 and 92.
func exampleNames() []byte {
	p := make([]byte, 96)
	copy(p[20:], "\x01F\x03ISI\x04ARPA\x00")
	copy(p[40:], "\x03FOO\xc0\x14")
	copy(p[64:], "\xc0\x1a")
	return p
}

func TestNames(t *testing.T) {
	tests := []struct {
		name string
		p    []byte
		at   int
		want string // "" when it is none
		next int
	}{
		{"RFC 1035 4.1.4: without a pointer", exampleNames(), 20, "F.ISI.ARPA", 32},
		{"RFC 1035 4.1.4: a label and a pointer", exampleNames(), 40, "FOO.F.ISI.ARPA", 46},
		{"RFC 1035 4.1.4: a pointer", exampleNames(), 64, "ARPA", 66},
		{"RFC 1035 4.1.4: the root", exampleNames(), 92, ".", 93},
		{"special characters", wire("a.b\\c\"(", "\x00\xff d"), headerSize, `a\.b\\c\"\(.\000\255\032d`, headerSize + 14},
		{"a pointer to itself", append(make([]byte, headerSize), 0xc0, headerSize), headerSize, "", 0},
		{"pointers to each other", append(make([]byte, headerSize), 0xc0, headerSize+2, 0xc0, headerSize), headerSize + 2, "", 0},
		{"a pointer forwards", append(make([]byte, headerSize), 0xc0, headerSize+2, 0), headerSize, "", 0},
		{"a pointer into the header", append(make([]byte, headerSize), 0xc0, 2), headerSize, "", 0},
		{"a label and a pointer to it", append(make([]byte, headerSize), 1, 'a', 0xc0, headerSize), headerSize, "", 0},
		{"a label of a withdrawn kind", append(make([]byte, headerSize), 0x41, 1, 0), headerSize, "", 0},
		{"cut", append(make([]byte, headerSize), 3, 'a'), headerSize, "", 0},
		{"too long", wire(strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63), strings.Repeat("d", 63)), headerSize, "", 0},
		{"as long as may be", wire(strings.Repeat("a", 63), strings.Repeat("b", 63), strings.Repeat("c", 63), strings.Repeat("d", 61)), headerSize,
			strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61), headerSize + 255},
	}
	for _, test := range tests {
		got, next, s := appendName(nil, test.p, test.at)
		if test.want == "" {
			if s == protocol.Done {
				t.Errorf("%s: %q", test.name, got)
			}
			continue
		}
		if string(got) != test.want || next != test.next || s != protocol.Done {
			t.Errorf("%s: %q %d %d, want %q %d", test.name, got, next, s, test.want, test.next)
		}
		if skipped, s := skipName(test.p, test.at); skipped != next || s != protocol.Done {
			t.Errorf("%s: skipped to %d, want %d", test.name, skipped, next)
		}
	}
}

// wire writes a name behind an empty header.
func wire(labels ...string) []byte {
	p := make([]byte, headerSize)
	for _, l := range labels {
		p = append(append(p, byte(len(l))), l...)
	}
	return append(p, 0)
}

func TestDataOfRecords(t *testing.T) {
	name := "\x02ns\x07example\x00"
	tests := []struct {
		typ        uint16
		data, want string
	}{
		{1, "\xc0\x00\x02\x01", "192.0.2.1"},
		{1, "\xc0\x00\x02", `\# 3 c00002`},
		{28, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "2001:db8::1"},
		{2, name, "ns.example"},
		{6, name + "\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05", "ns.example . 1 2 3 4 5"},
		{15, "\x00\x0a" + name, "10 ns.example"},
		{16, "\x06k=\"v\x01b\x00\x02ab", `"k=\"v\001b" "" "ab"`},
		{33, "\x00\x00\x00\x05\x13\xc4" + name, "0 5 5060 ns.example"},
		{35, "\x00\x64\x00\x0a\x01U\x07SIP+D2U\x00" + name, `100 10 "U" "SIP+D2U" "" ns.example`},
		{43, "\xec\x45\x05\x01\x2b\xb1\x83\xaf", "60485 5 1 2bb183af"},
		{46, "\x00\x01\x05\x03\x00\x01\x51\x80\x3e\x6e\x24\xf7\x3e\x46\x98\x77\x0a\x52" + name + "\x01\x02\x03", // RFC 4034 3.3, shortened
			"A 5 3 86400 20030311180335 20030209180543 2642 ns.example AQID"},
		{47, name + "\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20",
			"ns.example A MX RRSIG NSEC TYPE1234"}, // RFC 4034 4.3
		{48, "\x01\x00\x03\x05\x01\x02\x03", "256 3 5 AQID"},
		{50, "\x01\x01\x00\x0c\x04\xaa\xbb\xcc\xdd\x02\x01\x02\x00\x01\x40", "1 1 12 aabbccdd 0410 A"},
		{51, "\x01\x00\x00\x0a\x00", "1 0 10 -"},
		{52, "\x03\x01\x01\xab\xcd", "3 1 1 abcd"},
		{257, "\x00\x05issueletsencrypt.org", `0 issue "letsencrypt.org"`},
		{29, "\x00\x33\x16\x13\x89\x17\x2d\xd0\x70\xbe\x15\xf0\x00\x98\x8d\x20", "42 21 54.000 N 71 6 18.000 W -24m 30m 10000m 10m"}, // RFC 1876 3, other precision
		{65, "\x00\x01\x00\x00\x01\x00\x06\x02h3\x02h2\x00\x03\x00\x02\x01\xbb\x00\x04\x00\x04\x01\x02\x03\x04", `1 . alpn="h3,h2" port=443 ipv4hint=1.2.3.4`},
		{65, "\x00\x00" + name, "0 ns.example"},
		{64, "\x00\x01\x00\x02\x9b\x00\x05hello", `1 . key667="hello"`}, // RFC 9460 D.2
		{65, "\x00\x10\x00\x00\x00\x00\x04\x00\x01\x00\x04\x00\x02\x00\x00", "16 . mandatory=alpn,ipv4hint no-default-alpn"},
		{65280, "\x0a\x00\x00\x01", `\# 4 0a000001`}, // RFC 3597 5
		{10, "", `\# 0`},
		{2, "\xc0\xff", `\# 2 c0ff`},
		{108, "\x00\x00\x5e\x00\x53\x2a", "00-00-5e-00-53-2a"},
	}
	for _, test := range tests {
		p := append(make([]byte, headerSize), test.data...)
		r := record{typ: test.typ, data: headerSize, end: len(p)}
		if got := string(appendRecord(nil, p, r)); got != test.want {
			t.Errorf("%s %q: %s, want %s", typeName(test.typ), test.data, got, test.want)
		}
	}
}

func TestTextOfARecordIsBounded(t *testing.T) {
	for typ := range formats {
		for _, fill := range []byte{0, 1, 0x3f, 0xff} {
			p := bytes.Repeat([]byte{fill}, 60000)
			r := record{typ: typ, data: headerSize, end: len(p)}
			if got := appendRecord(make([]byte, 0, 64), p, r); len(got) > MaxAnswer {
				t.Errorf("%s: %d bytes", typeName(typ), len(got))
			}
		}
	}
}

func TestHostileMessages(t *testing.T) {
	head := func(flags uint16, counts ...uint16) (p []byte) {
		p = binary.BigEndian.AppendUint16([]byte{0, 1}, flags)
		for _, c := range counts {
			p = binary.BigEndian.AppendUint16(p, c)
		}
		return p
	}
	q := a(1, "a.example.")
	tests := map[string][]byte{
		"huge counts":            append(head(0x8000, 1, 65535, 65535, 65535), q[headerSize:]...),
		"more questions than is": append(head(0, 2, 0, 0, 0), q[headerSize:]...),
		"records after the end":  append(head(0x8000, 1, 200, 0, 0), q[headerSize:]...),
		"a name that loops":      append(head(0, 1, 0, 0, 0), 0xc0, 0x0c, 0, 1, 0, 1),
		"a header alone":         head(0, 1, 0, 0, 0),
		"nothing":                {},
	}
	for name, p := range tests {
		for _, spec := range []protocol.Spec{UDP(), TCP()} {
			o := observe(t, spec, protocol.Start{}).feed(sent, framed(q)).feed(sent, q).feed(received, p).feed(received, framed(p))
			o.close("timeout")
			for _, r := range o.got {
				if r.DNS.Name != "a.example" || len(r.DNS.Answers) > 0 {
					t.Errorf("%s: invented %+v", name, r.DNS)
				}
			}
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	many := make([]dnsmessage.ResourceBody, 1000)
	for i := range many {
		many[i] = &dnsmessage.AResource{A: [4]byte{10, 0, byte(i >> 8), byte(i)}}
	}
	o := observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example.")).feed(received, answer(1, "a.example.", dnsmessage.TypeA, 0, many...))
	if d := o.got[0].DNS; len(d.Answers) != MaxAnswers || len(d.TTLs) != MaxAnswers || d.Records != 1000 {
		t.Errorf("%d answers, %d lifetimes of %d records", len(d.Answers), len(d.TTLs), d.Records)
	}
}

func TestOutOfStepIsCounted(t *testing.T) {
	o := observe(t, TCP(), protocol.Start{}).feed(sent, framed(a(1, "a.example."))).feed(received, []byte("no DNS at all"))
	if o.resyncs != 1 {
		t.Errorf("counted %d times", o.resyncs)
	}
}

// TestTimeoutIsFoundByALaterCall: nobody else has a clock.
func TestTimeoutIsFoundByALaterCall(t *testing.T) {
	o := observe(t, UDP(), protocol.Start{}).feed(sent, a(1, "a.example."))
	o.now += QueryTimeout
	o.feed(sent, a(2, "b.example.")).want("client a.example A incomplete  timeout []")
	if r := o.got[0]; r.End != ms+QueryTimeout || r.End-r.Start != 10*time.Second {
		t.Errorf("ended at %v", r.End)
	}
}
