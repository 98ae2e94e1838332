// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"
	"time"

	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// state is where a direction stands.
type state uint8

const (
	atStart   state = iota // nothing has come
	inPreface              // of the client
	atFrame                // at the beginning of a frame, or inside its header when have > 0
	inPrefix               // in the bytes of a payload that say what the rest is
	inBody                 // in data, a header block, or what is of no interest
	inPadding
	outOfStep // in bytes that belong to no known frame
)

const (
	maxMisses = 8                // pieces in which no frame was found after which a connection is taken for something else
	doubtTime = 30 * time.Second // after which a stream is given up that may have ended in a gap
)

// side is one direction.
type side struct {
	state state
	have  uint8   // bytes in head, or of the preface
	head  [9]byte // of the frame at hand, or the prefix of its payload

	frame frame
	start time.Duration // first byte of the frame at hand
	left  uint64        // bytes of the state at hand that are to come
	pad   uint64        // bytes behind them
	holed bool          // a part of the prefix was not captured
	lost  bool          // bytes of this direction were lost, or came before it was joined
	fresh bool          // the next frame is its first

	table hpack.Decoder
	block block

	pos    uint64 // of the next byte
	headAt uint64 // of the header of the frame at hand
}

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared *shared
	side   [2]side

	known   bool         // which direction carries requests
	client  protocol.Dir // that direction, when known
	preface bool         // the client's preface was seen
	fit     protocol.Fit
	misses  int

	streams protocol.ByID[uint32, *stream] // requests that wait for the end of their answer
	last    uint32                         // highest number of a stream of the client
	doubts  bool                           // streams may have ended in a gap
	doubtAt time.Duration                  // when it passed
}

func (c *conn) begin(s protocol.Start) {
	c.known, c.preface, c.fit, c.misses, c.last, c.doubts = false, false, protocol.FitOpen, 0, 0, false
	for d := range c.side {
		side := &c.side[d]
		side.step(atStart)
		side.lost, side.fresh, side.block = s.Joined, false, block{}
		side.pos, side.headAt = s.Base[d], s.Base[d]
		side.table.Reset(&c.shared.scratch)
		side.table.Lose()
	}
	if s.Upgrade != nil {
		c.known, c.client, c.fit = true, s.Client, protocol.FitYes
		c.upgraded(s.Upgrade)
	}
}

// Fit implements protocol.Parser. A preface is HTTP/2, and so is a header block with the fields of a request or an answer.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Pending implements protocol.Parser.
func (c *conn) Pending() int { return c.streams.Len() }

// EOF implements protocol.Parser.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	s := &c.side[d]
	if s.state == atStart && len(p) > 0 {
		c.first(d, s, p)
	}
	for begin := atSegment; len(p) > 0; begin = inSegment {
		if s.state == outOfStep {
			rest := c.resync(s, p, begin)
			c.markLost(d, s, len(p)-len(rest))
			s.pos += uint64(len(p) - len(rest))
			if p = rest; p == nil {
				break
			}
		}
		n := c.read(d, s, p, t)
		s.pos += uint64(n)
		p = p[n:]
	}
	c.settle(d, s)
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	s := &c.side[d]
	end := s.pos + n
	for n > 0 && s.state != outOfStep {
		n -= c.pass(d, s, n, t)
	}
	s.pos = end
}

// read consumes some of p and returns how many; none when only the state changed.
func (c *conn) read(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	switch s.state {
	case inPreface:
		return c.readPreface(d, s, p)
	case atFrame:
		return c.readHead(d, s, p, t)
	case inPrefix:
		n := copy(s.head[s.have:], p[:min(uint64(len(p)), s.left)])
		s.have += uint8(n)
		s.left -= uint64(n)
		c.account(d, s, uint64(n), t)
		if s.left == 0 {
			c.prefix(d, s, t)
		}
		return n
	case inBody:
		n := min(uint64(len(p)), s.left)
		c.markBody(d, s, p[:n])
		s.left -= n
		c.account(d, s, n, t)
		c.body(d, s, p[:n], t)
		if s.left == 0 {
			c.padding(d, s, t)
		}
		return int(n)
	}
	c.markPadding(d, s, len(p))
	return int(c.passPadding(d, s, uint64(len(p)), t))
}

