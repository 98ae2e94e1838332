// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"sonde/agent/protocol"
)

// unhex reads hexadecimal digits, with spaces anywhere.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newDecoder() *Decoder {
	d := &Decoder{}
	d.Reset(&Scratch{})
	return d
}

// show writes a field as the tests do: "name: value", "?" for what is not known, "!" in front of a sensitive one.
func show(f *Field) string {
	name, value := string(f.Name), string(f.Value)
	if f.NameUnknown {
		name = "?"
	}
	if f.ValueUnknown {
		value = "?"
	}
	s := name + ": " + value
	if f.Sensitive {
		s = "!" + s
	}
	return s
}

// block decodes a whole block; the last line is the state that it ended with, unless all went well.
func block(d *Decoder, p []byte) (lines []string) {
	var f Field
	for len(p) > 0 {
		n, s := d.Next(p, &f)
		switch s {
		case protocol.Done:
			lines = append(lines, show(&f))
		case protocol.NeedMore, protocol.Invalid:
			d.Lose()
			return append(lines, fmt.Sprint("state ", s))
		}
		p = p[n:]
	}
	return lines
}

// size is that of the table as RFC 7541 Appendix C prints it.
func (d *Decoder) size() uint64 { return d.table.size }

func TestExamplesOfAppendixC(t *testing.T) {
	type step struct {
		wire, want string
		size       uint64
	}
	date := "Mon, 21 Oct 2013 20:13:2"
	first := func(status, second string) string {
		return ":status: " + status + "\ncache-control: private\ndate: " + date + second + " GMT\nlocation: https://www.example.com"
	}
	cookie := "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
	request := ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com"
	requests := []string{request, request + "\ncache-control: no-cache",
		":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value"}
	tests := []struct {
		name  string
		table uint64
		steps []step
	}{
		{"C.2.1 literal with indexing", DefaultTable, []step{{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header", 55}}},
		{"C.2.2 literal without indexing", DefaultTable, []step{{"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0}}},
		{"C.2.3 literal never indexed", DefaultTable, []step{{"1008 7061 7373 776f 7264 0673 6563 7265 74", "!password: secret", 0}}},
		{"C.2.4 indexed", DefaultTable, []step{{"82", ":method: GET", 0}}},
		{"C.3 requests", DefaultTable, []step{
			{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", requests[0], 57},
			{"8286 84be 5808 6e6f 2d63 6163 6865", requests[1], 110},
			{"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", requests[2], 164},
		}},
		{"C.4 requests with Huffman coding", DefaultTable, []step{
			{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", requests[0], 57},
			{"8286 84be 5886 a8eb 1064 9cbf", requests[1], 110},
			{"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", requests[2], 164},
		}},
		{"C.5 responses with eviction", 256, []step{
			{"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first("302", "1"), 222},
			{"4803 3330 37c1 c0bf", first("307", "1"), 222},
			{"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31", first("200", "2") + "\ncontent-encoding: gzip\nset-cookie: " + cookie, 215},
		}},
		{"C.6 responses with Huffman coding", 256, []step{
			{"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3", first("302", "1"), 222},
			{"4883 640e ffc1 c0bf", first("307", "1"), 222},
			{"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07", first("200", "2") + "\ncontent-encoding: gzip\nset-cookie: " + cookie, 215},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDecoder()
			d.table.resize(test.table)
			for i, s := range test.steps {
				if got := strings.Join(block(d, unhex(t, s.wire)), "\n"); got != s.want {
					t.Errorf("block %d:\n%s\nwant\n%s", i, got, s.want)
				}
				if d.size() != s.size {
					t.Errorf("block %d: table of %d bytes, want %d", i, d.size(), s.size)
				}
			}
			if !d.Whole() {
				t.Error("the table is not whole")
			}
		})
	}
}

func TestExamplesOfIntegers(t *testing.T) {
	tests := []struct {
		name, wire string
		prefix     uint
		want       uint64
		n          int
		state      protocol.State
	}{
		{"C.1.1 10 in 5 bits", "0a", 5, 10, 1, protocol.Done},
		{"C.1.2 1337 in 5 bits", "1f9a0a", 5, 1337, 3, protocol.Done},
		{"C.1.3 42 in 8 bits", "2a", 8, 42, 1, protocol.Done},
		{"cut", "1f9a", 5, 0, 0, protocol.NeedMore},
		{"with zeros behind", "1f8080808000", 5, 31, 6, protocol.Done},
		{"without end", "1fffffffffffffffffffff", 5, 0, 0, protocol.Invalid},
	}
	for _, test := range tests {
		v, n, s := integer(unhex(t, test.wire), test.prefix)
		if s != test.state || s == protocol.Done && (v != test.want || n != test.n) {
			t.Errorf("%s: %d in %d bytes, state %d", test.name, v, n, s)
		}
	}
}

func TestWhatIsNotHPACK(t *testing.T) {
	for name, wire := range map[string]string{
		"number 0":                               "80",
		"name number without end":                "7fffffffffffffffffffff",
		"padding of a byte":                      "0081 1aff 00", // Huffman "b" would be 6 bits, then 10 ones
		"padding that is not ones":               "0081 18 00",
		"end of string in a string":              "0084 ffff fffc 00",
		"a string that ends with its length":     "0005",
		"a value that is cut":                    "0001 61 05 6162",
		"a name longer than any":                 "00 7f 81ff ff03",
		"a value longer than 2 GiB":              "00 01 61 7f 8080 8080 8001",
		"a size update that is cut":              "3f",
		"a literal that ends behind its name":    "0001 61",
		"a literal whose name's number is cut":   "7f",
		"an indexed field whose number is cut":   "ff",
		"a Huffman code of more bits than there": "0081 ff 00",
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder()
			if got := block(d, unhex(t, wire)); len(got) != 1 || !strings.HasPrefix(got[0], "state") {
				t.Errorf("got %q", got)
			}
			if d.Whole() {
				t.Error("the table is known after a broken block")
			}
		})
	}
}

// lit is a literal that is inserted, with a new name; idx refers to the i-th entry from the newest, which is 0; named is a
// literal whose name is that of entry i; resized is a size update.
func lit(name, value string) string {
	return "\x40" + string(rune(len(name))) + name + string(rune(len(value))) + value
}
func idx(i int) string                 { return string([]byte{0x80 | byte(62+i)}) }
func named(i int, value string) string { return string([]byte{0x40 | 62, byte(len(value))}) + value }
func resized(n int) string             { return string([]byte{0x3f, byte(n-31) | 0x80, byte((n - 31) >> 7)}) }
func emptied() string                  { return "\x20" }
func long(n int) string                { return strings.Repeat("v", n) }
func longLit(name string, n int) string {
	return "\x40" + string(rune(len(name))) + name + number(n) + long(n)
}
func number(n int) string {
	return string([]byte{0x7f, byte(n-127) | 0x80, byte((n-127)>>7) | 0x80, byte((n - 127) >> 14)})
}

func TestJoinedInTheMiddle(t *testing.T) {
	tests := []struct {
		name   string
		blocks []string
		want   string
		whole  bool
	}{
		{"older entries are unknown", []string{idx(0) + idx(20)}, "?: ?\n?: ?", false},
		{"entries that came since are exact", []string{lit("a", "1") + lit("b", "2"), idx(0) + idx(1) + idx(2)}, "a: 1\nb: 2\nb: 2\na: 1\n?: ?", false},
		{"a new value of an unknown name is known", []string{"\x7e\x011" + idx(0)}, "?: 1\n?: 1", false},
		{"a name of an unknown name stays unknown", []string{"\x7e\x011" + "\x7e\x012" + idx(0) + idx(1) + idx(2)}, "?: 1\n?: 2\n?: 2\n?: 1\n?: ?", false},
		{"static entries are known", []string{"\x82\x88"}, ":method: GET\n:status: 200", false},
		{"an emptied table is known", []string{lit("a", "1") + emptied() + resized(4096) + lit("b", "2") + idx(0)}, "a: 1\nb: 2\nb: 2", true},
		{"a table made smaller than an entry is known", []string{"\x3e" + lit("b", "2")}, "b: 2", true},
		{"a table that holds what came since and no more is known", []string{resized(80) + lit("a", "1") + lit("b", "2") + idx(1)}, "a: 1\nb: 2\na: 1", true},
		{"a table with room for an older entry is not", []string{resized(101) + lit("a", "1") + lit("b", "2") + idx(1)}, "a: 1\nb: 2\na: 1", false},
		{"an entry larger than the table empties it", []string{resized(40) + lit("name", "value") + lit("b", "2") + idx(0)}, "name: value\nb: 2\nb: 2", true},
		{"sizes of unknown names are too small to tell", []string{resized(99) + "\x7f\x01\x011" + lit("b", "2")}, "?: 1\nb: 2", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDecoder()
			d.Lose()
			var got []string
			for _, b := range test.blocks {
				got = append(got, block(d, []byte(b))...)
			}
			if s := strings.Join(got, "\n"); s != test.want {
				t.Errorf("got\n%s\nwant\n%s", s, test.want)
			}
			if d.Whole() != test.whole {
				t.Errorf("whole: %v", d.Whole())
			}
		})
	}
}

func TestOverlongStrings(t *testing.T) {
	tests := []struct{ name, block, want string }{
		{"a value is passed over", longLit("a", MaxString+1) + "\x82", "a: ?\n:method: GET"},
		{"its place in the table is kept", resized(60000)[:0] + "\x3f\xe1\xd4\x03" + lit("b", "1") + longLit("a", MaxString+1) + lit("c", "2") + idx(0) + idx(1) + idx(2),
			"b: 1\na: ?\nc: 2\nc: 2\na: ?\nb: 1"},
		{"one that is larger than the table empties it", lit("b", "1") + longLit("a", MaxString+1) + lit("c", "2") + idx(0) + idx(1), "b: 1\na: ?\nc: 2\nc: 2\n?: ?"},
		{"one of the largest size is read", longLit("a", MaxString)[1:2], "state 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := strings.Join(block(newDecoder(), []byte(test.block)), "\n"); got != test.want {
				t.Errorf("got\n%.300s\nwant\n%s", got, test.want)
			}
		})
	}
	d := newDecoder()
	block(d, []byte("\x3f\xe1\xff\x07")) // 131,072 bytes
	for range 5 {
		block(d, []byte(longLit("a", MaxString+1)))
	}
	if d.size() > MaxTable || d.Whole() {
		t.Errorf("%d bytes, whole: %v", d.size(), d.Whole())
	}
	var f Field
	if n, s := newDecoder().Next([]byte(longLit("a", MaxString)), &f); s != protocol.Done || len(f.Value) != MaxString || n != MaxString+7 {
		t.Errorf("%d bytes, state %d, %d bytes of value", n, s, len(f.Value))
	}
}

func TestTableLargerThanWhatIsKept(t *testing.T) {
	d := newDecoder()
	block(d, []byte("\x3f\xe1\xff\x07")) // 131,072 bytes
	const n = 40
	for i := range n {
		block(d, []byte(longLit(string(rune('A'+i)), 2000)))
	}
	if d.size() > MaxTable {
		t.Errorf("%d bytes are kept", d.size())
	}
	kept := d.table.len()
	if kept < 30 || kept == n || d.Whole() {
		t.Fatalf("%d entries are kept, whole: %v", kept, d.Whole())
	}
	for i := range n {
		name := string(rune('A' + n - 1 - i))
		if i >= kept {
			name = "?"
		}
		if got := block(d, []byte(idx(i))); i < 64 && !strings.HasPrefix(got[0], name+": ") {
			t.Fatalf("entry %d of %d: %.20q", i, kept, got[0])
		}
	}
}

func TestMemoryOfATable(t *testing.T) {
	d := newDecoder()
	for i := range 20000 {
		block(d, []byte(lit(fmt.Sprintf("name-%d", i%97), long(i%89+1))))
	}
	if n := cap(d.table.bytes) + 40*cap(d.table.entries); n > 4*DefaultTable {
		t.Errorf("a table of %d bytes takes %d", DefaultTable, n)
	}
}

func TestNoFieldNeedsMore(t *testing.T) {
	padded := func(n int) string { // a length in as many bytes as it may have
		n -= 127
		b := []byte{0x7f}
		for range 8 {
			b = append(b, byte(n)|0x80)
			n >>= 7
		}
		return string(append(b, 0))
	}
	p := []byte("\x40" + padded(MaxString) + long(MaxString) + padded(MaxString) + long(MaxString))
	var f Field
	if n, s := newDecoder().Next(p, &f); s != protocol.Done || n != len(p) || n > MaxField {
		t.Errorf("%d of %d bytes, state %d", n, len(p), s)
	}
}
