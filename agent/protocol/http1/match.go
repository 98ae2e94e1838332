// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"sonde/agent/protocol"
)

// pipeline is what the client was seen to do. It decides how far a connection can be put back in step after a loss.
//
// A client that waits for its answers before it asks again is in step at each request turn. One that asks in batches and
// waits for a whole batch is as well. One that keeps requests under way all the time is not: after a loss nobody can tell
// how many answers are still to come.
type pipeline struct {
	seenTurn  uint32 // the last turn that brought a request
	requests  int    // in it
	pipelines bool   // a turn brought several requests
	batches   bool   // several requests in a turn were answered before the next turn
	overlaps  bool   // a turn brought requests before those of earlier turns were answered
	blind     bool   // a loss on such a connection: no answer can be told from another any more
	trusted   int    // answers to come, when blind, that belong to requests before the loss
}

// noteTurn is called for each request, before it is queued.
func (c *Conn) noteTurn(s *side) {
	if c.seenTurn == s.turn {
		c.requests++
		c.pipelines = true
		return
	}
	idle := len(c.queue) == 0 && c.cur == nil && c.ghosts == 0
	c.batches = c.batches || c.requests > 1 // if they were not answered, it overlaps
	c.overlaps = c.overlaps || !idle
	c.seenTurn, c.requests = s.turn, 1
}

// loss is called when messages may have passed unseen.
func (c *Conn) loss() {
	open := len(c.queue) + c.ghosts
	if c.cur != nil {
		open++
	}
	if !c.blind && (c.overlaps || open > 1 && !c.batches) {
		c.blind, c.trusted = true, len(c.queue)+c.ghosts
	}
}

// unframe is called when a gap covers what would tell the end of a message, which may now lie in the gap as well as
// whole messages behind it.
func (c *Conn) unframe(s *side) {
	c.shared.resync()
	s.enter(unframed)
	c.loss()
}

// alone tells whether the message being read in direction d is surely the last of its turn, so that a last chunk behind a
// gap is its own.
func (c *Conn) alone(d protocol.Dir) bool {
	if d == c.dir {
		return !c.pipelines && !c.overlaps
	}
	return len(c.queue) == 0 && c.ghosts == 0
}

// match takes the request from the queue that a final answer belongs to, or returns nil.
func (c *Conn) match(t time.Duration) *exchange {
	if c.blind && c.trusted == 0 {
		return nil
	}
	c.trusted = max(0, c.trusted-1)
	if c.ghosts > 0 {
		c.ghosts--
		e := c.shared.exchange()
		e.ghost, e.dir = true, c.dir
		c.cur = e
		return e
	}
	if len(c.queue) > 0 && c.queue[0].guess && c.queue[0].dir != c.dir {
		c.discard()
	}
	if r := &c.side[c.dir]; len(c.queue) == 0 && r.state == atHead && len(r.buf) > 0 {
		if !c.cutHead(c.dir, r, t) { // the server did not wait for the rest: 400, 408, 431
			c.notHTTP(c.dir, r, nil, t)
		}
	}
	if len(c.queue) == 0 {
		return nil
	}
	e := c.pop()
	if e.guess {
		r := &c.side[c.dir]
		e.request.RequestBytes, e.request.RequestEnd = r.pos-e.from, r.last
		r.strict = false
	}
	c.cur = e
	return e
}

func (c *Conn) pop() *exchange {
	e := c.queue[0]
	n := copy(c.queue, c.queue[1:])
	c.queue[n] = nil
	c.queue = c.queue[:n]
	return e
}

// seal sets the sizes of a request, if that is still open: it ends here, or its answer ended before it.
func (c *Conn) seal(e *exchange) {
	if e != c.sending {
		return
	}
	c.sending = nil
	s := &c.side[e.dir]
	e.request.RequestBytes = s.pos - e.from
	e.request.RequestEnd = s.last
	if s.body > e.from {
		e.http.RequestBodyBytes = s.pos - s.body
	}
}

// sealBefore seals the request whose body turned out to be none, now that the head behind it was read.
func (c *Conn) sealBefore(s *side) {
	e, pos := c.sending, s.pos
	s.pos = s.from
	c.seal(e)
	s.pos, e.request.RequestEnd = pos, s.first
}

