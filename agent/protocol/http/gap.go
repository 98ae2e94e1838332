// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// pass consumes up to n bytes that were not captured, at least one.
func (c *Conn) pass(d protocol.Dir, n uint64, t time.Duration) uint64 {
	s := &c.side[d]
	switch s.state {
	case inBody, inChunk:
		return c.body(d, n, t)
	case inChunkSize:
		if k := s.lineEnd(n); k > 0 {
			return k
		}
		c.loseFrame(s)
	case inTrailer:
		c.loseFrame(s)
	case atHead:
		c.headLost(d, t)
	}
	s.lost = true
	s.pos += n
	return n
}

// lineEnd takes the line end of a chunk's data for skipped bytes, and returns how many it took.
func (s *side) lineEnd(n uint64) uint64 {
	if !s.afterData || s.lineLen > 0 && (s.lineLen > 1 || s.line[0] != '\r') {
		return 0
	}
	k := min(n, 2-uint64(s.lineLen))
	if s.lineLen += uint32(k); s.lineLen == 2 {
		s.lineLen, s.afterData = 0, false
	} else {
		s.line[0] = '\r'
	}
	s.pos += k
	return k
}

// headLost is called for a gap where a head should be.
func (c *Conn) headLost(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	c.s.Resyncs++
	s.lost = true
	if len(s.buf) > 0 {
		c.cutHead(d, t) // the head began before the gap
		return
	}
	c.enter(s, outOfStep)
	if !c.known {
		return
	}
	if d != c.reqDir {
		c.giveUp(c.side[c.reqDir].turn, "lost", t)
	} else if c.overlaps {
		c.refuse = "lost" // answers to what the gap holds may come after requests behind it
	}
}

// cutHead reads a head whose rest will not be seen. It tells whether that gives a request that waits.
func (c *Conn) cutHead(d protocol.Dir, t time.Duration) bool {
	s := &c.side[d]
	p := s.buf
	s.buf = nil
	var h head
	switch n := h.parse(p); {
	case n == notHead || c.known && (d == c.reqDir) != h.isRequest():
		c.notHTTP(d, "not_http")
	case !h.isRequest() && h.status > 0:
		c.cutResponse(d, &h, t)
	case h.isRequest() && (len(h.target) > 0 || h.cutRequestLine(p)):
		c.cutRequest(d, &h)
	default:
		c.notHTTP(d, "lost")
	}
	c.s.giveBack(p)
	return c.waiting() > 0
}

// cutRequestLine takes the method and as much of the target as there is.
func (h *head) cutRequestLine(p []byte) bool {
	sp := bytes.IndexByte(p, ' ')
	if sp < 1 {
		return false
	}
	h.method, h.target = p[:sp], trimSpace(p[sp+1:])
	if i := bytes.IndexByte(h.target, ' '); i >= 0 {
		h.target = h.target[:i]
	}
	return len(h.target) > 0
}

// cutRequest begins an exchange of which no more than h is known. Where its body ends is not known either.
func (c *Conn) cutRequest(d protocol.Dir, h *head) {
	c.learn(d)
	s := &c.side[d]
	e := c.s.exchange()
	e.turn, e.from, e.cutHead = s.turn, s.from, true
	e.request.Start = s.first
	e.request.RequestBytes = s.pos - s.from
	c.describe(e, h)
	e.http.HeadTruncated = true
	c.push(e)
	c.enter(s, outOfStep)
	s.lost = true
}

// cutResponse takes the status of an answer whose head is longer than what was seen; its length is not known.
func (c *Conn) cutResponse(d protocol.Dir, h *head, t time.Duration) {
	s := &c.side[d]
	c.enter(s, outOfStep)
	s.lost = true
	if !c.match(d) {
		return
	}
	if h.status < 200 && h.status != 101 { // the final answer may be in the gap
		c.giveUp(c.side[c.reqDir].turn, "lost", t)
		return
	}
	e := c.queue[c.next]
	c.cur = e
	e.cutAnswer = true
	e.request.ResponseStart = s.first
	e.http.Status, e.http.HeadTruncated = h.status, true
	if e.http.Version == "" {
		e.http.Version = version(h.version)
	}
	if h.status == 101 || e.connect && h.status/100 == 2 {
		c.upgraded(h, t)
	}
}
