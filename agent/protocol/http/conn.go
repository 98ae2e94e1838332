// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"sonde/agent/protocol"
)

// state is where a direction stands.
type state uint8

const (
	atHead      state = iota // at the beginning of a message, or inside its head
	inBody                   // left bytes of a body
	inChunkSize              // in the line of a chunk's size, or in the line end of the chunk before
	inChunk                  // left bytes of a chunk
	inTrailer                // in the trailer section, a line at a time
	untilEOF                 // in a body that the end of the direction ends
	unframed                 // in a body whose framing was lost
	outOfStep                // waiting for the beginning of the next turn
	over                     // no longer HTTP
)

// maxLine is what is kept of a chunk's line: more digits than a size may have.
const maxLine = 20

// side is one direction.
type side struct {
	state     state
	skipped   bool   // the last call was a Skip: the next bytes may be the tail of a segment
	lost      bool   // bytes were lost since the last head: what looks strange may be the rest of something
	afterData bool   // the line end of a chunk's data may come
	lineLen   uint32 // bytes of the current chunk or trailer line
	turn      int
	left      uint64
	pos       uint64 // bytes fed and skipped
	from      uint64 // position of the current message, of its body once an answer's head was read
	buf       []byte // an incomplete head
	first     time.Duration
	last      time.Duration // of the last byte
	unread    *exchange     // a turn that is no message: reported if an HTTP answer follows it
	line      [maxLine]byte
}

// Conn follows one connection. It implements protocol.Parser.
type Conn struct {
	s        *Shared
	known    bool         // which direction carries requests
	started  bool         // something was fed or skipped
	overlaps bool         // the client sent requests before it had the answers of an earlier turn
	reqDir   protocol.Dir // valid when known
	lastDir  protocol.Dir
	refuse   string // why new requests get no answer: theirs could not be told from another's
	queue    []*exchange
	next     int       // the first of queue that waits
	cur      *exchange // whose answer is being read; the first that waits
	sending  *exchange // whose bytes are still coming
	held     []*exchange
	seen     recent
	side     [2]side
}

// New returns a parser for a connection.
func (s *Shared) New() *Conn {
	if n := len(s.conns); n > 0 {
		c := s.conns[n-1]
		s.conns = s.conns[:n-1]
		return c
	}
	return &Conn{s: s}
}

// Joined says that the connection is older than the observation: bytes before the first request are passed over.
func (c *Conn) Joined() { c.side[0].lost, c.side[1].lost = true, true }

// Release gives the parser's memory back without reporting anything. It must not be used again.
func (c *Conn) Release() {
	for d := range c.side {
		c.s.giveBack(c.side[d].buf)
	}
	clear(c.queue)
	clear(c.held)
	*c = Conn{s: c.s, queue: c.queue[:0], held: c.held[:0]}
	if len(c.s.conns) < maxSpare {
		c.s.conns = append(c.s.conns, c)
	}
}

// Pending reports the number of requests that wait for the end of their answer.
func (c *Conn) Pending() int { return c.waiting() + len(c.held) }

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return // begins no turn
	}
	c.direction(d)
	s := &c.side[d]
	tail := s.skipped
	s.skipped, s.last = false, t
	for len(p) > 0 {
		p = p[c.read(d, p, t, tail):]
		tail = false
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	c.direction(d)
	s := &c.side[d]
	s.skipped, s.last = true, t
	for n > 0 {
		n -= c.pass(d, n, t)
	}
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(d protocol.Dir, _ time.Duration) {
	if c.known && d == c.reqDir {
		for _, e := range c.queue[c.next:] {
			e.left = true
		}
		return
	}
	if s := &c.side[d]; c.cur != nil && s.endless() {
		c.answered(s.last)
		c.enter(s, over)
	}
}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	if c.cur != nil && e.Reason == "connection_closed" && c.side[c.reqDir.Other()].endless() {
		c.answered(c.side[c.reqDir.Other()].last)
	}
	for _, x := range c.held {
		reason := ""
		if e.AckedKnown && x.answerEnd > e.SentAcked {
			reason = "client_closed"
		}
		c.finish(x, reason)
	}
	clear(c.held)
	c.held = c.held[:0]
	c.endRefused()
	for c.waiting() > 0 {
		x := c.queue[c.next]
		reason := e.Reason
		if x.left && x.request.ResponseStart == 0 && c.reqDir == protocol.Received {
			reason = "client_closed"
		}
		c.abandon(reason, e.Time)
	}
}

// endless tells whether the direction is in a message that only the end of the connection ends.
func (s *side) endless() bool {
	return s.state == untilEOF || s.state == unframed || s.state == outOfStep
}

// direction notices that the other direction speaks now.
func (c *Conn) direction(d protocol.Dir) {
	if c.started && c.lastDir == d {
		return
	}
	c.started, c.lastDir = true, d
	s := &c.side[d]
	s.turn++
	if len(s.buf) > 0 && s.lost { // the rest of something that only looked like the beginning of a head
		c.enter(s, atHead)
	}
	if c.known && d == c.reqDir {
		c.clientTurn(s)
		return
	}
	if s.state == outOfStep && c.cur == nil {
		c.enter(s, atHead)
	}
}

// clientTurn begins a turn of the direction of requests.
func (c *Conn) clientTurn(s *side) {
	if s.state == outOfStep {
		c.endRequest()
		c.enter(s, atHead)
	}
	if s.state != atHead || len(s.buf) > 0 {
		return // in the middle of a message
	}
	c.endUnframed(s.turn - 1)
	if c.refuse != "" && !c.overlaps && c.waiting() == 0 {
		c.refuse = ""
	}
}

// endUnframed ends an answer whose end could not be told from its bytes: the client speaks again, so it has had it, and
// with it all answers to its turns until then.
func (c *Conn) endUnframed(turn int) {
	s := &c.side[c.reqDir.Other()]
	if c.cur == nil || s.state != unframed && s.state != outOfStep {
		return
	}
	c.enter(s, outOfStep)
	c.answered(s.last)
	c.giveUp(turn, "lost", s.last)
}

func (c *Conn) enter(s *side, to state) {
	if s.buf != nil {
		c.s.giveBack(s.buf)
		s.buf = nil
	}
	s.state, s.left, s.lineLen, s.afterData = to, 0, 0, false
}

// read consumes some of p, at least a byte, and returns how many.
func (c *Conn) read(d protocol.Dir, p []byte, t time.Duration, tail bool) int {
	s := &c.side[d]
	switch s.state {
	case atHead:
		return c.readHead(d, p, t)
	case inChunkSize, inTrailer:
		return c.readLine(d, p, t)
	case inBody, inChunk:
		return int(c.body(d, uint64(len(p)), t))
	case unframed:
		s.pos += uint64(len(p))
		if tail && isLastChunk(p) {
			c.lastChunk(d, t)
		}
		return len(p)
	}
	s.pos += uint64(len(p))
	return len(p)
}
