// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// exchange is a request on its way.
type exchange struct {
	request model.Request
	http    model.HTTP

	turn      int    // of the request direction in which it began
	from      uint64 // position in the request direction where it began
	answerEnd uint64 // position in the response direction behind its answer
	left      bool   // the client had ended its direction before the answer was complete
	head      bool   // HEAD
	connect   bool   // CONNECT
	cutHead   bool   // the end of the request's head was not seen
	cutAnswer bool   // the end of the answer's head was not seen
	refused   string // why it is not in the queue: reported when its own bytes end
}

func (s *Shared) exchange() *exchange {
	if n := len(s.spare); n > 0 {
		e := s.spare[n-1]
		s.spare = s.spare[:n-1]
		*e = exchange{}
		return e
	}
	return &exchange{}
}

func (s *Shared) forget(e *exchange) {
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, e)
	}
}

func (c *Conn) waiting() int { return len(c.queue) - c.next }

// push puts a request at the end of the queue, unless its answer could not be told from others.
func (c *Conn) push(e *exchange) {
	if n := c.waiting(); n > 0 {
		c.overlaps = c.overlaps || c.queue[c.next].turn < e.turn
		if n >= MaxQueue && c.refuse == "" {
			c.refuse = "pipeline_limit"
		}
	}
	c.sending = e
	if c.refuse != "" {
		e.refused = c.refuse
		return
	}
	if c.next > 0 && len(c.queue) == cap(c.queue) {
		n := copy(c.queue, c.queue[c.next:])
		c.queue, c.next = c.queue[:n], 0
	}
	c.queue = append(c.queue, e)
}

func (c *Conn) pop() *exchange {
	e := c.queue[c.next]
	c.queue[c.next] = nil
	if c.next++; c.next == len(c.queue) {
		c.queue, c.next = c.queue[:0], 0
	}
	if c.sending == e {
		c.endRequest()
	}
	c.cur = nil
	return e
}

// endRequest ends the request whose bytes were still coming: there are no more, or it has had its answer.
func (c *Conn) endRequest() {
	e := c.sending
	if e == nil {
		return
	}
	c.sending = nil
	s := &c.side[c.reqDir]
	total := s.pos - e.from
	if !e.cutHead {
		e.http.RequestBodyBytes = total - e.request.RequestBytes
	}
	e.request.RequestBytes, e.request.RequestEnd = total, s.last
	if s.state == unframed || s.state == untilEOF {
		c.enter(s, outOfStep)
	}
	if e.refused != "" {
		e.request.End = s.last
		c.finish(e, e.refused)
	}
}

func (c *Conn) endRefused() {
	if c.sending != nil && c.sending.refused != "" {
		c.endRequest()
	}
}

// answered ends the answer that is being read.
func (c *Conn) answered(t time.Duration) {
	e, s := c.cur, &c.side[c.reqDir.Other()]
	if e == nil {
		return
	}
	c.pop()
	c.answerSize(e, s)
	e.request.End, e.answerEnd = t, s.pos
	if e.left && c.reqDir == protocol.Received && len(c.held) < MaxQueue {
		c.held = append(c.held, e)
		return
	}
	c.finish(e, "")
}

// answerSize counts the body of an answer as far as it was seen.
func (c *Conn) answerSize(e *exchange, s *side) {
	n := s.pos - s.from
	e.request.ResponseBytes += n
	if !e.cutAnswer {
		e.http.ResponseBodyBytes = n
	}
}

// abandon reports the first request that waits as incomplete.
func (c *Conn) abandon(reason string, t time.Duration) {
	reading := c.cur != nil
	e := c.pop()
	if reading {
		c.answerSize(e, &c.side[c.reqDir.Other()])
	}
	e.request.End = t
	c.finish(e, reason)
}

// giveUp reports the requests of turns up to the one given as incomplete: their answers passed without being understood.
//
// The rule: a gap where an answer should begin holds the answers of all requests sent before it, as far as anyone can
// tell; requests of later turns are answered after the gap. So no answer is given to another's request. It does not hold
// for a client that does not wait for answers between its turns, hence refuse.
func (c *Conn) giveUp(turn int, reason string, t time.Duration) {
	if c.overlaps && c.waiting() > 0 {
		c.refuse = "lost"
	}
	for c.waiting() > 0 && c.queue[c.next].turn <= turn {
		c.abandon(reason, t)
	}
}

func (c *Conn) finish(e *exchange, reason string) {
	e.request.Role = model.RoleServer
	if c.reqDir == protocol.Sent {
		e.request.Role = model.RoleClient
	}
	c.s.finish(e, reason)
}
