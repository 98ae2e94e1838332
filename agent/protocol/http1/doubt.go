// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"sonde/agent/protocol"
)

// doubt is whether a body will be sent at all. A client that asks whether to go on (Expect: 100-continue) and gets a final
// answer instead should send the body or close the connection (RFC 9110 10.1.1). Some do neither and send the next request.
type doubt struct {
	open  bool // no byte of the body has come
	tried bool // reading what came as a request
	state state
	left  uint64
}

// doubtBody opens the doubt when request e was answered without its body.
func (s *side) doubtBody(e *exchange) {
	s.doubt.open = e.expects && !e.continued && s.pos == s.body && (s.state == inBody || s.state == inSize)
}

// try reads what comes as a request.
func (s *side) try() {
	s.doubt = doubt{tried: true, state: s.state, left: s.left}
	s.enter(atHead)
	s.strict = true
}

// resume goes on with the body: p, which was read as the beginning of a head, is its beginning.
func (c *Conn) resume(d protocol.Dir, s *side, p []byte, t time.Duration) {
	s.enter(s.doubt.state)
	s.left, s.pos, s.strict = s.doubt.left, s.from, false
	s.doubt = doubt{}
	if m := c.shared.env.Marks; m != nil {
		m.Hide(d, s.from, s.from+uint64(len(p)), protocol.FillAll)
	}
	for rest := p; len(rest) > 0; {
		rest = rest[c.read(d, s, rest, t):]
	}
}

func (s *side) takeBuf() []byte {
	p := s.buf
	s.buf = nil
	return p
}
