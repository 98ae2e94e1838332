// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// state is where a direction stands.
type state uint8

const (
	atHead      state = iota // at the beginning of a message, or inside its head
	inBody                   // left bytes of a body
	inChunkSize              // in the line of a chunk's size
	inChunk                  // left bytes of a chunk, its line end included
	inTrailer                // in the trailer section, a line at a time
	untilEOF                 // in a body that the end of the direction ends
	unframed                 // in a body whose framing was lost
	outOfStep                // waiting for the beginning of the next turn
	over                     // no longer HTTP
)

// side is one direction.
type side struct {
	state   state
	left    uint64
	pos     uint64 // bytes fed and skipped
	turn    int
	buf     []byte // an incomplete head, chunk line or trailer line
	from    uint64 // position of the current message
	first   time.Duration
	last    time.Duration // of the last byte
	skipped bool          // the last call was a Skip: the next bytes may be the tail of a segment
	ended   bool
}

// Conn follows one connection. It implements protocol.Parser.
type Conn struct {
	s       *Shared
	side    [2]side
	known   bool         // which direction carries requests
	reqDir  protocol.Dir // valid when known
	joined  bool         // in the middle: what comes before the first request is not ours to report
	started bool
	lastDir protocol.Dir
	queue   []*exchange
	cur     *exchange // whose answer is being read; still the first of queue
	unread  *exchange // a turn that is no request: reported if an HTTP response answers it
	held    []*exchange
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
func (c *Conn) Joined() { c.joined = true }

// Release gives the parser's memory back. It must not be used again.
func (c *Conn) Release() {
	for d := range c.side {
		c.s.giveBack(c.side[d].buf)
	}
	*c = Conn{s: c.s, queue: c.queue[:0], held: c.held[:0]}
	if len(c.s.conns) < 1024 {
		c.s.conns = append(c.s.conns, c)
	}
}

// Pending reports the number of requests that wait for the end of their answer.
func (c *Conn) Pending() int { return len(c.queue) + len(c.held) }

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
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

// direction notices that the other direction speaks now.
func (c *Conn) direction(d protocol.Dir) {
	if c.started && c.lastDir == d {
		return
	}
	c.started, c.lastDir = true, d
	s := &c.side[d]
	s.turn++
	if c.known && d == c.reqDir {
		c.endUnframed()
	}
	if s.state == outOfStep {
		c.enter(s, atHead)
	}
}

func (c *Conn) enter(s *side, to state) {
	c.s.giveBack(s.buf)
	s.buf, s.state, s.left = nil, to, 0
}

// endUnframed ends an answer whose end could not be told from its bytes: the client speaks again, so it has had it.
func (c *Conn) endUnframed() {
	o := c.reqDir.Other()
	if s := &c.side[o]; c.cur != nil && (s.state == unframed || s.state == outOfStep) {
		c.enter(s, outOfStep)
		c.answered(s.last)
	}
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
			c.messageEnd(d, t)
		}
		return len(p)
	}
	s.pos += uint64(len(p))
	return len(p)
}

// isLastChunk tells whether the tail of a segment ends a chunked body without a trailer.
func isLastChunk(p []byte) bool {
	return bytes.HasSuffix(p, []byte("\r\n0\r\n\r\n")) || string(p) == "0\r\n\r\n"
}

// body consumes up to n bytes of a body or a chunk, seen or not.
func (c *Conn) body(d protocol.Dir, n uint64, t time.Duration) uint64 {
	s := &c.side[d]
	n = min(n, s.left)
	s.left -= n
	s.pos += n
	if s.left > 0 {
		return n
	}
	if s.state == inChunk {
		s.state = inChunkSize
	} else {
		c.messageEnd(d, t)
	}
	return n
}

// pass consumes up to n bytes that were not captured, at least one.
func (c *Conn) pass(d protocol.Dir, n uint64, t time.Duration) uint64 {
	s := &c.side[d]
	switch s.state {
	case inBody, inChunk:
		return c.body(d, n, t)
	case atHead:
		c.headLost(d, n, t)
	case inChunkSize, inTrailer:
		c.enter(s, unframed)
		c.s.Resyncs++
	}
	s.pos += n
	return n
}

// headLost is called for a gap where a head should be.
func (c *Conn) headLost(d protocol.Dir, n uint64, t time.Duration) {
	s := &c.side[d]
	c.s.Resyncs++
	if len(s.buf) > 0 {
		c.cutHead(d, t) // the head began before the gap
		return
	}
	c.enter(s, outOfStep)
	if c.known && d != c.reqDir {
		c.giveUp(c.side[c.reqDir].turn, t)
	}
}

// giveUp reports the requests of turns up to the one given as lost: their answers passed unseen.
//
// The rule: a gap where an answer should begin holds the answers of all requests sent before it, at least as far as
// anyone can tell; requests of later turns are answered after the gap. So no answer is given to another's request.
func (c *Conn) giveUp(turn int, t time.Duration) {
	for len(c.queue) > 0 && c.queue[0].turn <= turn {
		e := c.pop()
		e.request.End = t
		c.finish(e, "lost")
	}
}

func (c *Conn) pop() *exchange {
	e := c.queue[0]
	n := copy(c.queue, c.queue[1:])
	c.queue = c.queue[:n]
	if c.cur == e {
		c.cur = nil
	}
	return e
}

func (c *Conn) finish(e *exchange, reason string) {
	e.request.Role = model.RoleServer
	if c.reqDir == protocol.Sent {
		e.request.Role = model.RoleClient
	}
	c.s.finish(e, reason)
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(d protocol.Dir, _ time.Duration) {
	s := &c.side[d]
	s.ended = true
	if c.known && d == c.reqDir {
		for _, e := range c.queue {
			e.left = true
		}
		return
	}
	if c.cur != nil && (s.state == untilEOF || s.state == unframed || s.state == outOfStep) {
		c.answered(s.last)
		c.enter(s, over)
	}
}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	for _, x := range c.held {
		reason := ""
		if e.AckedKnown && x.answerEnd > e.SentAcked {
			reason = "client_closed"
		}
		c.finish(x, reason)
	}
	c.held = c.held[:0]
	if c.cur != nil && c.endedByClose(e) {
		c.answered(c.side[c.reqDir.Other()].last)
		c.Close(e) // what was held by that
		return
	}
	for len(c.queue) > 0 {
		x := c.pop()
		x.request.End = e.Time
		reason := e.Reason
		if x.left && x.request.ResponseStart == 0 && c.reqDir == protocol.Received {
			reason = "client_closed"
		}
		c.finish(x, reason)
	}
}

// endedByClose tells whether the end of the connection is the end of the answer that is being read.
func (c *Conn) endedByClose(e protocol.Close) bool {
	s := &c.side[c.reqDir.Other()]
	return (s.state == untilEOF || s.state == unframed || s.state == outOfStep) && e.Reason == "connection_closed"
}
