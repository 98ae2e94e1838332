// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// readHead consumes bytes at the beginning of a message or inside its head.
func (c *Conn) readHead(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	if len(s.buf) > 0 {
		return c.growHead(d, s, p, t)
	}
	if (p[0] == '\r' || p[0] == '\n') && !s.doubt.tried { // RFC 9112 2.2
		s.pos++
		return 1
	}
	if p[0] == '$' && c.rtsp && !s.strict {
		s.enter(inMediaHead)
		return 0
	}
	s.from, s.first = s.pos, t
	h := &c.shared.head
	if n := h.read(p[:min(len(p), MaxHead)], &c.shared.unfolded); n > 0 { // nearly always: read in place
		s.pos += uint64(n)
		c.message(d, s, h, p[:n], t)
		return n
	}
	return c.growHead(d, s, p, t)
}

// growHead puts a head together that came in pieces.
func (c *Conn) growHead(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	old := len(s.buf)
	p = p[:min(len(p), MaxHead-old)]
	if old == 0 && !c.possible(d, s, p) {
		s.pos += uint64(len(p))
		c.notHTTP(d, s, p, t)
		return len(p)
	}
	if s.buf == nil {
		s.buf = c.shared.buffer()
	}
	s.buf = append(s.buf, p...)
	if n := headEnd(s.buf, max(0, old-2)); n > 0 {
		s.pos += uint64(n - old)
		whole := s.buf
		s.buf = nil
		h := &c.shared.head
		h.read(whole[:n], &c.shared.unfolded)
		c.message(d, s, h, whole[:n], t)
		c.shared.giveBack(whole)
		return n - old
	}
	s.pos += uint64(len(p))
	switch {
	case !c.possible(d, s, s.buf):
		whole := s.takeBuf()
		c.notHTTP(d, s, whole, t)
		c.shared.giveBack(whole)
	case len(s.buf) >= MaxHead:
		if !c.cutHead(d, s, t) {
			c.notHTTP(d, s, nil, t)
		}
	}
	return len(p)
}

func (c *Conn) dropHead(s *side) {
	c.shared.giveBack(s.buf)
	s.buf = nil
}

// kind is what a start line begins.
type kind uint8

const (
	nothing kind = iota
	request
	response
)

// kindOf reads a whole start line into h, as far as direction d may carry what it begins.
func (c *Conn) kindOf(d protocol.Dir, s *side, h *head, l []byte) kind {
	if c.mayRespond(d) && h.response(l) && (isVersion1(h.version) || c.known && !s.strict) {
		return response
	}
	if !c.mayRequest(d) || !h.request(l) && (s.strict || !h.simple(l)) {
		return nothing
	}
	if s.strict && (Probe(l) != protocol.GuessRequest || bytes.IndexByte(h.target, ' ') >= 0) {
		return nothing
	}
	return request
}

func (c *Conn) mayRequest(d protocol.Dir) bool { return !c.sure || d == c.dir }

func (c *Conn) mayRespond(d protocol.Dir) bool { return !c.known || d != c.dir }

// possible tells whether p, an incomplete head, may still become one. More bytes never turn false into true.
func (c *Conn) possible(d protocol.Dir, s *side, p []byte) bool {
	if n := bytes.IndexByte(p, '\n'); n >= 0 {
		var h head
		return c.kindOf(d, s, &h, bytes.TrimSuffix(p[:n], []byte("\r"))) != nothing
	}
	if c.mayRespond(d) && (isPrefix(p, version1) || c.known && !s.strict && isStatusLine(p)) {
		return true
	}
	if !c.mayRequest(d) {
		return false
	}
	if s.strict {
		g := Probe(p)
		return g == protocol.GuessMaybe || g == protocol.GuessRequest
	}
	n := methodEnd(p)
	return n > 0 && (n == len(p) || p[n] == ' ')
}

// isStatusLine tells whether p may begin a status line of any version.
func isStatusLine(p []byte) bool {
	return isPrefix(p, "HTTP/") || isPrefix(p, "RTSP/") || isPrefix(p, "ICE/")
}

// message takes a whole head; p is its bytes.
func (c *Conn) message(d protocol.Dir, s *side, h *head, p []byte, t time.Duration) {
	s.body = s.pos
	c.markHead(d, s, p)
	switch c.kindOf(d, s, h, h.line) {
	case request:
		c.request(d, s, h)
		c.requestBody(s, h, t)
	case response:
		c.response(d, s, h, t)
	default:
		c.notHTTP(d, s, p, t)
	}
}

