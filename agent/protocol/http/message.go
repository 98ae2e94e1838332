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
	if len(s.buf) == 0 {
		if p[0] == '\r' || p[0] == '\n' { // RFC 9112 2.2
			s.pos++
			return 1
		}
		s.from, s.first = s.pos, t
		if n := headEnd(p, 0); n > 0 { // whole: read in place
			s.pos += uint64(n)
			c.headDone(d, p[:n], t)
			return n
		}
		s.buf = c.s.buffer()
	}
	from := max(0, len(s.buf)-3) // an empty line may have begun in the last bytes
	room := MaxHead - len(s.buf)
	add := p[:min(len(p), room)]
	old := len(s.buf)
	s.buf = append(s.buf, add...)
	if n := headEnd(s.buf, from); n > 0 {
		used := n - old
		s.pos += uint64(used)
		whole := s.buf
		s.buf = nil
		c.headDone(d, whole[:n], t)
		c.s.giveBack(whole)
		return used
	}
	s.pos += uint64(len(add))
	if c.hopeless(d) {
		return len(add)
	}
	if len(s.buf) >= MaxHead {
		c.cutHead(d, t)
	}
	return max(1, len(add))
}

// hopeless looks at an incomplete head: what can be no message is passed over until the next turn.
func (c *Conn) hopeless(d protocol.Dir) bool {
	s := &c.side[d]
	if Probe(s.buf) != protocol.GuessNo {
		return false
	}
	c.notHTTP(d)
	return true
}

// notHTTP passes over a turn that is no message. If it is answered by one it was meant as a request.
func (c *Conn) notHTTP(d protocol.Dir) {
	s := &c.side[d]
	c.s.Resyncs++
	if (!c.known || d == c.reqDir) && !c.joined && len(c.queue) == 0 && c.unread == nil {
		e := c.s.exchange()
		e.turn = s.turn
		e.request.Start, e.request.RequestEnd = s.first, s.last
		e.end = s.from // where it began, until it is answered
		e.http.Scheme = "http"
		c.unread = e
	}
	c.enter(s, outOfStep)
}

// headDone reads a complete head.
func (c *Conn) headDone(d protocol.Dir, p []byte, t time.Duration) {
	var h head
	if bytes.HasPrefix(p, []byte("HTTP/")) {
		if (c.known && d == c.reqDir) || !h.parseResponse(p) {
			c.notHTTP(d)
			return
		}
		c.response(d, &h, t)
		return
	}
	if (c.known && d != c.reqDir) || !h.parseRequest(p) {
		c.notHTTP(d)
		return
	}
	c.learn(d)
	c.request(d, &h, t, false)
}

func (c *Conn) learn(reqDir protocol.Dir) {
	if !c.known {
		c.known, c.reqDir = true, reqDir
	}
	c.joined = false
	if c.unread != nil {
		c.s.spare = append(c.s.spare, c.unread)
		c.unread = nil
	}
}

// request begins an exchange.
func (c *Conn) request(d protocol.Dir, h *head, t time.Duration, cut bool) {
	s := &c.side[d]
	if len(c.queue) >= MaxQueue {
		e := c.pop()
		e.request.End = t
		c.finish(e, "pipeline_limit")
	}
	e := c.s.exchange()
	e.turn = s.turn
	e.request.Start, e.request.RequestEnd = s.first, t
	e.request.RequestBytes = s.pos - s.from
	e.setRequest(c.s, h)
	e.http.HeadTruncated = cut
	c.queue = append(c.queue, e)
	switch {
	case cut:
		c.enter(s, outOfStep)
		return
	case h.chunked:
		s.state = inChunkSize
	case h.length > 0:
		s.state, s.left = inBody, uint64(h.length)
	default: // RFC 9112 6.3: a request without a length has no body
		c.messageEnd(d, t)
	}
}

// response reads the head of an answer.
func (c *Conn) response(d protocol.Dir, h *head, t time.Duration) {
	s := &c.side[d]
	if !c.known {
		c.known, c.reqDir = true, d.Other()
	}
	if h.status >= 100 && h.status < 200 && h.status != 101 { // interim: the final answer is still to come
		if len(c.queue) > 0 {
			c.queue[0].request.ResponseBytes += s.pos - s.from
		}
		c.enter(s, atHead)
		return
	}
	if !c.match(d) {
		c.enter(s, outOfStep) // without its request the length of its body is unknown (HEAD)
		return
	}
	e := c.cur
	e.request.ResponseStart = s.first
	e.request.ResponseBytes += s.pos - s.from
	e.http.Status = h.status
	if e.http.Version == "" {
		e.http.Version = version(h.version)
	}
	s.from = s.pos // the body's beginning from here on
	c.responseBody(d, h, t)
}

// match finds the request that an answer belongs to: the oldest that waits.
func (c *Conn) match(d protocol.Dir) bool {
	if len(c.queue) == 0 && c.unread != nil {
		e, r := c.unread, &c.side[d.Other()]
		c.unread = nil
		e.request.RequestBytes = r.pos - e.end
		e.complete = true
		c.queue = append(c.queue, e)
	}
	if len(c.queue) == 0 {
		return false
	}
	c.cur = c.queue[0]
	return true
}

// responseBody decides how the body ends (RFC 9112 6.3).
func (c *Conn) responseBody(d protocol.Dir, h *head, t time.Duration) {
	s, e := &c.side[d], c.cur
	switch {
	case h.status == 101 || e.connect && h.status/100 == 2:
		e.http.Upgrade = c.s.intern(bytes.ToLower(h.upgrade), maxField)
		c.answered(t)
		c.enter(s, over)
		c.enter(&c.side[c.reqDir], over)
	case e.head || h.status == 204 || h.status == 304:
		c.messageEnd(d, t)
	case h.chunked:
		s.state = inChunkSize
	case h.coded:
		s.state = untilEOF
	case h.length == 0:
		c.messageEnd(d, t)
	case h.length > 0:
		s.state, s.left = inBody, uint64(h.length)
	default:
		s.state = untilEOF
	}
}

