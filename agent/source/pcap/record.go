// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"sonde/agent/source"
	"sonde/probes/event"
)

// output is where records go.
type output struct {
	to      source.Receiver
	scratch event.Scratch
}

// pieceBytes is the most that one record carries; a longer segment, as network cards make them, takes several.
const pieceBytes = 32 << 10

// maxWaiting bounds the bytes behind holes of all connections together. Beyond it holes are given up at once.
const maxWaiting = 64 << 20

// deliver makes the record of a segment.
func (c *tcpConn) deliver(g *segment) {
	s, o := &c.sides[g.dir], &c.sides[g.dir^1]
	s.begin(g.seq)
	end := g.seq + g.n
	if s.far(g.seq) || s.fin && after(end, s.finAt) {
		return
	}
	r := event.Segment{
		Hdr: c.header(event.KindSegment, g.time), Cookie: c.sock, Tuple: c.tuple,
		Seq: g.seq, Len: g.n, Dir: g.dir, TcpFlags: g.flags, OtherNext: o.told, Hole: s.next,
	}
	if to := o.missing(g.ack); g.has(flagACK) && !o.far(to) && after(to, o.next) {
		c.startStream(g.dir^1, g.time)
		r.OtherNext = to
		r.Hdr.Flags = event.SegmentAcked
		c.giveUp(g.dir^1, to)
	}
	first, front := s.told == 0, after(end, s.front())
	if !c.placed(g, s, end, &r) {
		return
	}
	if front && (first || s.otherTold != o.told) {
		s.otherTold = o.told
		r.Hdr.Flags |= event.SegmentTurn
	}
	c.write(&r, g)
	s.told = s.front()
	if c.t.waiting > maxWaiting && s.waiting > 0 {
		c.acked(g.dir^1, o.front(), s.front(), g.time)
	}
}

// placed notes where a segment stands in its direction and reports whether it makes a record.
func (c *tcpConn) placed(g *segment, s *side, end uint32, r *event.Segment) bool {
	flags, news := uint8(0), false
	if before := s.waiting; g.n > 0 {
		flags, news = s.place(g.seq, end, g.time)
		c.t.waiting += s.waiting - before
	}
	if len(s.spans) > maxSpans {
		c.acked(g.dir^1, c.sides[g.dir^1].front(), s.spans[0].from, g.time)
	}
	if g.n == 0 && after(g.seq, r.Hole) {
		flags = event.SegmentAhead
	}
	r.Hdr.Flags |= flags
	switch {
	case news && flags == 0:
		s.time(end, g.time)
	case news && flags == event.SegmentLate && g.time > s.frontAt+reorderTime, !news && g.n > 1:
		c.retransmits++ // what comes sooner was reordered, and a byte again is a probe
		s.timing = false
	}
	if g.has(flagFIN) && !s.fin {
		s.fin, s.finAt = true, end
		return true
	}
	return news
}

// write makes the record, or several.
func (c *tcpConn) write(r *event.Segment, g *segment) {
	if r.Dir == event.DirSent {
		r.BytesAcked, r.BytesReceived = c.sides[0].bytes()+c.synByte(), c.sides[1].bytes()
		r.SrttUs, r.Retransmits = c.roundTrip(), c.retransmits
	}
	b := g.bytes[:min(len(g.bytes), int(g.n))]
	for len(b) > pieceBytes {
		piece := *r
		piece.Len = pieceBytes
		piece.TcpFlags &^= flagFIN
		c.t.out.to.Record(c.t.out.scratch.Segment(&piece, b[:pieceBytes]))
		b = b[pieceBytes:]
		r.Seq, r.Len = r.Seq+pieceBytes, r.Len-pieceBytes
		r.Hdr.Flags &^= event.SegmentTurn | event.SegmentAcked
		r.OtherNext = c.sides[r.Dir^1].told
	}
	c.t.out.to.Record(c.t.out.scratch.Segment(r, b))
}

// acked tells that what is missing of the other direction before to will not come; dir is that of the acknowledgement.
func (c *tcpConn) acked(dir uint8, seq, to uint32, at uint64) {
	c.startStream(dir^1, at)
	r := event.Segment{
		Hdr: c.header(event.KindSegment, at), Cookie: c.sock, Tuple: c.tuple, Seq: seq, Dir: dir, OtherNext: to,
		Hole: c.sides[dir].next,
	}
	r.Hdr.Flags = event.SegmentAcked
	if after(seq, r.Hole) {
		r.Hdr.Flags |= event.SegmentAhead
	}
	c.giveUp(dir^1, to)
	c.write(&r, &segment{})
}

// startStream tells where a direction begins when all that is known of it so far is that its beginning is missing.
func (c *tcpConn) startStream(dir uint8, at uint64) {
	s := &c.sides[dir]
	if s.told != 0 {
		return
	}
	r := event.Segment{
		Hdr: c.header(event.KindSegment, at), Cookie: c.sock, Tuple: c.tuple, Seq: s.start, Dir: dir, Hole: s.start,
	}
	c.write(&r, &segment{})
	s.told = s.start
}

// giveUp passes over what is missing of a direction before to.
func (c *tcpConn) giveUp(dir uint8, to uint32) {
	s := &c.sides[dir]
	before := s.waiting
	s.advance(to)
	c.t.waiting += s.waiting - before
	if s.told != 0 && after(s.next, s.told) {
		s.told = s.next
	}
}
