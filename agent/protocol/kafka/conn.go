// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared *shared
	sides  [2]protocol.Framer
	doubt  [2]bool // whether the next byte begins a message is not certain

	client  protocol.Dir
	name    string // client id of the first request, once named
	named   bool
	known   bool // which side is the client
	fit     protocol.Fit
	stray   int // answers without a request while it was too early to tell
	started bool
	turn    protocol.Dir

	gap    [2]bool   // whether the bytes before the call at hand were not captured
	passed [2]uint64 // bytes of each direction before the call at hand
	next   [2]uint64 // position of the message that comes next

	waiting   protocol.ByID[int32, exchange]
	mechanism string // that was agreed on
	raw       bool   // credentials may come without a header around them (SaslHandshake 0)
}

// exchange is a request that waits for its answer.
type exchange struct {
	id            int32
	key, version  int16
	at, begun     uint64 // position of its first byte, and what Env.Begin said
	start, end    time.Duration
	requestBytes  uint64
	responseStart time.Duration // first byte of the answer, 0 until it came
	responseEnd   time.Duration
	responseBytes uint64
	oneWay        bool
	detail        model.Messaging
}

func (s *shared) open(start protocol.Start) protocol.Parser {
	c := &conn{shared: s, waiting: protocol.NewByID[int32, exchange](maxWaiting)}
	for d := range c.sides {
		dir := protocol.Dir(d)
		c.sides[d] = protocol.Framer{
			Keep: maxHead,
			Pos:  start.Base[d],
			Size: func(p []byte) (uint64, protocol.State) { return c.size(dir, p) },
			Take: func(f *protocol.Frame) { c.take(dir, f) },
		}
		c.doubt[d] = true
	}
	c.passed, c.next = start.Base, start.Base
	if start.Upgrade != nil {
		c.client, c.known = start.Client, true
	}
	return c
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return
	}
	c.begin(d)
	c.resync(d, c.gap[d] && c.named && d == c.client)
	lost := c.sides[d].Lost()
	c.sides[d].Feed(p, t)
	c.gap[d] = false
	c.passed[d] += uint64(len(p))
	c.count(d, lost)
	c.markLost(d)
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	c.begin(d)
	lost := c.sides[d].Lost()
	c.sides[d].Skip(n, t)
	c.gap[d] = true
	c.passed[d] += n
	c.count(d, lost)
}

// begin looks for the beginning of a message at the beginning of a turn, where the direction is out of step.
func (c *conn) begin(d protocol.Dir) {
	first := !c.started || c.turn != d
	c.started, c.turn = true, d
	c.resync(d, first)
}

// resync takes the next byte for the beginning of a message, if the direction is out of step and there is reason to: a turn,
// or, of a client whose name is known, the end of a gap. It often is the beginning of a segment, and a client that wants no
// answers knows no turns.
func (c *conn) resync(d protocol.Dir, reason bool) {
	if reason && c.sides[d].Lost() {
		c.sides[d].Resync()
		c.hideUpTo(d, c.passed[d])
	}
}

// count notices that a direction fell out of step that was in step before.
func (c *conn) count(d protocol.Dir, before bool) {
	if before || !c.sides[d].Lost() {
		return
	}
	if c.fit != protocol.FitYes {
		c.fit = protocol.FitNo
	}
	if c.doubt[d] {
		return
	}
	c.doubt[d] = true
	if c.shared.env.Resync != nil {
		c.shared.env.Resync(model.ProtocolKafka)
	}
}

// size tells the length of the message that p begins.
func (c *conn) size(d protocol.Dir, p []byte) (uint64, protocol.State) {
	if len(p) < lengthBytes {
		return 0, protocol.NeedMore
	}
	n := binary.BigEndian.Uint32(p)
	request := !c.known || d == c.client
	switch {
	case n > maxFrame:
		return 0, protocol.Invalid
	case c.raw:
		return uint64(n) + lengthBytes, protocol.Done
	case n < lengthBytes || request && n < shortestFrame:
		return 0, protocol.Invalid
	case !c.doubt[d]:
		return uint64(n) + lengthBytes, protocol.Done
	case !request:
		return c.sizeOfAnswer(p, n)
	}
	switch probeHeader(p) {
	case protocol.GuessNo:
		return 0, protocol.Invalid
	case protocol.GuessRequest:
		return uint64(n) + lengthBytes, protocol.Done
	}
	if len(p) >= decisiveBytes { // the rest of the client id may not have been captured
		return uint64(n) + lengthBytes, protocol.Done
	}
	return 0, protocol.NeedMore
}

// sizeOfAnswer accepts, in doubt, an answer that a request waits for, and one to a request shortly before the oldest: clients
// count upwards, and requests under way when a connection is joined were not seen.
func (c *conn) sizeOfAnswer(p []byte, n uint32) (uint64, protocol.State) {
	if len(p) < 2*lengthBytes {
		return 0, protocol.NeedMore
	}
	id := int32(binary.BigEndian.Uint32(p[lengthBytes:]))
	if c.fit == protocol.FitYes && c.waiting.Get(id) == nil {
		oldest := c.waiting.Oldest()
		if oldest == nil || id >= oldest.id || oldest.id-id > maxWaiting {
			return 0, protocol.Invalid
		}
	}
	return uint64(n) + lengthBytes, protocol.Done
}

// take gets each message when its last byte has passed.
func (c *conn) take(d protocol.Dir, f *protocol.Frame) {
	if !c.known || d == c.client {
		c.request(d, f)
	} else {
		c.response(d, f)
	}
	c.next[d] += f.Size
}

// EOF implements protocol.Parser. What is open is still answered when only one direction has ended.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	if c.known {
		c.partial(c.sides[c.client.Other()].Partial())
	}
	for c.waiting.Len() > 0 {
		x, _ := c.waiting.Pop()
		c.giveUp(&x, e.Reason, e.Time)
	}
}

// partial notes the beginning of an answer whose end did not come.
func (c *conn) partial(f *protocol.Frame) {
	if f == nil || len(f.Head) < 2*lengthBytes {
		return
	}
	if x := c.waiting.Get(int32(binary.BigEndian.Uint32(f.Head[lengthBytes:]))); x != nil {
		x.responseStart, x.responseEnd, x.responseBytes = f.Start, f.End, uint64(len(f.Head))
	}
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int { return c.waiting.Len() }

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *conn) Release() {}