// messageEnd is called at the last byte of a message.
func (c *Conn) messageEnd(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	c.enter(s, atHead)
	if d != c.reqDir {
		c.answered(t)
		return
	}
	for i := len(c.queue) - 1; i >= 0; i-- {
		if e := c.queue[i]; !e.complete {
			e.complete = true
			e.request.RequestEnd = t
			c.requestSize(e, s.pos)
			return
		}
	}
}

// requestSize sets the sizes of a request that ends at pos.
func (c *Conn) requestSize(e *exchange, pos uint64) {
	s := &c.side[c.reqDir]
	if total := pos - s.from; total >= e.request.RequestBytes {
		e.http.RequestBodyBytes = total - e.request.RequestBytes
		e.request.RequestBytes = total
	}
}

// answered ends the answer that is being read.
func (c *Conn) answered(t time.Duration) {
	if c.cur == nil {
		return
	}
	e, s := c.cur, &c.side[c.reqDir.Other()]
	c.pop()
	e.request.End = t
	e.http.ResponseBodyBytes = s.pos - s.from
	e.request.ResponseBytes += e.http.ResponseBodyBytes
	e.answerEnd = s.pos
	if !e.complete { // an early answer: what was seen of the body until now
		c.requestSize(e, c.side[c.reqDir].pos)
	}
	if e.left && c.reqDir == protocol.Received {
		c.held = append(c.held, e)
		return
	}
	c.finish(e, "")
}

// cutHead reads a head whose rest will not be seen.
func (c *Conn) cutHead(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	p := s.buf
	s.buf = nil
	defer c.s.giveBack(p)
	end := bytes.LastIndexByte(p, '\n')
	var h head
	switch {
	case bytes.HasPrefix(p, []byte("HTTP/")) && (!c.known || d != c.reqDir):
		if end < 0 || !h.parseResponse(p[:end+1]) {
			break
		}
		c.cutResponse(d, &h, t)
		return
	case (!c.known || d == c.reqDir) && Probe(p) == protocol.GuessRequest:
		if end < 0 || !h.parseRequest(p[:end+1]) {
			h = head{length: -1}
			cutRequestLine(&h, p)
		}
		c.learn(d)
		c.request(d, &h, t, true)
		return
	}
	c.enter(s, outOfStep)
}

// cutRequestLine takes the method and as much of the target as there is.
func cutRequestLine(h *head, p []byte) {
	sp := bytes.IndexByte(p, ' ')
	h.method, h.target = p[:sp], p[sp+1:]
	if i := bytes.IndexAny(h.target, " \r\n"); i >= 0 {
		h.target = h.target[:i]
	}
}

// cutResponse takes the status of an answer whose head is longer than what was seen; its length is not known.
func (c *Conn) cutResponse(d protocol.Dir, h *head, t time.Duration) {
	s := &c.side[d]
	if !c.known {
		c.known, c.reqDir = true, d.Other()
	}
	if !c.match(d) {
		c.enter(s, outOfStep)
		return
	}
	e := c.cur
	e.request.ResponseStart = s.first
	e.http.Status, e.http.HeadTruncated = h.status, true
	c.enter(s, outOfStep)
	if e.head || h.status == 204 || h.status == 304 {
		c.answered(t)
	}
}

// readLine consumes bytes of a chunk's size line or of the trailer section.
func (c *Conn) readLine(d protocol.Dir, p []byte, t time.Duration) int {
	s := &c.side[d]
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		if len(s.buf)+len(p) > maxField {
			s.pos += uint64(len(p))
			c.enter(s, unframed)
			c.s.Resyncs++
			return len(p)
		}
		if s.buf == nil {
			s.buf = c.s.buffer()
		}
		s.buf = append(s.buf, p...)
		s.pos += uint64(len(p))
		return len(p)
	}
	l := p[:n]
	if len(s.buf) > 0 {
		s.buf = append(s.buf, l...)
		l = s.buf
	}
	s.pos += uint64(n + 1)
	c.chunkLine(d, bytes.TrimRight(l, "\r \t"), t)
	return n + 1
}

// chunkLine takes a whole line (RFC 9112 7.1).
func (c *Conn) chunkLine(d protocol.Dir, l []byte, t time.Duration) {
	s := &c.side[d]
	if s.state == inTrailer {
		empty := len(l) == 0
		c.enter(s, inTrailer)
		if empty {
			c.messageEnd(d, t)
		}
		return
	}
	size, ok := chunkSize(l)
	switch {
	case !ok:
		c.enter(s, unframed)
		c.s.Resyncs++
	case size == 0:
		c.enter(s, inTrailer)
	default:
		c.enter(s, inChunk)
		s.left = size + 2 // its line end
	}
}

// chunkSize reads the size before any extension.
func chunkSize(l []byte) (uint64, bool) {
	n, digits := uint64(0), 0
	for _, b := range l {
		v := byte(0)
		switch {
		case '0' <= b && b <= '9':
			v = b - '0'
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			v = b | 0x20 - 'a' + 10
		case b == ';' || b == ' ' || b == '\t':
			return n, digits > 0
		default:
			return 0, false
		}
		if digits++; digits > 15 {
			return 0, false
		}
		n = n<<4 | uint64(v)
	}
	return n, digits > 0
}
