// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// readHead consumes bytes at the beginning of a message or inside its head.
func (c *Conn) readHead(d protocol.Dir, p []byte, t time.Duration) int {
	s := &c.side[d]
	if len(s.buf) > 0 {
		return c.moreHead(d, p, t)
	}
	if p[0] == '\r' || p[0] == '\n' { // RFC 9112 2.2
		s.pos++
		return 1
	}
	s.from, s.first = s.pos, t
	var h head
	n := h.parse(p[:min(len(p), MaxHead)])
	switch {
	case n == notHead || n == needMore && !c.plausible(d, p):
		c.notHTTP(d, "not_http")
		return c.passOver(s, p)
	case n == needMore:
		s.buf = c.s.buffer()
		return c.moreHead(d, p, t)
	}
	s.pos += uint64(n)
	c.headDone(d, &h, t)
	return n
}

func (c *Conn) passOver(s *side, p []byte) int {
	s.pos += uint64(len(p))
	return len(p)
}

// moreHead puts together a head that comes in pieces.
func (c *Conn) moreHead(d protocol.Dir, p []byte, t time.Duration) int {
	s := &c.side[d]
	old := len(s.buf)
	add := p[:min(len(p), MaxHead-old)]
	s.buf = append(s.buf, add...)
	if n := headEnd(s.buf, max(0, old-3)); n > 0 { // an empty line may have begun in the last bytes
		s.pos += uint64(n - old)
		c.wholeHead(d, n, t)
		return n - old
	}
	s.pos += uint64(len(add))
	if newline := bytes.IndexByte(s.buf[:old], '\n') >= 0; !newline && c.hopeless(d, s.buf) {
		c.notHTTP(d, "not_http")
	} else if len(s.buf) == MaxHead {
		c.cutHead(d, t)
	}
	return len(add)
}

// wholeHead reads the head that the buffer begins with.
func (c *Conn) wholeHead(d protocol.Dir, n int, t time.Duration) {
	s := &c.side[d]
	b := s.buf
	s.buf = nil
	var h head
	if h.parse(b[:n]) != n {
		c.notHTTP(d, "not_http")
	} else {
		c.headDone(d, &h, t)
	}
	c.s.giveBack(b)
}

// hopeless looks at an incomplete head: what can be no message is passed over until the next turn.
func (c *Conn) hopeless(d protocol.Dir, p []byte) bool {
	var h head
	return !c.plausible(d, p) || h.parse(p) == notHead
}

func (c *Conn) plausible(d protocol.Dir, p []byte) bool {
	if c.known && d != c.reqDir {
		return plausibleAnswer(p)
	}
	return plausible(p)
}

// headDone acts on a complete head. h points into the bytes it was read from.
func (c *Conn) headDone(d protocol.Dir, h *head, t time.Duration) {
	s := &c.side[d]
	if c.known && (d == c.reqDir) != h.isRequest() || s.lost && h.doubtful() {
		c.notHTTP(d, "not_http")
		return
	}
	if h.isRequest() {
		c.learn(d)
		c.request(d, h)
		return
	}
	c.response(d, h, t)
}

func (c *Conn) learn(reqDir protocol.Dir) {
	c.known, c.reqDir = true, reqDir
	c.dropUnread()
}

func (c *Conn) dropUnread() {
	for d := range c.side {
		if e := c.side[d].unread; e != nil {
			c.s.forget(e)
			c.side[d].unread = nil
		}
	}
}

// notHTTP passes over a turn that is no message. In the direction of requests it is kept to be reported if an HTTP answer
// follows. In the other one it stands where an answer should be.
func (c *Conn) notHTTP(d protocol.Dir, reason string) {
	s := &c.side[d]
	c.s.Resyncs++
	c.enter(s, outOfStep)
	if c.known && d != c.reqDir {
		c.giveUp(c.side[c.reqDir].turn, reason, s.last)
		return
	}
	if s.lost || c.waiting() > 0 || s.unread != nil {
		return
	}
	e := c.s.exchange()
	e.turn, e.from = s.turn, s.from
	e.request.Start = s.first
	e.http.Scheme = "http"
	s.unread = e
}

// request begins an exchange.
func (c *Conn) request(d protocol.Dir, h *head) {
	s := &c.side[d]
	s.lost = false
	e := c.s.exchange()
	e.turn, e.from = s.turn, s.from
	e.request.Start = s.first
	e.request.RequestBytes = s.pos - s.from
	c.describe(e, h)
	c.push(e)
	switch {
	case e.connect: // RFC 9110 9.3.6: has no body
		c.endRequest()
	case h.chunked:
		c.enter(s, inChunkSize)
	case h.coded: // as far as the answer, RFC 9112 6.3
		s.state = untilEOF
	case h.length > 0:
		s.state, s.left = inBody, uint64(h.length)
	default: // RFC 9112 6.3: a request without a length has no body
		c.endRequest()
	}
}

// response reads the head of an answer.
func (c *Conn) response(d protocol.Dir, h *head, t time.Duration) {
	s := &c.side[d]
	s.lost = false
	if !c.match(d) {
		c.enter(s, outOfStep) // without its request the length of its body is unknown (HEAD)
		return
	}
	e := c.queue[c.next]
	e.request.ResponseBytes += s.pos - s.from
	s.from = s.pos
	if h.status < 200 && h.status != 101 { // interim: the final answer is still to come
		return
	}
	c.cur = e
	e.request.ResponseStart = s.first
	e.http.Status = h.status
	if e.http.Version == "" {
		e.http.Version = version(h.version)
	}
	c.answerBody(d, h, t)
}

// match finds the request that an answer belongs to: the oldest that waits, or else a turn that could not be read, which
// is what a server answers with 400.
func (c *Conn) match(d protocol.Dir) bool {
	if c.known && d == c.reqDir {
		return false
	}
	if c.waiting() > 0 {
		return true
	}
	if c.refuse != "" {
		return false
	}
	r := &c.side[d.Other()]
	c.known, c.reqDir = true, d.Other()
	if len(r.buf) > 0 && !r.lost && c.cutHead(c.reqDir, r.last) { // answered before its head was complete
		return true
	}
	e := r.unread
	if e == nil {
		return false
	}
	r.unread = nil
	c.dropUnread()
	c.push(e)
	c.endRequest()
	return c.waiting() > 0
}

// answerBody decides how the body ends (RFC 9112 6.3).
func (c *Conn) answerBody(d protocol.Dir, h *head, t time.Duration) {
	s, e := &c.side[d], c.cur
	switch {
	case h.status == 101 || e.connect && h.status/100 == 2:
		c.upgraded(h, t)
	case e.head || h.status == 204 || h.status == 304:
		c.messageEnd(d, t)
	case h.chunked:
		c.enter(s, inChunkSize)
	case h.length == 0 && !h.coded:
		c.messageEnd(d, t)
	case h.length > 0 && !h.coded:
		s.state, s.left = inBody, uint64(h.length)
	default:
		s.state = untilEOF
	}
}

// upgraded ends HTTP on the connection.
func (c *Conn) upgraded(h *head, t time.Duration) {
	c.endRequest()
	c.cur.http.Upgrade = c.s.intern(bytes.ToLower(h.upgrade), maxField)
	c.answered(t)
	c.enter(&c.side[0], over)
	c.enter(&c.side[1], over)
}

// messageEnd is called at the last byte of a message.
func (c *Conn) messageEnd(d protocol.Dir, t time.Duration) {
	c.enter(&c.side[d], atHead)
	if d == c.reqDir {
		c.endRequest()
		return
	}
	c.answered(t)
}
