// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// EOF implements protocol.Parser.
func (c *Conn) EOF(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	s.ended = true
	if c.inner != nil {
		c.inner.EOF(d, t)
	}
	if c.known && d != c.dir && c.cur != nil {
		c.endAnswer(s)
	}
}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	if e.Reason == "" {
		e.Reason = "connection_closed"
	}
	r := &c.side[c.dir.Other()]
	if c.cur != nil && e.Reason == "connection_closed" {
		c.endAnswer(r)
	}
	for _, x := range c.held {
		reason := ""
		if e.AckedKnown && e.SentAcked < x.end {
			reason = "client_closed"
		}
		c.finish(x, reason, x.request.End)
	}
	c.held = c.held[:0]
	c.closeHeads(e.Time)
	if x := c.cur; x != nil {
		c.cur = nil
		c.sealAnswer(x)
		c.finish(x, e.Reason, e.Time)
	}
	for _, x := range c.queue {
		c.finish(x, c.reason(x, e.Reason), e.Time)
	}
	c.queue = c.queue[:0]
	c.leave()
	if c.inner != nil {
		c.inner.Close(e)
	}
}

// endAnswer ends the answer being read if its end is that of its direction. One whose framing was lost may hold the answers
// to all requests behind it.
func (c *Conn) endAnswer(s *side) {
	switch s.state {
	case untilEOF:
		c.answered(s.last)
		s.lose()
	case unframed:
		c.answered(s.last)
		s.lose()
		c.giveUp(s.last)
	}
}

// closeHeads takes what came of heads that will never be whole.
func (c *Conn) closeHeads(t time.Duration) {
	for d := range c.side {
		s := &c.side[d]
		line, _, whole := bytes.Cut(s.buf, []byte("\n"))
		var h head
		if s.state == atHead && whole && !h.simple(line) { // a line without a version is HTTP only if HTTP answers it
			c.cutHead(protocol.Dir(d), s, t)
		}
	}
}

// reason tells why a request whose answer never began has none.
func (c *Conn) reason(e *exchange, reason string) string {
	if c.blind && c.trusted == 0 {
		return "lost"
	}
	if e.dir == protocol.Received && c.side[e.dir].ended {
		return "client_closed"
	}
	return reason
}
