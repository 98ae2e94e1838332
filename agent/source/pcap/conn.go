// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"slices"

	"sonde/probes/event"
)

// States of TCP in the kernel (include/net/tcp_states.h) and errors, as agent/conn reads them in the end of a connection.
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateLastAck     = 9
	errReset         = 104
	errTimedOut      = 110
	errRefused       = 111
)

// ending is how a connection ended.
type ending struct {
	state uint8
	err   int32
	flags uint8
}

// tcpConn is one connection. Its sides are indexed by direction: Sent is what the client sends.
type tcpConn struct {
	t           *tcpTable
	key         connKey
	sock        uint64
	tuple       event.Tuple // local is the client
	sides       [2]side
	phase       phase
	announced   bool // its beginning was told
	established bool
	reset       bool
	resetBy     uint8 // direction, valid when reset
	first, last uint64
	retransmits uint32

	held      []segment // in their order; they acknowledge bytes that were not seen yet
	heldSince uint64
	heldBytes int

	prev, next *tcpConn // in the queue of its phase
}

func (c *tcpConn) dirOf(p *packet, src uint16) uint8 {
	if c.tuple.Local == p.src && c.tuple.LocalPort == src {
		return event.DirSent
	}
	return event.DirReceived
}

// isAnother tells whether a packet belongs to a later connection between the same ends.
func (c *tcpConn) isAnother(g *segment) bool {
	s, o := &c.sides[g.dir], &c.sides[g.dir^1]
	if !g.has(flagSYN) {
		return g.n > 0 && c.goesOnAfresh(g, s)
	}
	if s.started && s.start == g.seq { // again, or late
		return false
	}
	if g.has(flagACK) {
		return s.started || c.phase == over && o.started && o.start != g.ack
	}
	simultaneous := c.phase == opening && g.dir == event.DirReceived && !s.started
	return !simultaneous
}

// farTimes is how many segments in a row must be out of all reach before they are taken for another connection.
const farTimes = 3

// goesOnAfresh tells whether payload shows that what was believed of the connection is not so: its beginning was not
// captured, or a RST was not its own.
func (c *tcpConn) goesOnAfresh(g *segment, s *side) bool {
	if !s.far(g.seq) {
		s.farSegments = 0
		return c.phase == over && c.reset && c.resetBy == g.dir && s.started && after(g.seq+g.n, s.front())
	}
	s.farSegments++
	return c.phase == over || s.farSegments >= farTimes
}

// packet takes a packet of this connection.
func (c *tcpConn) packet(g *segment) {
	s := &c.sides[g.dir]
	c.last = max(c.last, g.time)
	c.t.move(c, c.phase)
	if c.phase == over {
		return
	}
	s.packets++
	switch {
	case g.has(flagRST):
		c.onReset(g)
		return
	case g.has(flagSYN):
		c.onSYN(g)
	case c.phase == opening && (g.dir == event.DirSent || g.n > 0): // the answer was not captured
		c.establish(g.time)
	}
	if g.has(flagACK) {
		c.onACK(g)
	}
	if g.n > 0 || g.has(flagFIN) {
		c.take(g)
	}
	c.endIfBothEnded(g.time)
}

func (c *tcpConn) onSYN(g *segment) {
	s, o := &c.sides[g.dir], &c.sides[g.dir^1]
	if s.syn {
		c.retransmits++
		s.timing = false
		return
	}
	s.syn = true
	s.begin(g.seq)
	s.time(g.seq, g.time)
	if !g.has(flagACK) {
		if !c.established && g.dir == event.DirSent {
			c.announce(g.time)
			c.t.move(c, opening)
		}
		return
	}
	o.begin(g.ack)
	c.establish(g.time)
}

func (c *tcpConn) announce(at uint64) {
	c.announced = true
	e := event.Actor{Hdr: c.header(event.KindConnect, at), Tuple: c.tuple}
	c.t.out.to.Record(event.Bytes(&e))
}

func (c *tcpConn) establish(at uint64) {
	if c.phase == opening {
		c.t.move(c, open)
	}
	if c.established {
		return
	}
	c.established = true
	e := event.Established{Hdr: c.header(event.KindEstablished, at), Tuple: c.tuple}
	c.t.out.to.Record(event.Bytes(&e))
}

func (c *tcpConn) header(k event.Kind, at uint64) event.Header {
	return event.Header{Time: at, Sock: c.sock, Kind: uint8(k)}
}

// onACK learns what has reached the other side.
func (c *tcpConn) onACK(g *segment) {
	o := &c.sides[g.dir^1]
	o.begin(g.ack)
	if !o.acknowledge(g.ack, g.time) {
		return
	}
	// A hole that is acknowledged will not be filled by TCP, only by a capture that has packets out of order.
	if g.n == 0 && len(o.spans) > 0 && after(o.missing(g.ack), o.next) && g.time > o.holeSince+reorderTime {
		if len(c.held) > 0 && c.held[0].dir == g.dir { // its sender sent that before
			c.release()
		}
		if after(o.missing(g.ack), o.next) {
			c.acked(g.dir, g.seq, o.missing(g.ack), g.time)
		}
	}
}

// reorderTime is how far packets of one connection may be out of order in a capture: several queues of one network card, or
// several interfaces that each pass the packet on.
const reorderTime = 20e6

// Limits of what is held back because it acknowledges bytes that were not seen.
const (
	maxHeld      = 32
	maxHeldBytes = 256 << 10
)

