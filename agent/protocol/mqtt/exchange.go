// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// maxName bounds a topic and a client identifier that are kept, in bytes.
const maxName = 256

// exchange is a request on its way.
type exchange struct {
	request model.Request
	detail  model.Messaging

	dir    protocol.Dir // that the request travels in
	at     uint64       // position of its first byte
	want   kind         // of packet that answers it
	losses [2]uint32
}

// begin makes an exchange of a packet.
func (c *Conn) begin(d protocol.Dir, f *protocol.Frame, k kind) *exchange {
	e := c.shared.exchange()
	e.losses, e.dir, e.at = c.losses, d, f.At
	r := &e.request
	r.Protocol, r.Start, r.RequestEnd, r.End, r.RequestBytes = model.ProtocolMQTT, f.Start, f.End, f.End, f.Size
	e.detail = model.Messaging{
		System: "mqtt", API: k.String(), APIVersion: -1, CorrelationID: -1, Partition: -1, Offset: -1, QoS: -1, Messages: -1, ClientID: c.id,
	}
	if c.version > 0 {
		e.detail.APIVersion = int(c.version)
	}
	return e
}

// waits is called when e waits for an answer.
func (c *Conn) waits(e *exchange) {
	if c.fit && c.known && !c.guessed {
		c.trace(e, false)
	}
}

// trace begins e for who traces. It is late where it is over already.
func (c *Conn) trace(e *exchange, late bool) {
	if c.shared.env.Begins(e.request.Begun) {
		e.request.Begun = c.shared.env.Begin(protocol.Begin{
			Dir: e.dir, At: e.at, Start: e.request.Start, Pushed: e.dir != c.client, Late: late,
		})
	}
}

// answer notes a packet as the answer of an exchange, or as a part of it.
func (e *exchange) answer(f *protocol.Frame, failure string) {
	r := &e.request
	if r.ResponseStart == 0 {
		r.ResponseStart = f.Start
	}
	r.End = f.End
	r.ResponseBytes += f.Size
	e.fail(failure)
}

func (e *exchange) fail(kind string) {
	if kind != "" {
		e.request.Outcome, e.request.ErrorType, e.detail.Error = model.OutcomeError, kind, kind
	}
}

// finish reports an exchange, or keeps it while it is open whether this is MQTT and whose it is.
func (c *Conn) finish(e *exchange) {
	if c.fit && !c.guessed && c.known {
		c.report(e)
		return
	}
	c.held = append(c.held, e)
	if len(c.held) >= maxHeld {
		c.fit = true
		c.decide()
	}
}

// decide reports what was kept. If the client has not shown itself, it is who published first.
func (c *Conn) decide() {
	if !c.fit || !c.known {
		return
	}
	c.guessed = false
	for _, e := range c.held {
		c.report(e)
	}
	c.held = nil
}

func (c *Conn) report(e *exchange) {
	r := &e.request
	r.Role, r.Messaging = protocol.RoleOf(c.client), &e.detail
	c.point(e)
	c.trace(e, true)
	c.shared.env.Emit(r)
	c.shared.recycle(e)
}

// alone reports an exchange to which no answer is due.
func (c *Conn) alone(e *exchange) {
	e.request.OneWay = true
	c.finish(e)
}

// giveUp reports an exchange whose answer will not be seen.
func (c *Conn) giveUp(e *exchange, reason string, t time.Duration) {
	e.request.Outcome, e.request.Reason, e.request.End = model.OutcomeIncomplete, reason, t
	c.finish(e)
}

func clip(b []byte) string { return string(b[:min(len(b), maxName)]) }

// point sets what a publication is, by its direction.
func (c *Conn) point(e *exchange) {
	if e.detail.API != kindPublish.String() {
		return
	}
	e.detail.Operation, e.detail.OperationType = "publish", "send"
	if e.dir != c.client {
		e.detail.Operation, e.detail.OperationType = "receive", "receive"
	}
}