// pass consumes up to n bytes that were not seen and returns how many.
func (c *conn) pass(d protocol.Dir, s *side, n uint64, t time.Duration) uint64 {
	switch s.state {
	case inPrefix:
		n = min(n, s.left)
		s.left -= n
		s.holed = true
		c.account(d, s, n, t)
		if s.left == 0 {
			c.prefix(d, s, t)
		}
		return n
	case inBody:
		n = min(n, s.left)
		s.left -= n
		c.account(d, s, n, t)
		c.skipBody(d, s, n, t)
		if s.left == 0 {
			c.padding(d, s, t)
		}
		return n
	case inPadding:
		return c.passPadding(d, s, n, t)
	}
	c.lose(d, s, t)
	return n
}

func (c *conn) passPadding(d protocol.Dir, s *side, n uint64, t time.Duration) uint64 {
	n = min(n, s.left)
	s.left -= n
	c.account(d, s, n, t)
	if s.left == 0 {
		c.frameEnd(d, s, t)
	}
	return n
}

// first looks at the first bytes of a direction.
func (c *conn) first(d protocol.Dir, s *side, p []byte) {
	switch {
	case p[0] == prefaceText[0] && !(c.known && d != c.client):
		s.state = inPreface // no frame begins so: it would be 5 MB long
	case s.lost:
		s.state = outOfStep
	default:
		s.state, s.fresh = atFrame, true
	}
}

// readPreface consumes bytes of the client's preface (RFC 9113 3.4).
func (c *conn) readPreface(d protocol.Dir, s *side, p []byte) int {
	n := min(len(p), len(prefaceText)-int(s.have))
	if string(p[:n]) != prefaceText[s.have:int(s.have)+n] {
		c.miss(maxMisses)
		c.markLost(d, s, n)
		s.step(outOfStep)
		s.lost = true
		return n
	}
	if s.have += uint8(n); int(s.have) == len(prefaceText) {
		c.known, c.client, c.preface, c.fit = true, d, true, protocol.FitYes
		s.step(atFrame)
		s.lost = false
		s.table.Reset(&c.shared.scratch)
		if o := &c.side[d.Other()]; o.state == atStart { // the server answers a preface: its table is new as well
			o.lost = false
		}
	}
	return n
}

// miss counts what speaks against HTTP/2.
func (c *conn) miss(n int) {
	if c.misses += n; c.misses >= maxMisses && c.fit != protocol.FitYes {
		c.fit = protocol.FitNo
	}
}

// step enters a state that has nothing to do with the bytes before.
func (s *side) step(to state) { s.state, s.have, s.left, s.pad, s.holed = to, 0, 0, 0, false }

// readHead consumes bytes of a frame's header.
func (c *conn) readHead(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	if s.have == 0 {
		s.start, s.headAt = t, s.pos
	}
	n := copy(s.head[s.have:], p)
	if s.have += uint8(n); s.have == headSize {
		c.frameBegin(d, s, t)
	}
	return n
}

// frameBegin is called behind a frame's header.
func (c *conn) frameBegin(d protocol.Dir, s *side, t time.Duration) {
	f := readFrame(s.head[:])
	ok := f.legal()
	if c.fit != protocol.FitYes {
		ok = f.plausible()
	}
	if b := &s.block; !ok || b.open != (f.typ == typeContinuation) || b.open && f.stream != b.stream {
		speaks := maxMisses / 2
		if s.fresh {
			speaks = maxMisses
		}
		c.miss(speaks)
		c.markNoFrame(d, s)
		c.lose(d, s, t)
		return
	}
	if s.fresh && f.typ == typeSettings && !f.has(flagAck) { // the first of the connection (RFC 9113 3.4)
		s.table.Reset(&c.shared.scratch)
	}
	s.fresh, s.frame = false, f
	s.step(inPrefix)
	s.left = uint64(f.prefix())
	if f.isBlock() {
		c.blockBegin(s)
	}
	c.account(d, s, headSize, t)
	if s.left == 0 {
		c.prefix(d, s, t)
	}
}

// prefix is called when the bytes before the body have passed.
func (c *conn) prefix(d protocol.Dir, s *side, t time.Duration) {
	f := &s.frame
	n, pad := uint64(f.prefix()), uint64(0)
	if f.typ != typeReset && f.typ != typeGoAway && f.has(flagPadded) && n > 0 {
		pad = uint64(s.head[0])
		if s.holed {
			pad = 0
		}
	}
	body := uint64(f.length) - n
	if pad > body { // RFC 9113 6.1: an error of the connection
		c.lose(d, s, t)
		return
	}
	s.state, s.left, s.pad = inBody, body-pad, pad
	switch {
	case s.holed && f.isBlock():
		s.block.broken = true
	case f.typ == typeData:
		if st := c.stream(f.stream); st != nil {
			st.calls[c.index(d)].begin(s.left)
		}
	}
	if s.left == 0 {
		c.padding(d, s, t)
	}
}

