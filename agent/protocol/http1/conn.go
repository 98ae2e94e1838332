// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"sonde/agent/protocol"
)

// state is where a direction stands.
type state uint8

const (
	atHead      state = iota // at the beginning of a message, or inside its head when buf holds bytes
	inBody                   // left bytes of a body are to come
	inSize                   // in the digits of a chunk's size
	inExtension              // behind them, in the same line
	inChunk                  // left bytes of a chunk's data are to come
	afterChunk               // left bytes of the line end behind the data are to come
	inTrailer                // in the trailer section (RFC 9112 7.1.2)
	untilEOF                 // in a body that the end of the direction ends
	unframed                 // in a message whose end cannot be told from its bytes
	outOfStep                // in bytes that belong to no known message, until the next turn
	inMediaHead              // in the head of a packet of media between messages of RTSP
	inMedia                  // left bytes of it are to come
	over                     // no longer HTTP
)

// side is one direction.
type side struct {
	state   state
	strict  bool // was out of step, or joined: only what surely is a message begins one
	ended   bool
	chunked bool // the message being read is
	doubt   doubt
	filled  bool // inTrailer: the line at hand is not empty
	digits  uint8
	gap     gap

	turn uint32
	left uint64
	pos  uint64 // bytes fed and skipped
	from uint64 // pos at the beginning of the message being read
	body uint64 // pos behind its head, not above from when that was cut
	buf  []byte // the part of a head that has come

	first time.Duration // of the message being read
	last  time.Duration // of the last byte
}

// Conn follows one connection. It implements protocol.Parser. Get one from Shared.New.
type Conn struct {
	shared *Shared
	side   [2]side

	known   bool         // which direction carries requests
	sure    bool         // of that, beyond doubt
	joined  bool         // the connection is older than the parser
	started bool         // there was a call
	rtsp    bool         // requests are those of RTSP
	interim bool         // the last response was an interim one
	dir     protocol.Dir // of requests, when known
	last    protocol.Dir // of the last call, when started

	queue   []*exchange // requests whose answer has not begun, oldest first
	sending *exchange   // the request being read, in queue or cur
	cur     *exchange   // the request whose answer is being read
	held    []*exchange // answered after the client had ended its direction: did the answer arrive?

	inner protocol.Parser // follows the connection once HTTP is over

	ghosts int // answers to come of requests given up at MaxQueue, all older than queue
	pipeline
}

// Joined says that the connection is older than the observation: what comes before the first request is passed over.
// To be called before any bytes.
func (c *Conn) Joined() {
	c.joined = true
	c.side[0].strict, c.side[1].strict = true, true
}

// Pending reports the number of requests that wait for the end of their answer, or for Close to tell whether it arrived.
func (c *Conn) Pending() int {
	n := len(c.held)
	if c.inner != nil {
		n += c.inner.Pending()
	}
	for _, e := range c.queue {
		if !e.guess {
			n++
		}
	}
	if c.cur != nil && !c.cur.ghost {
		n++
	}
	return n
}

// Fit implements protocol.Parser. A request line or a status line is HTTP; a connection that begins with neither is not,
// unless the other side takes it for HTTP and answers.
func (c *Conn) Fit() protocol.Fit {
	switch {
	case c.known:
		return protocol.FitYes
	case !c.joined && c.side[0].turn+c.side[1].turn > 2:
		return protocol.FitNo
	}
	return protocol.FitOpen
}

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return
	}
	if c.inner != nil {
		c.inner.Feed(d, p, t)
		return
	}
	s := c.begin(d, t)
	for len(p) > 0 {
		from, at := s.state, s.pos
		n := c.read(d, s, p, t)
		if c.shared.env.Marks != nil && n > 0 {
			c.mark(d, s, from, p[:n], at)
		}
		if p = p[n:]; c.inner != nil && len(p) > 0 {
			c.inner.Feed(d, p, t)
			return
		}
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if n == 0 {
		return
	}
	if c.inner != nil {
		c.inner.Skip(d, n, t)
		return
	}
	s := c.begin(d, t)
	for n > 0 {
		n -= c.pass(d, s, n, t)
	}
}

// begin notices a new turn.
func (c *Conn) begin(d protocol.Dir, t time.Duration) *side {
	s := &c.side[d]
	if !c.started || c.last != d {
		c.started, c.last = true, d
		c.turn(d, s)
	}
	s.last = t
	return s
}

func (c *Conn) turn(d protocol.Dir, s *side) {
	s.turn++
	if s.state == over {
		return
	}
	c.dropStaleGuess(d, s)
	if c.known && d == c.dir {
		c.requestTurn(s)
		return
	}
	if s.state == outOfStep {
		s.enter(atHead)
	}
}

// requestTurn is called when the client speaks again. Then it has had the answers to what it asked before, as far as it
// does not pipeline, and those whose end could not be told have ended.
func (c *Conn) requestTurn(s *side) {
	waits := c.interim && c.sending != nil // for 100 Continue, and the body comes now
	if s.state == outOfStep && !waits && c.sending != nil {
		c.seal(c.sending)
	}
	r := &c.side[c.dir.Other()]
	if r.state == unframed && c.cur != nil && c.cur != c.sending {
		c.answered(r.last)
		r.lose()
	}
	if r.state == outOfStep {
		if s.state == unframed && c.sending != nil {
			c.seal(c.sending)
		}
		c.giveUp(r.last)
	}
	if s.doubt.open {
		s.try()
	}
	if s.state == outOfStep && !waits || s.state == unframed && c.sending == nil {
		s.strict = s.strict || s.state == unframed
		s.enter(atHead)
	}
}

// lose puts a direction out of step.
func (s *side) lose() {
	s.enter(outOfStep)
	s.strict = true
}

// enter begins a state that has nothing to do with the bytes before.
func (s *side) enter(to state) {
	s.state, s.left, s.digits, s.filled, s.gap = to, 0, 0, false, gap{}
}

// read consumes some of p and returns how many; none when only the state changed.
func (c *Conn) read(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	n := len(p)
	switch s.state {
	case atHead:
		return c.readHead(d, s, p, t)
	case inBody, inChunk, inMedia:
		return int(c.readBody(d, s, uint64(n), t))
	case inMediaHead:
		n = s.readMediaHead(p)
	case inSize:
		n = s.readSize(p)
	case inExtension:
		n = s.readExtension(p)
	case afterChunk:
		n = s.readLineEnd(p)
	case inTrailer:
		return c.readTrailer(d, s, p, t)
	case unframed:
		s.pos += uint64(n)
		if s.gap.ends(p) && s.chunked && c.alone(d) {
			c.messageEnd(d, t)
		}
		return n
	}
	s.pos += uint64(n)
	return n
}

// pass consumes up to n bytes that were not seen and returns how many; none when only the state changed.
func (c *Conn) pass(d protocol.Dir, s *side, n uint64, t time.Duration) uint64 {
	switch s.state {
	case inBody, inChunk, inMedia:
		return c.readBody(d, s, n, t)
	case inMediaHead:
		s.lose()
	case afterChunk:
		n = min(n, s.left)
		if s.left -= n; s.left == 0 {
			s.enter(inSize)
		}
		s.pos += n
		return n
	case atHead:
		if s.doubt.tried {
			begun := s.takeBuf()
			c.resume(d, s, begun, t)
			c.shared.giveBack(begun)
			return 0
		}
		c.missHead(d, s, t)
	case inSize, inExtension, inTrailer:
		c.unframe(s)
	}
	s.gap.begin()
	s.pos += n
	return n
}
