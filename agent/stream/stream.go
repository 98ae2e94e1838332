// SPDX-License-Identifier: Apache-2.0

// Package stream puts the segments of one direction of a TCP connection in order.
//
// It turns sequence numbers into a sequence of calls: bytes, or the number of bytes that passed without having been copied.
// Retransmitted and overlapping bytes are passed on once; what arrived early waits, within limits, until the hole before it
// is filled or given up. It knows neither protocols nor sockets. Called by agent/conn; not safe for concurrent use.
package stream

import (
	"cmp"
	"time"
)

// Limits of what waits behind a hole, for each direction. Beyond them the hole is given up and counted.
const (
	MaxWaiting      = 64
	MaxWaitingBytes = 256 << 10
)

// Segment is a run of bytes as one record tells it: the first and last of them may have been copied, the rest was counted.
type Segment struct {
	Seq        uint32
	Len        uint32
	Head, Tail []byte // copied bytes at the beginning and at the end; valid during the call
	FIN        bool   // the direction ends behind it
	Ahead      bool   // bytes before it are still on their way
	Time       time.Duration
}

// Consumer takes the ordered bytes. Every byte is either fed or skipped, once.
type Consumer interface {
	Feed(p []byte, t time.Duration)
	Skip(n uint64, t time.Duration)
	EOF(t time.Duration)
}

// Stats counts over the life of the stream.
type Stats struct {
	Fed, Skipped uint64 // bytes
	GivenUp      uint64 // holes that were not filled in time
}

// Stream is one direction. The zero value is ready to use.
type Stream struct {
	next    uint32
	started bool
	ended   bool
	waiting []Segment // early segments in order of sequence number, with copies of their bytes
	held    int       // bytes copied into waiting
	since   time.Duration
	Stats   Stats

	maxWaiting, maxWaitingBytes int // 0: the limits above
}

// Allow sets other limits than MaxWaiting and MaxWaitingBytes.
func (s *Stream) Allow(segments, bytes int) { s.maxWaiting, s.maxWaitingBytes = segments, bytes }

// Started reports whether a sequence number is known.
func (s *Stream) Started() bool { return s.started }

// Next returns the sequence number after the last byte passed on.
func (s *Stream) Next() uint32 { return s.next }

// Position returns the number of bytes passed on, fed or skipped.
func (s *Stream) Position() uint64 { return s.Stats.Fed + s.Stats.Skipped }

// SeqAt returns the sequence number of the byte at a position, see Position.
func (s *Stream) SeqAt(position uint64) uint32 { return s.next + uint32(position-s.Position()) }

// Waiting reports whether bytes wait behind a hole, and since when.
func (s *Stream) Waiting() (since time.Duration, ok bool) { return s.since, len(s.waiting) > 0 }

// StartAt sets the first sequence number, unless one is known.
func (s *Stream) StartAt(seq uint32) {
	if !s.started {
		s.started, s.next = true, seq
	}
}

// Append takes a segment.
func (s *Stream) Append(g *Segment, c Consumer) {
	s.StartAt(g.Seq)
	if len(s.waiting) == 0 && g.Seq == s.next { // nearly always
		s.pass(g, c)
		return
	}
	ahead := int32(g.Seq - s.next)
	switch {
	case ahead <= 0:
		s.pass(g, c)
	case g.Ahead || len(s.waiting) > 0:
		s.wait(g)
		if len(s.waiting) > cmp.Or(s.maxWaiting, MaxWaiting) || s.held > cmp.Or(s.maxWaitingBytes, MaxWaitingBytes) {
			s.GiveUp(c)
		}
	default: // counted by the kernel without a record, or in a record that was lost
		s.skip(uint64(ahead), g.Time, c)
		s.pass(g, c)
	}
	s.release(g.Time, c)
}