// request begins an exchange.
func (c *Conn) request(d protocol.Dir, s *side, h *head) *exchange {
	c.learn(d)
	if s.doubt.tried && c.sending != nil {
		c.sealBefore(s)
	}
	s.strict, s.doubt = false, doubt{}
	c.noteTurn(s)
	if len(c.queue) >= MaxQueue {
		c.overflow(s.last)
	}
	e := c.shared.exchange()
	e.dir, e.turn, e.from, e.request.Start = d, s.turn, s.from, s.first
	e.http.Scheme = "http"
	e.setRequest(c.shared, h)
	c.rtsp = bytes.HasPrefix(h.version, []byte("RTSP/"))
	c.queue = append(c.queue, e)
	c.sending = e
	if begin := c.shared.env.Begin; begin != nil {
		e.request.Begun = begin(protocol.Begin{Dir: d, At: s.from, Start: s.first, Fields: e.request.Fields})
	}
	return e
}

// learn notes that direction d carries requests.
func (c *Conn) learn(d protocol.Dir) {
	if c.known && d != c.dir { // what was taken for a request came out of the middle of something
		c.discard()
		c.side[c.dir].lose()
	}
	if len(c.queue) > 0 && c.queue[0].guess && c.queue[0].dir != d {
		c.discard()
	}
	c.known, c.dir = true, d
	c.sure = c.sure || !c.joined
}

// requestBody decides how the body of a request ends (RFC 9112 6.3).
func (c *Conn) requestBody(s *side, h *head, t time.Duration) {
	switch {
	case c.sending.connect: // RFC 9110 9.3.6: no content, whatever the fields say
		c.messageEnd(c.dir, t)
	case h.chunked:
		s.enter(inSize)
		s.chunked = true
	case h.coded || h.badLength: // the server cannot know either, and will say so
		s.enter(unframed)
		s.chunked = false
		if !h.coded { // or takes it for none, and what looks like a request behind it for one
			s.try()
		}
	case h.length > 0:
		s.enter(inBody)
		s.left = h.length
	default:
		c.messageEnd(c.dir, t)
	}
}

// response begins the answer to the oldest request.
func (c *Conn) response(d protocol.Dir, s *side, h *head, t time.Duration) {
	if !c.known {
		c.known, c.dir, c.sure = true, d.Other(), !c.joined
	}
	if h.status < 200 && h.status != 101 { // interim: the final one is still to come
		c.interimResponse(s)
		return
	}
	e := c.match(s.first)
	if e == nil { // without the request the length of its answer is unknown: it may have been HEAD
		c.shared.resync()
		s.lose()
		return
	}
	c.sure, c.interim, s.strict = true, false, false
	c.begins(e, s, h)
	c.responseBody(s, e, h, t)
}

func (c *Conn) interimResponse(s *side) {
	c.interim = true
	if c.ghosts == 0 && len(c.queue) > 0 && !c.queue[0].guess {
		c.queue[0].request.ResponseBytes += s.pos - s.from
		c.queue[0].continued = true
	}
}

// begins notes the head of a final answer.
func (c *Conn) begins(e *exchange, s *side, h *head) {
	e.request.ResponseStart = s.first
	e.http.Status = h.status
	if e.http.Version == "" {
		e.http.Version = c.shared.intern(h.version, MaxField)
	}
	r := &c.side[c.dir]
	if e == c.sending && (r.state == unframed || r.state == outOfStep || r.doubt.tried) {
		c.seal(e)
	}
}

// responseBody decides how the body of a response ends (RFC 9112 6.3).
func (c *Conn) responseBody(s *side, e *exchange, h *head, t time.Duration) {
	switch {
	case h.status == 101 || e.connect && h.status < 300:
		if h.status == 101 {
			e.http.Upgrade = c.shared.intern(bytes.ToLower(h.upgrade), MaxField)
		}
		c.switches(e, h, t)
	case e.head || h.status == 204 || h.status == 304 || c.rtsp && !h.hasLength: // RFC 7826 20.15
		c.messageEnd(c.dir.Other(), t)
	case h.chunked:
		s.enter(inSize)
		s.chunked = true
	case h.badLength && !h.coded:
		s.enter(unframed)
		s.chunked = false
	case h.coded || !h.hasLength:
		s.enter(untilEOF)
	case h.length == 0:
		c.messageEnd(c.dir.Other(), t)
	default:
		s.enter(inBody)
		s.left = h.length
	}
}

// leave ends HTTP on the connection: another protocol follows, or a tunnel.
func (c *Conn) leave() {
	for d := range c.side {
		c.side[d].enter(over)
		c.dropHead(&c.side[d])
	}
}

// messageEnd is called behind the last byte of a message.
func (c *Conn) messageEnd(d protocol.Dir, t time.Duration) {
	c.side[d].enter(atHead)
	if d != c.dir {
		c.answered(t)
		return
	}
	if c.sending != nil {
		c.seal(c.sending)
	}
}
