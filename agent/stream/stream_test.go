// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sonde/agent/stream"
)

// log writes down what a stream passes on: bytes as they are, skipped ones as <n>, the end as $.
type log struct {
	strings.Builder
	skipped uint64
}

func (l *log) Feed(p []byte, _ time.Duration) { l.Write(p) }
func (l *log) Skip(n uint64, _ time.Duration) { l.skipped += n; fmt.Fprintf(l, "<%d>", n) }
func (l *log) EOF(time.Duration)              { l.WriteString("$") }
func seg(seq uint32, s string) *stream.Segment {
	return &stream.Segment{Seq: seq, Len: uint32(len(s)), Head: []byte(s)}
}

func ahead(g *stream.Segment) *stream.Segment { g.Ahead = true; return g }
func fin(g *stream.Segment) *stream.Segment   { g.FIN = true; return g }

func counted(seq, n uint32, head, tail string) *stream.Segment {
	return &stream.Segment{Seq: seq, Len: n, Head: []byte(head), Tail: []byte(tail)}
}

func TestStreamPutsSegmentsInOrder(t *testing.T) {
	const top = 0xffffffff
	for name, c := range map[string]struct {
		segments []*stream.Segment
		want     string
	}{
		"segments in order":                           {[]*stream.Segment{seg(1, "ab"), seg(3, "cd")}, "abcd"},
		"sequence numbers wrap":                       {[]*stream.Segment{seg(top-1, "abcd"), seg(2, "ef")}, "abcdef"},
		"a retransmission is passed on once":          {[]*stream.Segment{seg(1, "ab"), seg(1, "ab"), seg(3, "c")}, "abc"},
		"an overlap is cut at its front":              {[]*stream.Segment{seg(1, "abc"), seg(2, "bcde")}, "abcde"},
		"an overlap is cut into its counted part":     {[]*stream.Segment{seg(1, "abcdef"), counted(2, 10, "bc", "jk")}, "abcdef<3>jk"},
		"an overlap is cut into its tail":             {[]*stream.Segment{seg(1, "abcdefghij"), counted(2, 10, "bc", "jk")}, "abcdefghijk"},
		"an early segment waits for the hole before":  {[]*stream.Segment{seg(1, "ab"), ahead(seg(5, "ef")), seg(3, "cd")}, "abcdef"},
		"two early segments come in their order":      {[]*stream.Segment{seg(1, "a"), ahead(seg(4, "d")), ahead(seg(3, "c")), seg(2, "b")}, "abcd"},
		"what follows an early segment waits with it": {[]*stream.Segment{seg(1, "a"), ahead(seg(3, "c")), seg(4, "d"), seg(2, "b")}, "abcd"},
		"a gap that nothing announces was counted":    {[]*stream.Segment{seg(1, "ab"), seg(10, "cd")}, "ab<7>cd"},
		"a cut segment says how much is missing":      {[]*stream.Segment{counted(1, 100, "ab", "yz"), seg(101, "c")}, "ab<96>yzc"},
		"the end comes after the bytes before it":     {[]*stream.Segment{seg(1, "a"), ahead(fin(seg(3, "c"))), seg(2, "b")}, "abc$"},
		"the end comes once":                          {[]*stream.Segment{fin(seg(1, "a")), fin(seg(2, "")), fin(seg(2, ""))}, "a$"},
	} {
		t.Run(name, func(t *testing.T) {
			var s stream.Stream
			var got log
			for _, g := range c.segments {
				s.Append(g, &got)
			}
			if got.String() != c.want {
				t.Errorf("got %q, want %q", got.String(), c.want)
			}
		})
	}
}

func TestHoleIsGivenUpBeyondTheLimitAndCounted(t *testing.T) {
	var s stream.Stream
	var got log
	s.Append(seg(0, "a"), &got)
	for i := range uint32(stream.MaxWaiting + 1) {
		s.Append(ahead(seg(3+2*i, "b")), &got)
	}
	if s.Stats.GivenUp == 0 || got.skipped == 0 {
		t.Fatalf("given up %d, skipped %d: want both counted", s.Stats.GivenUp, got.skipped)
	}
	if _, ok := s.Waiting(); ok {
		t.Error("segments still wait after the hole was given up")
	}
}

func TestReachedSkipsOnlyWhatNoRecordWillTell(t *testing.T) {
	var s stream.Stream
	var got log
	s.Append(seg(1, "ab"), &got)
	s.Reached(10, 0, &got)
	s.Reached(5, 0, &got)
	s.Append(ahead(seg(20, "z")), &got)
	s.Reached(20, 0, &got)
	if want := "ab<7>"; got.String() != want {
		t.Errorf("got %q, want %q: bytes behind a hole are on their way", got.String(), want)
	}
}

// FuzzOrder sends a text in random pieces, shuffled within a window, some twice, and wants it back whole.
func FuzzOrder(f *testing.F) {
	f.Add(uint64(1), uint16(100))
	f.Add(uint64(7), uint16(3000))
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := make([]byte, int(size)+1)
		for i := range text {
			text[i] = byte('a' + r.IntN(26))
		}
		base := r.Uint32()
		var pieces []*stream.Segment
		for at := 0; at < len(text); {
			n := min(1+r.IntN(40), len(text)-at)
			pieces = append(pieces, seg(base+uint32(at), string(text[at:at+n])))
			if r.IntN(5) == 0 {
				pieces = append(pieces, pieces[len(pieces)-1])
			}
			at += n
		}
		for i := range pieces[1:] { // the first stays first: nothing before it could be known
			if j := 1 + i + r.IntN(4); j < len(pieces) {
				pieces[i+1], pieces[j] = pieces[j], pieces[i+1]
			}
		}
		var s stream.Stream
		var got log
		next := base
		for _, g := range pieces {
			k := *g
			k.Ahead = int32(k.Seq-next) > 0 // as the kernel side marks it
			if end := k.Seq + k.Len; int32(end-next) > 0 {
				next = end
			}
			s.Append(&k, &got)
		}
		if !bytes.Equal([]byte(got.String()), text) {
			t.Fatalf("got %d bytes, want %d\n got %q\nwant %q", got.Len(), len(text), got.String(), text)
		}
	})
}