// Reached says that all bytes before seq have passed, whatever records told of them. It does nothing while bytes wait:
// then they are on their way.
func (s *Stream) Reached(seq uint32, t time.Duration, c Consumer) {
	if !s.started {
		s.StartAt(seq)
		return
	}
	if n := int32(seq - s.next); n > 0 && len(s.waiting) == 0 {
		s.skip(uint64(n), t, c)
	}
}

// Acked says that the other side has all bytes before seq: what is missing of them was not seen and will not come.
func (s *Stream) Acked(seq uint32, t time.Duration, c Consumer) {
	s.StartAt(seq)
	for int32(seq-s.next) > 0 {
		to, at := seq, t
		if len(s.waiting) > 0 && int32(s.waiting[0].Seq-seq) < 0 {
			to, at = s.waiting[0].Seq, s.waiting[0].Time
		}
		s.Stats.GivenUp++
		s.skip(uint64(to-s.next), at, c)
		s.release(at, c)
	}
}

// GiveUp passes on what waits, with the holes before it as skipped bytes.
func (s *Stream) GiveUp(c Consumer) {
	for len(s.waiting) > 0 {
		g := &s.waiting[0]
		if n := int32(g.Seq - s.next); n > 0 {
			s.Stats.GivenUp++
			s.skip(uint64(n), g.Time, c)
		}
		s.release(g.Time, c)
	}
}

// pass hands on a segment that begins at or before next.
func (s *Stream) pass(g *Segment, c Consumer) {
	head, tail := g.Head, g.Tail
	between := uint64(g.Len) - uint64(len(head)) - uint64(len(tail))
	if old := uint64(s.next - g.Seq); old > 0 { // seen before
		head, old = cut(head, old)
		n := min(old, between)
		between, old = between-n, old-n
		tail, _ = cut(tail, old)
	}
	if len(head) > 0 {
		s.feed(head, g.Time, c)
	}
	if between > 0 {
		s.skip(between, g.Time, c)
	}
	if len(tail) > 0 {
		s.feed(tail, g.Time, c)
	}
	if g.FIN && !s.ended && int32(g.Seq+g.Len-s.next) >= 0 {
		s.ended = true
		c.EOF(g.Time)
	}
}

// cut removes up to n bytes from the front of p and returns what is left of both.
func cut(p []byte, n uint64) ([]byte, uint64) {
	k := min(n, uint64(len(p)))
	return p[k:], n - k
}

func (s *Stream) feed(p []byte, t time.Duration, c Consumer) {
	s.next += uint32(len(p))
	s.Stats.Fed += uint64(len(p))
	c.Feed(p, t)
}

func (s *Stream) skip(n uint64, t time.Duration, c Consumer) {
	s.next += uint32(n)
	s.Stats.Skipped += n
	c.Skip(n, t)
}

// wait keeps a copy of an early segment, in order of sequence number.
func (s *Stream) wait(g *Segment) {
	kept := *g
	both := make([]byte, len(g.Head)+len(g.Tail))
	copy(both, g.Head)
	copy(both[len(g.Head):], g.Tail)
	kept.Head, kept.Tail = both[:len(g.Head):len(g.Head)], both[len(g.Head):]
	if len(s.waiting) == 0 {
		s.since = g.Time
	}
	at := len(s.waiting)
	for at > 0 && int32(s.waiting[at-1].Seq-g.Seq) > 0 {
		at--
	}
	s.waiting = append(s.waiting, Segment{})
	copy(s.waiting[at+1:], s.waiting[at:])
	s.waiting[at] = kept
	s.held += len(both)
}

// release passes on what no longer waits, now that the hole before it was filled: no reader could have it sooner.
func (s *Stream) release(now time.Duration, c Consumer) {
	for len(s.waiting) > 0 && int32(s.waiting[0].Seq-s.next) <= 0 {
		g := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.held -= len(g.Head) + len(g.Tail)
		g.Time = max(g.Time, now)
		if int32(g.Seq+g.Len-s.next) > 0 || g.FIN {
			s.pass(&g, c)
		}
	}
	if len(s.waiting) == 0 {
		s.waiting = nil
	}
}