// sealAnswer sets the sizes of an answer as far as it came.
func (c *Conn) sealAnswer(e *exchange) {
	s := &c.side[c.dir.Other()]
	e.request.ResponseBytes += s.pos - s.from
	if s.body > s.from {
		e.http.ResponseBodyBytes = s.pos - s.body
	}
	e.end = s.pos
}

// answered ends the answer that is being read.
func (c *Conn) answered(t time.Duration) {
	e := c.cur
	if e == nil {
		return
	}
	c.cur = nil
	c.sealAnswer(e)
	if e == c.sending {
		c.side[e.dir].doubtBody(e)
	}
	if e.dir == protocol.Received && c.side[e.dir].ended && !e.ghost {
		c.seal(e)
		e.request.End = t
		c.held = append(c.held, e)
		return
	}
	c.finish(e, "", t)
}

// giveUp reports all requests whose answer has not begun as lost, except one that is still being sent. Requests that are
// over MaxQueue were reported before.
func (c *Conn) giveUp(t time.Duration) {
	c.ghosts, c.trusted = 0, 0
	kept := c.queue[:0]
	for _, e := range c.queue {
		if e == c.sending {
			kept = append(kept, e)
			continue
		}
		c.finish(e, "lost", t)
	}
	clear(c.queue[len(kept):])
	c.queue = kept
}

// overflow gives up the oldest request. Its answer will be passed over, unless it was one without a body.
func (c *Conn) overflow(t time.Duration) {
	e := c.pop()
	c.ghosts++
	if e.head || e.connect {
		c.blind, c.trusted = true, 0
	}
	c.finish(e, "pipeline_limit", t)
}

// discard drops what turned out to be no requests.
func (c *Conn) discard() {
	for _, e := range c.queue {
		c.shared.recycle(e)
	}
	clear(c.queue)
	c.queue, c.sending = c.queue[:0], nil
}

// notHTTP passes over p, which begins no message. If it is answered by one it was meant as a request.
func (c *Conn) notHTTP(d protocol.Dir, s *side, p []byte, t time.Duration) {
	if s.doubt.tried {
		c.resume(d, s, p, t)
		return
	}
	c.shared.resync()
	c.markNotHTTP(d, s)
	if n := len(c.queue); n > 0 && c.queue[0].guess && c.queue[0].dir != d { // nor is the answer
		c.discard()
		c.side[d.Other()].strict = true
	} else if !s.strict && (!c.known || d == c.dir) && n < MaxQueue && (n == 0 || !c.queue[n-1].guess) {
		e := c.shared.exchange()
		e.guess, e.dir, e.turn, e.from, e.request.Start = true, d, s.turn, s.from, s.first
		e.http.Scheme = "http"
		c.queue = append(c.queue, e)
	}
	s.lose()
}

// dropStaleGuess forgets bytes that were no request once the same side speaks again and had no answer.
func (c *Conn) dropStaleGuess(d protocol.Dir, s *side) {
	if len(c.queue) == 1 && c.queue[0].guess && c.queue[0].dir == d && len(c.side[d.Other()].buf) == 0 {
		c.discard()
		s.strict = true
	}
}

// missHead is called for a gap at the beginning of a message or inside its head.
func (c *Conn) missHead(d protocol.Dir, s *side, t time.Duration) {
	c.shared.resync()
	if len(s.buf) > 0 && c.cutHead(d, s, t) {
		return
	}
	c.dropHead(s)
	o := d.Other()
	if r := &c.side[o]; (!c.known || d != c.dir) && len(r.buf) > 0 && !c.cutHead(o, r, t) {
		r.lose() // what has come of a request may have been answered as well
	}
	c.loss()
	if c.known && d != c.dir {
		c.giveUpAll(t)
	}
	s.lose()
}

// giveUpAll reports all open requests as lost: their answers passed unseen, or will pass out of step.
func (c *Conn) giveUpAll(t time.Duration) {
	if c.sending != nil {
		c.seal(c.sending)
	}
	c.giveUp(t)
}
