// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// request takes a message of the client.
func (c *conn) request(d protocol.Dir, f *protocol.Frame) {
	w := &c.shared.walk
	h, guess := judge(f.Head, f.Size, w)
	if c.raw && (guess != protocol.GuessRequest || probeHeader(f.Head) != protocol.GuessRequest) {
		c.markAll(d, f, lengthBytes)
		return // a token of SASL
	}
	c.raw = false
	if h.key < 0 || h.version < 0 || w.end == endBad && w.at <= clientAt+2 {
		if len(f.Head) >= clientAt { // else its beginning was not captured
			c.sides[d].Lose()
		}
		return
	}
	if c.doubt[d] && !c.accept(d, guess, h.client) {
		return
	}
	if !c.named && h.client != nil { // nil: not captured
		c.name, c.named = c.shared.intern(h.client), true
	}
	c.doubt[d] = false
	if guess == protocol.GuessRequest {
		c.fit = protocol.FitYes
	}
	x := exchange{id: h.id, key: h.key, version: h.version, at: f.At, start: f.Start, end: f.End, requestBytes: f.Size}
	c.describe(&x, h, w, guess == protocol.GuessNo)
	c.markRequest(d, f)
	c.ask(&x)
}

// accept decides whether a message that may be no request is one. A client does not change its name.
func (c *conn) accept(d protocol.Dir, guess protocol.Guess, name []byte) bool {
	switch {
	case c.named && name != nil && c.name != string(name):
	case guess == protocol.GuessRequest, guess == protocol.GuessMaybe && c.fit == protocol.FitOpen && !c.known:
		c.client, c.known = d, true
		return true
	}
	c.sides[d].Lose()
	return false
}

func (c *conn) ask(x *exchange) {
	if x.oneWay {
		if c.fit == protocol.FitYes {
			c.emit(x, model.OutcomeOK, "", x.end)
		}
		return
	}
	c.trace(x, false)
	same := c.waiting.Get(x.id) != nil
	old, replaced := c.waiting.Add(x.id, *x)
	switch {
	case replaced && same: // the client uses a number again only when it has its answer
		c.giveUp(&old, "lost", x.start)
	case replaced:
		c.giveUp(&old, "pipeline_limit", x.start)
	}
}

// trace begins a request for who traces. It is late where it is over already.
func (c *conn) trace(x *exchange, late bool) {
	if c.shared.env.Begins(x.begun) {
		x.begun = c.shared.env.Begin(protocol.Begin{Dir: c.client, At: x.at, Start: x.start, Late: late})
	}
}

// response takes a message of the server. Answers come in the order of the requests ("Network" in Kafka's protocol guide), so
// requests before the one answered have lost theirs.
func (c *conn) response(d protocol.Dir, f *protocol.Frame) {
	if len(f.Head) < 2*lengthBytes {
		return
	}
	id := int32(binary.BigEndian.Uint32(f.Head[lengthBytes:]))
	x := c.waiting.Get(id)
	if x == nil {
		c.markAll(d, f, 2*lengthBytes)
		c.unasked()
		return
	}
	answer := *x
	if !c.read(&answer, f) && c.fit != protocol.FitYes {
		c.sides[d].Lose()
		return
	}
	c.fit, c.doubt[d] = protocol.FitYes, false
	c.markResponse(d, f, x)
	for o := c.waiting.Oldest(); o != nil && o.id != id; o = c.waiting.Oldest() {
		lost, _ := c.waiting.Pop()
		c.giveUp(&lost, "lost", f.Start)
	}
	c.waiting.Take(id)
	outcome := model.OutcomeOK
	if answer.detail.Error != "" {
		outcome = model.OutcomeError
	}
	c.emit(&answer, outcome, "", f.End)
}

// unasked counts an answer that belongs to no request that was seen.
func (c *conn) unasked() {
	if c.stray++; c.fit != protocol.FitYes && c.stray > maxStray {
		c.fit = protocol.FitNo
	}
}

// giveUp reports a request that got no answer, or not all of it.
func (c *conn) giveUp(x *exchange, reason string, at time.Duration) {
	if c.fit == protocol.FitYes {
		c.emit(x, model.OutcomeIncomplete, reason, max(at, x.responseEnd))
	}
}

func (c *conn) emit(x *exchange, outcome model.Outcome, reason string, end time.Duration) {
	s := c.shared
	c.trace(x, true)
	s.detail = x.detail
	s.request = model.Request{
		Protocol: model.ProtocolKafka, Role: protocol.RoleOf(c.client), Outcome: outcome, Reason: reason,
		ErrorType: x.detail.Error, OneWay: x.oneWay,
		Start: x.start, RequestEnd: x.end, ResponseStart: x.responseStart, End: end,
		RequestBytes: x.requestBytes, ResponseBytes: x.responseBytes,
		Begun: x.begun, Messaging: &s.detail,
	}
	s.env.Emit(&s.request)
}
