// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared   *shared
	sides    [2]side
	channels map[uint16]*channel
	last     *channel // that was asked for last
	open     int      // messages that wait to be settled
	joined   bool

	client  protocol.Dir
	known   bool // which side is the client
	fit     protocol.Fit
	started bool
	turn    protocol.Dir
	turns   int           // that began
	now     time.Duration // time of the call at hand
	report  func(x *exchange, reason string)
}

// side is one direction of a connection.
type side struct {
	framer protocol.Framer
	doubt  bool   // whether the next byte begins a frame is not certain
	passed uint64 // bytes before the call at hand
	next   uint64 // position of the frame that comes next
	gap    bool   // whether the bytes before the call at hand were not captured
	until  uint64 // position before which nothing but the rest of a content passes, 0 for none

	content  *channel // that got a part of a content last
	lossTurn int      // turn in which something was lost
}

func (s *shared) open(start protocol.Start) protocol.Parser {
	c := &conn{shared: s, channels: map[uint16]*channel{}, joined: start.Joined}
	c.report = c.reported
	for d := range c.sides {
		dir := protocol.Dir(d)
		c.sides[d] = side{doubt: true, passed: start.Base[d], next: start.Base[d], framer: protocol.Framer{
			Keep: maxHead,
			Size: func(p []byte) (uint64, protocol.State) { return c.size(dir, p) },
			Take: func(f *protocol.Frame) { c.take(dir, f) },
		}}
	}
	return c
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	s := &c.sides[d]
	c.begin(d, t)
	if s.until > 0 {
		n := min(uint64(len(p)), s.until-s.passed)
		c.passOver(d, n, t)
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	c.resync(s, s.gap)
	lost := s.framer.Lost()
	s.framer.Feed(p, t)
	s.gap = false
	s.passed += uint64(len(p))
	c.step(d, lost, t)
	c.markLost(d)
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	s := &c.sides[d]
	c.begin(d, t)
	if s.until > 0 {
		k := min(n, s.until-s.passed)
		c.passOver(d, k, t)
		n -= k
	}
	if n == 0 {
		return
	}
	lost := s.framer.Lost()
	s.framer.Skip(n, t)
	s.passed += n
	s.gap = true
	if !lost && s.framer.Lost() && c.predict(d, t) {
		s.doubt = true
		return
	}
	c.step(d, lost, t)
}

// begin looks for the beginning of a frame at the beginning of a turn, where the direction is out of step.
func (c *conn) begin(d protocol.Dir, t time.Duration) {
	c.now = t
	if c.started && c.turn == d {
		return
	}
	c.started, c.turn = true, d
	c.turns++
	c.resync(&c.sides[d], true)
}

// resync takes the next byte for the beginning of a frame, if the direction is out of step and there is reason to: a turn, or
// the end of a gap, which often is the beginning of a segment. Who publishes without confirmation knows no turns.
func (c *conn) resync(s *side, reason bool) {
	if reason && s.until == 0 && s.framer.Lost() {
		s.framer.Resync()
		c.hideUpTo(s, s.passed)
	}
}

// step notices that a direction fell out of step that was in step before.
func (c *conn) step(d protocol.Dir, before bool, t time.Duration) {
	s := &c.sides[d]
	if before || !s.framer.Lost() {
		return
	}
	if c.fit != protocol.FitYes {
		c.fit = protocol.FitNo
	}
	if !s.doubt && c.shared.env.Resync != nil && c.fit == protocol.FitYes {
		c.shared.env.Resync(model.ProtocolAMQP)
	}
	s.doubt = true
	c.outOfStep(d, t)
}

// predict finds out where the content ends in which a gap put a direction out of step. A sender fills all frames of a content
// but the last, so one that was seen tells how long the others are; no peer has a limit below smallestLimit.
func (c *conn) predict(d protocol.Dir, t time.Duration) bool {
	s := &c.sides[d]
	ct := s.content.contentOf(d)
	if ct == nil || !ct.sized || ct.left == 0 || ct.piece == 0 && ct.left > smallestLimit-framingBytes {
		return false
	}
	piece := max(ct.piece, smallestLimit-framingBytes)
	if ct.piece > 0 {
		piece = ct.piece
	}
	rest := ct.left + framingBytes*((ct.left+piece-1)/piece)
	if s.next+rest < s.passed {
		return false
	}
	s.until = s.next + rest
	c.passOver(d, 0, t)
	return true
}

// passOver lets n bytes pass that belong to a content, and ends it with the last of them.
func (c *conn) passOver(d protocol.Dir, n uint64, t time.Duration) {
	s := &c.sides[d]
	if s.passed += n; s.passed < s.until {
		return
	}
	ct := s.content.contentOf(d)
	if ct != nil {
		ct.bytes += s.until - s.next
		ct.left = 0
		c.contentEnd(s.content, d, ct, t)
	}
	c.markContent(d)
	s.next, s.until, s.doubt = s.until, 0, true
	s.framer.Resync()
}

// outOfStep gives up what cannot be followed over a gap.
func (c *conn) outOfStep(d protocol.Dir, t time.Duration) {
	c.sides[d].lossTurn = c.turns
	for _, n := range c.numbers() {
		ch := c.channels[n]
		if ct := ch.contentOf(d); ct != nil {
			c.contentLost(ch, d, ct, t)
		}
		ch.asked[d].RequestsLost()
		ch.asked[d.Other()].AnswersLost()
		if c.known && d == c.client && ch.confirms == confirmOn {
			ch.confirms = confirmUncounted
		}
	}
}

// numbers returns the numbers of the channels in order: the order of a map differs from run to run.
func (c *conn) numbers() []uint16 {
	var all []uint16
	for n := range c.channels {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// size tells the length of the frame that p begins.
func (c *conn) size(d protocol.Dir, p []byte) (uint64, protocol.State) {
	if c.sides[d].doubt {
		return certainFrame(p)
	}
	return frameSize(p)
}

// take gets each frame when its last byte has passed.
func (c *conn) take(d protocol.Dir, f *protocol.Frame) {
	s := &c.sides[d]
	switch {
	case len(f.Head) < headBytes: // its beginning was not captured
	case f.Head[0] == protocolHeader[0]:
		c.header(d)
		s.doubt = false
	case f.Whole && f.Head[f.Size-1] != endOctet, s.doubt && !f.Whole && (c.fit != protocol.FitYes || len(f.Head) < maxHead):
		s.framer.Lose()
	default:
		s.doubt = false
		c.frame(d, f)
	}
	c.mark(d, f)
	s.next += f.Size
}

// header takes a protocol header. A server sends one only to refuse the client's.
func (c *conn) header(d protocol.Dir) {
	if !c.known {
		c.client, c.known = d, true
	}
	c.fit = protocol.FitYes
}

func (c *conn) frame(d protocol.Dir, f *protocol.Frame) {
	switch f.Head[0] {
	case typeMethod:
		c.method(d, f)
	case typeHeader:
		c.contentHeader(d, f)
	case typeBody:
		c.contentBody(d, f)
	}
}

// EOF implements protocol.Parser. What is open is still answered when only one direction has ended.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	c.now = e.Time
	for _, n := range c.numbers() {
		c.closeChannel(c.channels[n], e.Reason, e.Time)
	}
	clear(c.channels)
	c.last = nil
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int {
	n := c.open
	for _, ch := range c.channels {
		n += ch.asked[0].Len() + ch.asked[1].Len()
	}
	return n
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *conn) Release() {
	for _, ch := range c.channels {
		ch.asked[0].Release()
		ch.asked[1].Release()
	}
	clear(c.channels)
}
