// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"

	"sonde/agent/protocol"
)

// concealed encodes a field, conceals its value and returns what the two say.
func concealed(t *testing.T, name, value string, private func([]byte) []bool) (before, after string) {
	t.Helper()
	var sent bytes.Buffer
	if err := xhpack.NewEncoder(&sent).WriteField(xhpack.HeaderField{Name: name, Value: value}); err != nil {
		t.Fatal(err)
	}
	decode := func(p []byte) string {
		var d Decoder
		var f Field
		d.Reset(&Scratch{})
		if n, state := d.Next(p, &f); n != len(p) || state != protocol.Done || string(f.Name) != name {
			t.Fatalf("%x: took %d of %d, state %d, name %q", p, n, len(p), state, f.Name)
		}
		return string(f.Value)
	}
	other := bytes.Clone(sent.Bytes())
	from, with := Conceal(other, private)
	copy(other[from:], with)
	return decode(sent.Bytes()), decode(other)
}

func TestConcealedValuesKeepTheirLengths(t *testing.T) {
	for _, value := range []string{"secret", "Bearer aaaaaaaaaaaaaaa", "0123456789", "XXXXXXXXXXXX", "\\\\~~^^||", "\x00\x01\xff\xfe", "a"} {
		before, after := concealed(t, "x-token", value, All)
		if before != value || len(after) != len(value) || after == value && value != "a" {
			t.Errorf("%q becomes %q", value, after)
		}
	}
}

func TestConcealedPartsStayWhereTheyAre(t *testing.T) {
	half := func(value []byte) []bool {
		private := All(value)
		clear(private[:len(value)/2])
		return private
	}
	before, after := concealed(t, ":path", "/find?token=abcdefghijkl", half)
	if after[:12] != before[:12] || after == before || len(after) != len(before) {
		t.Errorf("%q becomes %q", before, after)
	}
}

func FuzzConceal(f *testing.F) {
	f.Add("authorization", []byte("Bearer xyz"))
	f.Add("x", []byte{0, 255, 10, 13, 22})
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		if len(name) > 100 || len(value) > 1000 {
			t.Skip()
		}
		if _, after := concealed(t, name, string(value), All); len(after) != len(value) {
			t.Fatalf("%d bytes become %d", len(value), len(after))
		}
	})
}
