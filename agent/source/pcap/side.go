// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"slices"

	"sonde/probes/event"
)

// reach is how far from the newest byte of a direction a sequence number may be. Beyond it a segment is stray or forged.
const reach = 1 << 28

// maxSpans bounds the runs of bytes beyond a hole that are told apart.
const maxSpans = 256

// side is one direction of a connection: what its sender sent and how much of it the other side acknowledged.
type side struct {
	syn, fin, started, hasAck bool

	start     uint32 // sequence number of the first byte
	next      uint32 // of the first byte that was not seen
	spans     []span // seen beyond next, in order
	waiting   int    // bytes in them
	holeSince uint64
	frontAt   uint64 // when the newest byte passed
	passed    uint64 // bytes from start to next
	finAt     uint32 // sequence number of the FIN
	acked     uint32 // by the other side, valid when hasAck

	told      uint32 // after the last byte that a record told of; 0 before the first
	otherTold uint32 // the other direction's told when the current turn began

	packets     uint64
	farSegments uint8

	timing  bool // bytes up to timedTo passed at timedAt and are not acknowledged yet
	timedTo uint32
	timedAt uint64
	srtt    uint64 // smoothed time from here to the other side and back, ns
}

type span struct{ from, to uint32 }

// after compares sequence numbers (RFC 9293 section 3.4).
func after(a, b uint32) bool { return int32(a-b) > 0 }

// begin sets the first sequence number, unless one is known.
func (s *side) begin(seq uint32) {
	if !s.started {
		s.started, s.start, s.next, s.acked = true, seq, seq, seq
	}
}

// front returns the sequence number after the newest byte seen.
func (s *side) front() uint32 {
	if n := len(s.spans); n > 0 {
		return s.spans[n-1].to
	}
	return s.next
}

func (s *side) far(seq uint32) bool { return s.started && seq-s.front()+reach > 2*reach }

// bytes is the number of bytes sent, those included that were not captured.
func (s *side) bytes() uint64 { return s.passed + uint64(s.front()-s.next) }

// missing returns the end of what an acknowledgement covers of the bytes: a FIN is none.
func (s *side) missing(ack uint32) uint32 {
	if s.fin && after(ack, s.finAt) {
		return s.finAt
	}
	return ack
}

// finished tells whether the direction has ended and the other side knows.
func (s *side) finished() bool { return s.fin && s.hasAck && after(s.acked, s.finAt) }

// unacked returns the first byte that the other side did not acknowledge. When nothing was captured of the other side, it is
// taken to have acknowledged everything.
func (s *side) unacked(known bool) uint32 {
	if known && s.hasAck {
		return s.acked
	}
	return s.front()
}

// acknowledge notes an acknowledgement and reports whether it makes sense.
func (s *side) acknowledge(ack uint32, now uint64) bool {
	if s.far(ack) {
		return false
	}
	if !s.hasAck || after(ack, s.acked) {
		s.hasAck, s.acked = true, ack
	}
	if s.timing && !after(s.timedTo, ack) {
		s.timing = false
		took := now - min(now, s.timedAt)
		if s.srtt == 0 {
			s.srtt = max(took, 1)
		} else { // RFC 6298 section 2
			s.srtt += took/8 - s.srtt/8
		}
	}
	return true
}

// time starts to measure how long it takes until bytes up to seq are acknowledged.
func (s *side) time(seq uint32, now uint64) {
	if !s.timing {
		s.timing, s.timedTo, s.timedAt = true, seq, now
	}
}

// place notes bytes [seq, end) and tells where they stand: flags as the kernel sets them, and whether any is new.
func (s *side) place(seq, end uint32, now uint64) (flags uint8, news bool) {
	switch front := s.front(); {
	case !after(end, s.next):
		return 0, false
	case !after(seq, s.next): // fills the hole, if there is one
		if len(s.spans) > 0 {
			flags = event.SegmentLate
		}
		if after(end, front) {
			s.frontAt = now
		}
		s.advance(end)
		return flags, true
	case after(end, front):
		flags = event.SegmentAhead
		s.frontAt = now
	default:
		flags = event.SegmentLate
	}
	if len(s.spans) == 0 {
		s.holeSince = now
	}
	return flags, s.note(span{seq, end})
}

// advance moves next to a sequence number and beyond what was seen behind it.
func (s *side) advance(to uint32) {
	k := 0
	for ; k < len(s.spans) && !after(s.spans[k].from, to); k++ {
		if after(s.spans[k].to, to) {
			to = s.spans[k].to
		}
		s.waiting -= int(s.spans[k].to - s.spans[k].from)
	}
	s.spans = slices.Delete(s.spans, 0, k)
	s.passed += uint64(to - s.next)
	s.next = to
}

// note adds bytes beyond a hole and reports whether any of them is new.
func (s *side) note(g span) bool {
	i := 0
	for i < len(s.spans) && after(g.from, s.spans[i].to) {
		i++
	}
	j := i
	for ; j < len(s.spans) && !after(s.spans[j].from, g.to); j++ {
		q := s.spans[j]
		if !after(q.from, g.from) && !after(g.to, q.to) {
			return false
		}
		if after(g.from, q.from) {
			g.from = q.from
		}
		if after(q.to, g.to) {
			g.to = q.to
		}
		s.waiting -= int(q.to - q.from)
	}
	s.spans = slices.Replace(s.spans, i, j, g)
	s.waiting += int(g.to - g.from)
	return true
}