// padding is called behind the body.
func (c *conn) padding(d protocol.Dir, s *side, t time.Duration) {
	if s.state, s.left = inPadding, s.pad; s.left == 0 {
		c.frameEnd(d, s, t)
	}
}

// body takes bytes of a body.
func (c *conn) body(d protocol.Dir, s *side, p []byte, t time.Duration) {
	switch {
	case s.frame.typ == typeData:
		if st := c.stream(s.frame.stream); st != nil {
			st.data(c.isClient(d), p, t)
		}
	case s.frame.isBlock():
		c.fragment(s, p)
	}
}

// skipBody takes bytes of a body that were not seen.
func (c *conn) skipBody(d protocol.Dir, s *side, n uint64, t time.Duration) {
	switch {
	case s.frame.typ == typeData:
		if st := c.stream(s.frame.stream); st != nil {
			st.skip(c.isClient(d), n, t)
		}
	case s.frame.isBlock():
		s.block.broken = true
	}
}

// account adds n bytes of the frame at hand to its stream. Those of a header block wait until it is whole.
func (c *conn) account(d protocol.Dir, s *side, n uint64, t time.Duration) {
	switch {
	case s.frame.isBlock():
		s.block.bytes += n
		s.block.end = t
	case s.frame.typ == typeData:
		if st := c.stream(s.frame.stream); st != nil {
			st.account(c.isClient(d), n, t)
		}
	}
}

// index returns the place of a direction in stream.calls.
func (c *conn) index(d protocol.Dir) int {
	if c.isClient(d) {
		return 0
	}
	return 1
}

func (c *conn) isClient(d protocol.Dir) bool { return c.known && d == c.client }

// stream returns the open stream with a number, nil when there is none.
func (c *conn) stream(id uint32) *stream {
	if st := c.streams.Get(id); st != nil {
		return *st
	}
	return nil
}

// frameEnd is called behind the last byte of a frame.
func (c *conn) frameEnd(d protocol.Dir, s *side, t time.Duration) {
	f, holed := s.frame, s.holed
	s.step(atFrame)
	switch f.typ {
	case typeHeaders, typePush, typeContinuation:
		if s.block.open = !f.has(flagEndHeaders); !s.block.open {
			c.blockEnd(d, s, t)
		}
	case typeData:
		if f.has(flagEndStream) {
			c.endStream(d, f.stream, t)
		}
	case typeReset:
		code := errorCode(binary.BigEndian.Uint32(s.head[:]))
		if holed {
			code = codeUnseen
		}
		c.reset(d, f.stream, code, t)
	case typeGoAway:
		if !holed && c.known && d != c.client {
			c.goAway(binary.BigEndian.Uint32(s.head[:])&maxIDs, errorCode(binary.BigEndian.Uint32(s.head[4:])), t)
		}
	}
}

// lose puts a direction out of step: frames may have passed unseen.
func (c *conn) lose(d protocol.Dir, s *side, t time.Duration) {
	c.shared.resync()
	if s.block.begun() {
		s.block.broken = true
		c.blockEnd(d, s, t)
	}
	s.table.Lose()
	s.step(outOfStep)
	s.lost, s.fresh = true, false
	if c.known {
		c.doubt(d, t)
	}
}

// doubt marks the streams that may have gone on in a gap.
func (c *conn) doubt(d protocol.Dir, t time.Duration) {
	c.streams.Each(func(_ uint32, st **stream) {
		(*st).gap(d == c.client)
	})
	if d != c.client && c.streams.Len() > 0 {
		c.doubts, c.doubtAt = true, t
	}
}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	if e.Reason == "" {
		e.Reason = "connection_closed"
	}
	for d := range c.side {
		if s := &c.side[d]; s.block.begun() {
			s.block.broken = true
			c.blockEnd(protocol.Dir(d), s, s.block.end)
		}
	}
	for {
		st, ok := c.streams.Pop()
		if !ok {
			return
		}
		c.giveUp(st, e.Reason, e.Time)
	}
}
