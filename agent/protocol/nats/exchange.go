// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"strings"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// maxName bounds a subject, a group and a client's name that are kept, in bytes.
const maxName = 256

// exchange is a request on its way.
type exchange struct {
	request model.Request
	detail  model.Messaging

	dir protocol.Dir // that it travels in
	at  uint64       // position of its first byte

	reply string        // where its answer comes, "" when none is due
	sub   *subscription // through which
	owed  bool          // an +OK is due as well

	losses uint32 // Conn.losses when it began
}

// begin makes an exchange of a frame.
func (c *Conn) begin(d protocol.Dir, f *protocol.Frame, api string) *exchange {
	e := c.shared.exchange()
	e.losses, e.dir, e.at = c.losses, d, f.At
	r := &e.request
	r.Protocol, r.Start, r.RequestEnd, r.End, r.RequestBytes = model.ProtocolNATS, f.Start, f.End, f.End, f.Size
	e.detail = model.Messaging{
		System: "nats", API: api, APIVersion: -1, CorrelationID: -1, Partition: -1, Offset: -1, QoS: -1, Messages: -1, ClientID: c.name,
	}
	return e
}

// wait is called when e waits for an answer.
func (c *Conn) wait(e *exchange) {
	if c.fit && c.known && !c.peer {
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

// answer notes a frame as the answer of an exchange, or as a part of it.
func (e *exchange) answer(f *protocol.Frame) {
	r := &e.request
	if r.ResponseStart == 0 {
		r.ResponseStart = f.Start
	}
	r.End = f.End
	r.ResponseBytes += f.Size
}

func (e *exchange) fail(kind string) {
	if kind != "" {
		e.request.Outcome, e.request.ErrorType, e.detail.Error = model.OutcomeError, kind, kind
	}
}

// finish reports an exchange.
func (c *Conn) finish(e *exchange) {
	r := &e.request
	r.Role, r.Messaging = protocol.RoleOf(c.client), &e.detail
	if c.known && !c.peer {
		c.trace(e, true)
		c.shared.env.Emit(r)
	}
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

// describe sets what a publication or a delivery is about.
func (e *exchange) describe(subject string, l *line, f *protocol.Frame) {
	d := &e.detail
	d.Headers = l.headers(f.Head)
	d.Destination, d.Destinations, d.Messages, d.BodyBytes = clip(subject), 1, 1, l.payload-l.header
}

// settles reads the subject of an acknowledgement: $JS.ACK.<stream>.<consumer>.<5 numbers>, and in newer servers
// $JS.ACK.<domain>.<account>.<stream>.<consumer>.<5 numbers>.<token>.
func (e *exchange) settles(subject string, payload []byte) {
	d := &e.detail
	d.OperationType, d.Operation = "settle", "ack"
	for _, w := range acknowledgements {
		if strings.HasPrefix(string(payload[:min(len(payload), 5)]), w.word) {
			d.Operation = w.operation
		}
	}
	if tokens := strings.Split(subject, "."); len(tokens) >= 11 {
		d.Destination, d.Group = clip(tokens[4]), clip(tokens[5])
	} else if len(tokens) >= 4 {
		d.Destination, d.Group = clip(tokens[2]), clip(tokens[3])
	}
}

var acknowledgements = [...]struct{ word, operation string }{
	{"+ACK", "ack"}, {"-NAK", "nack"}, {"+WPI", "in_progress"}, {"+NXT", "poll"}, {"+TERM", "term"},
}

// asks reads the subject of a request to JetStream.
func (e *exchange) asks(subject string) {
	d := &e.detail
	d.Operation, d.OperationType, d.Messages = "", "", -1
	if rest, ok := strings.CutPrefix(subject, pullPrefix); ok {
		d.Operation, d.OperationType = "poll", "receive"
		stream, consumer, _ := strings.Cut(rest, ".")
		d.Destination, d.Group = clip(stream), clip(consumer)
	}
}

const (
	ackPrefix  = "$JS.ACK."
	apiPrefix  = "$JS.API."
	pullPrefix = "$JS.API.CONSUMER.MSG.NEXT."
)

func clip(s string) string { return s[:min(len(s), maxName)] }

// errorType makes an identifier of the text of -ERR: 'Permissions Violation for Publish to "foo"' is permissions_violation.
func errorType(text []byte) string {
	s := strings.ToLower(strings.Trim(string(text[:min(len(text), 64)]), "' "))
	for _, end := range []string{"\"", ":", " for ", " to ", " - ", "'"} {
		s, _, _ = strings.Cut(s, end)
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, strings.TrimSpace(s))
	if s == "" {
		return "error"
	}
	return s
}
