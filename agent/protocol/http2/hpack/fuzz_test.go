// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	reference "golang.org/x/net/http2/hpack"

	"sonde/agent/protocol"
)

// split cuts fuzzed bytes into blocks: each begins with its length.
func split(p []byte) (blocks [][]byte) {
	for len(p) > 1 {
		n := min(int(p[0]), len(p)-1)
		blocks = append(blocks, p[1:1+n])
		p = p[1+n:]
	}
	return blocks
}

func seeds(f *testing.F) {
	for _, s := range []string{
		lit("custom-key", "custom-value") + idx(0) + "\x82\x86\x84",
		resized(100) + lit("a", "1") + lit("b", long(60)) + lit("c", "3") + idx(0) + idx(1),
		named(0, "2") + emptied() + lit("a", "1") + idx(0),
		"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\xbe\x10\x08password\x06secret",
	} {
		f.Add(append([]byte{byte(len(s))}, s+string([]byte{3})+idx(0)+idx(1)+"\x82"...))
	}
}

// all decodes a block; false when it is not one.
func all(d *Decoder, p []byte) (fields []reference.HeaderField, ok bool) {
	var f Field
	for len(p) > 0 {
		n, s := d.Next(p, &f)
		switch s {
		case protocol.NeedMore, protocol.Invalid:
			return fields, false
		case protocol.Done:
			if f.NameUnknown || f.ValueUnknown {
				return fields, false
			}
			fields = append(fields, reference.HeaderField{Name: string(f.Name), Value: string(f.Value), Sensitive: f.Sensitive})
		}
		p = p[n:]
	}
	return fields, true
}

// FuzzDecode holds that what the reference accepts means the same here, block after block.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		d, r := newDecoder(), reference.NewDecoder(DefaultTable, nil)
		r.SetAllowedMaxDynamicTableSize(1 << 20)
		for _, b := range split(p) {
			want, err := r.DecodeFull(b)
			if err != nil {
				return
			}
			if got, ok := all(d, b); !ok || !slices.Equal(got, want) {
				t.Fatalf("block %x: %v, %v; the reference says %v", b, got, ok, want)
			}
		}
	})
}

// FuzzJoined holds that one who joins later says of each field the same as one who was there, or that he does not know.
func FuzzJoined(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		whole, joined := newDecoder(), newDecoder()
		joined.Lose()
		for i, b := range split(p) {
			want, ok := all(whole, b)
			if !ok { // no correct encoder sent that
				return
			}
			if i == 0 {
				continue
			}
			var c count
			c.compare(joined, b, want)
			if c.wrong > 0 {
				t.Fatalf("block %x: %d wrong of %v", b, c.wrong, want)
			}
		}
	})
}

// FuzzPieces holds that it makes no difference how a block is cut.
func FuzzPieces(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		whole := newDecoder()
		want, ok := all(whole, p)
		if !ok {
			return
		}
		pieces := newDecoder()
		random := rand.New(rand.NewPCG(uint64(len(p)), 1))
		var got []reference.HeaderField
		var kept []byte
		for len(p) > 0 {
			n := 1 + random.IntN(min(len(p), 5))
			kept, p = append(kept, p[:n]...), p[n:]
			kept, got = feed(pieces, kept, got)
		}
		if len(kept) > 0 || !slices.Equal(got, want) {
			t.Fatalf("%v and %d bytes more, want %v", got, len(kept), want)
		}
	})
}

// feed decodes as many fields as p holds and returns the rest.
func feed(d *Decoder, p []byte, to []reference.HeaderField) ([]byte, []reference.HeaderField) {
	var f Field
	for {
		n, s := d.Next(p, &f)
		if s == protocol.NeedMore || s == protocol.Invalid {
			return p, to
		}
		if s == protocol.Done {
			to = append(to, reference.HeaderField{Name: string(f.Name), Value: string(f.Value), Sensitive: f.Sensitive})
		}
		p = p[n:]
	}
}

// TestHuffmanAgainstTheReference decodes what the reference encodes, and strings that are mostly broken.
func TestHuffmanAgainstTheReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20000 {
		p := make([]byte, random.IntN(40))
		for j := range p {
			p[j] = byte(random.IntN(1 << (5 + i%4)))
		}
		coded := reference.AppendHuffmanString(nil, string(p))
		if got, ok := appendHuffman(nil, coded); !ok || !bytes.Equal(got, p) {
			t.Fatalf("%q became %q, %v", p, got, ok)
		}
		want, err := reference.HuffmanDecodeToString(p)
		if got, ok := appendHuffman(nil, p); ok != (err == nil) || ok && string(got) != want {
			t.Fatalf("%x: %q, %v; the reference says %q, %v", p, got, ok, want, err)
		}
	}
}
