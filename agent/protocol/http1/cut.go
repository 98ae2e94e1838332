// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// cutHead reads a head whose rest will not be seen and reports whether it began a message. What is behind it in that
// direction is unknown until the other direction has spoken.
func (c *Conn) cutHead(d protocol.Dir, s *side, t time.Duration) bool {
	p := s.takeBuf()
	defer c.shared.giveBack(p)
	c.markHead(d, s, p)
	var h head // the shared one may hold the answer to this very request
	var unfolded []byte
	h.read(p, &unfolded)
	var k kind
	if h.line != nil {
		k = c.kindOf(d, s, &h, h.line)
	} else {
		k = c.cutLine(d, s, &h, p)
	}
	if m := c.shared.env.Marks; m != nil && k != nothing {
		m.Settle(d, s.pos)
	}
	switch k {
	case request:
		e := c.request(d, s, &h)
		e.http.HeadTruncated = true
		s.lose()
		c.loss()
		return true
	case response:
		return c.cutResponse(d, s, &h)
	}
	return false
}

// cutLine takes from an incomplete start line what is beyond doubt.
func (c *Conn) cutLine(d protocol.Dir, s *side, h *head, p []byte) kind {
	if i := bytes.IndexByte(p, ' ') + len("200 ") + 1; c.mayRespond(d) && len(p) >= i && h.response(p[:i]) && isVersion1(h.version) {
		return response
	}
	n := methodEnd(p)
	if !c.mayRequest(d) || n == 0 || Probe(p) != protocol.GuessRequest {
		return nothing
	}
	h.method, h.target, h.version = p[:n], nil, nil
	target := bytes.TrimLeft(p[n:], " ")
	i := bytes.LastIndexByte(target, ' ')
	switch q := bytes.IndexByte(target, '?'); {
	case i > 0 && isPrefix(target[i+1:], version1):
		h.target = target[:i]
	case q > 0:
		h.target = target[:q]
	case len(target) >= MaxPath+MaxField: // more than is kept, whatever its form
		h.target = target
	}
	return request
}

// cutResponse begins an answer whose length is not known. It ends with the client's next turn, or with the connection.
func (c *Conn) cutResponse(d protocol.Dir, s *side, h *head) bool {
	if !c.known {
		c.known, c.dir, c.sure = true, d.Other(), !c.joined
	}
	if h.status < 200 && h.status != 101 {
		return false
	}
	e := c.match(s.first)
	if e == nil {
		return false
	}
	c.sure, c.interim = true, false
	e.http.HeadTruncated = true
	c.begins(e, s, h)
	chunked := h.chunked
	s.enter(unframed)
	c.loss()
	s.chunked = chunked
	return true
}