// take takes payload or the end of a direction. A segment that acknowledges bytes which the capture does not have yet waits
// a little: delivered before them, an answer would have no question.
func (c *tcpConn) take(g *segment) {
	o := &c.sides[g.dir^1]
	if len(c.held) > 0 {
		if c.held[0].dir == g.dir {
			if h := &c.held[0]; !after(g.seq+g.n, h.seq) && !after(o.missing(g.ack), o.next) { // sent before, captured behind it
				c.deliver(g)
				return
			}
			c.hold(g)
			return
		}
		c.releaseBefore(g)
	}
	if len(c.held) == 0 && g.has(flagACK) && o.packets > 0 && after(o.missing(g.ack), o.next) {
		c.heldSince = g.time
		c.t.holding = append(c.t.holding, held{c, g.time})
		c.hold(g)
		return
	}
	if len(c.held) == 0 {
		c.deliver(g)
		return
	}
	alone := *g
	alone.flags &^= flagACK // what is held back is not missing
	c.deliver(&alone)
	if !after(c.sides[g.dir].missing(c.held[0].ack), c.sides[g.dir].next) {
		c.release()
	}
}

func (c *tcpConn) hold(g *segment) {
	kept := *g
	kept.bytes = slices.Clone(g.bytes)
	c.held = append(c.held, kept)
	c.heldBytes += len(kept.bytes)
	if len(c.held) > maxHeld || c.heldBytes > maxHeldBytes {
		c.release()
	}
}

// releaseBefore delivers what is held back if g, of the other direction, acknowledges it and does not fill the gap: its
// sender had it before it sent g.
func (c *tcpConn) releaseBefore(g *segment) {
	s, h := &c.sides[g.dir], &c.held[0]
	fills := !after(g.seq, s.next) && after(g.seq+g.n, s.next)
	if !fills && g.has(flagACK) && after(g.ack, h.seq) {
		c.release()
	}
}

// release delivers what is held back. What it acknowledges and is still missing is given up.
func (c *tcpConn) release() {
	held := c.held
	c.held, c.heldBytes = nil, 0
	for i := range held {
		c.deliver(&held[i])
	}
}

// held is an entry of the queue of connections that hold segments back.
type held struct {
	c     *tcpConn
	since uint64
}

// releaseOld delivers what was held back for long enough.
func (t *tcpTable) releaseOld(now uint64) {
	for len(t.holding) > 0 {
		h := t.holding[0]
		if len(h.c.held) > 0 && h.c.heldSince == h.since {
			if now <= h.since+reorderTime {
				return
			}
			h.c.release()
		}
		t.holding[0].c = nil
		t.holding = t.holding[1:]
	}
}

// onReset ends the connection, unless the RST is far from where its sender is.
func (c *tcpConn) onReset(g *segment) {
	s, o := &c.sides[g.dir], &c.sides[g.dir^1]
	e := ending{state: stateEstablished}
	switch {
	case c.phase == opening && g.dir == event.DirReceived:
		if g.has(flagACK) && g.ack != o.start && g.ack != o.front() {
			return
		}
		e = ending{state: stateSynSent, err: errRefused}
	case c.phase == opening:
		e.state = stateSynSent
	case s.far(g.seq):
		return
	case s.fin && o.fin:
		e.state = stateLastAck
	case g.dir == event.DirReceived:
		e.err = errReset
	}
	c.reset, c.resetBy = true, g.dir
	c.t.end(c, g.time, e)
}

// endIfBothEnded ends the connection once both sides have said so and know of each other.
func (c *tcpConn) endIfBothEnded(at uint64) {
	a, b := &c.sides[0], &c.sides[1]
	switch {
	case c.phase == over:
	case a.finished() && b.finished():
		c.t.end(c, at, ending{state: stateLastAck})
	case a.fin && (b.fin || b.packets == 0) || b.fin && a.packets == 0:
		c.t.move(c, closing)
	case c.phase == closing: // the other direction has packets after all
		c.t.move(c, open)
	}
}

// end tells of the end of a connection, once.
func (t *tcpTable) end(c *tcpConn, at uint64, e ending) {
	if c.phase == over {
		return
	}
	c.release()
	for dir := range c.sides {
		c.missingTail(uint8(dir), at)
		t.waiting -= c.sides[dir].waiting
		c.sides[dir].spans, c.sides[dir].waiting = nil, 0
	}
	r := event.Close{
		Hdr: c.header(event.KindClose, at), Tuple: c.tuple, Oldstate: e.state, Err: e.err,
		BytesAcked: c.sides[0].bytes() + c.synByte(), BytesReceived: c.sides[1].bytes(),
		SndUna: c.sides[0].unacked(c.sides[1].packets > 0), SrttUs: c.roundTrip(), Retransmits: c.retransmits,
		SegsOut: uint32(c.sides[0].packets), SegsIn: uint32(c.sides[1].packets),
	}
	r.Hdr.Flags = e.flags
	t.out.to.Record(event.Bytes(&r))
	t.move(c, over)
}

// missingTail tells of the last bytes of a direction when they were acknowledged and never seen.
func (c *tcpConn) missingTail(dir uint8, at uint64) {
	s, o := &c.sides[dir], &c.sides[dir^1]
	if !s.hasAck || !s.started {
		return
	}
	to := s.missing(s.acked)
	if !s.fin && to == s.front()+1 { // nothing but an end that was not captured
		return
	}
	if after(to, s.front()) {
		c.acked(dir^1, o.front(), to, at)
	}
}

// synByte is the SYN, which the kernel counts among the bytes of the side that connects.
func (c *tcpConn) synByte() uint64 {
	if c.announced || c.established {
		return 1
	}
	return 0
}

// roundTrip is the way from the client to the server and back in us: the capture sees a part of it in each direction.
func (c *tcpConn) roundTrip() uint32 {
	if c.sides[0].srtt == 0 || c.sides[1].srtt == 0 {
		return 0
	}
	return uint32((c.sides[0].srtt + c.sides[1].srtt) / 1000)
}
