// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// confirms says whether a broker acknowledges what is published on a channel.
type confirms uint8

const (
	confirmOff       confirms = iota
	confirmUnknown            // the channel is older than what was seen of it
	confirmOn                 // and all that was published is counted
	confirmUncounted          // and it is not known how much was published: acknowledgements cannot be told apart
)

// channel is the state of one channel.
type channel struct {
	number   uint16
	asked    [2]protocol.Dialogue[exchange] // by the side that asked
	turns    [2]int                         // of the connection, in which a side asked last
	contents [2]*content                    // that are being sent

	confirms    confirms
	published   uint64              // delivery tag of the last message published
	unconfirmed messages            // published
	unsettled   messages            // delivered
	consumers   map[string]consumer // by tag
	settles     bool                // the client has settled a delivery on this channel
}

// messages are those that wait to be settled, by delivery tag; nil while there were none.
type messages = *protocol.ByID[uint64, exchange]

// consumer is what basic.consume said.
type consumer struct {
	tag   string
	queue string
	noAck bool // it settles nothing

	unknown bool // not all of this was captured
}

// exchange is a request, until its answer.
type exchange struct {
	method        id
	tag           uint64 // delivery tag
	dir           protocol.Dir
	at, begun     uint64 // position of its first byte, and what Env.Begin said
	start, end    time.Duration
	responseStart time.Duration
	responseEnd   time.Duration
	responseBytes uint64
	requestBytes  uint64
	oneWay        bool
	mandatory     bool
	consumer      consumer // of basic.consume, basic.cancel and basic.deliver
	detail        model.Messaging
	result        result
}

// result is what an answer adds to the detail, once it is certain whose answer it is.
type result struct {
	destination, key, mechanism, err string

	messages int // -1 when it says nothing of messages
	body     uint64
}

// channel returns a channel's state, nil when there are too many. One that was not opened before our eyes is older.
func (c *conn) channel(number uint16) *channel {
	if c.last != nil && c.last.number == number {
		return c.last
	}
	ch := c.channels[number]
	if ch == nil {
		if ch = c.newChannel(number); ch == nil {
			return nil
		}
		if number != 0 || c.joined {
			ch.confirms = confirmUnknown
			ch.asked[0].Joined()
			ch.asked[1].Joined()
		}
	}
	c.last = ch
	return ch
}

// newChannel makes a channel that nothing has passed on.
func (c *conn) newChannel(number uint16) *channel {
	if len(c.channels) >= maxChannels {
		return nil
	}
	ch := &channel{number: number}
	for d := range ch.asked {
		ch.asked[d] = protocol.NewDialogue(&c.shared.asked, c.report)
	}
	c.channels[number] = ch
	return ch
}

// reported gets each question once, with why it has no answer.
func (c *conn) reported(x *exchange, reason string) {
	if reason != "" {
		x.responseStart, x.responseBytes = 0, 0
		c.giveUp(x, reason, c.now)
		return
	}
	d, a := &x.detail, &x.result
	if a.destination != "" {
		d.Destination, d.Destinations = a.destination, 1
	}
	if a.key != "" {
		d.RoutingKey = a.key
	}
	if a.err != "" {
		d.Error = a.err
	}
	d.Mechanism, d.Messages, d.BodyBytes = a.mechanism, a.messages, a.body
	c.done(x, x.responseEnd)
}

// forget ends a channel: its number may be used again.
func (c *conn) forget(ch *channel, reason string, at time.Duration) {
	c.closeChannel(ch, reason, at)
	delete(c.channels, ch.number)
	c.last = nil
	for d := range c.sides {
		if c.sides[d].content == ch {
			c.sides[d].content = nil
		}
	}
}

// closeChannel reports what is open on a channel.
func (c *conn) closeChannel(ch *channel, reason string, at time.Duration) {
	for d := range ch.contents {
		if ct := ch.contentOf(protocol.Dir(d)); ct != nil {
			c.contentCut(ch, protocol.Dir(d), ct, reason, at)
		}
	}
	for d := range ch.asked {
		ch.asked[d].Close(reason)
	}
	c.closeMessages(ch.unconfirmed, reason, at)
	c.closeMessages(ch.unsettled, reason, at)
}

func (c *conn) closeMessages(all messages, reason string, at time.Duration) {
	if all == nil {
		return
	}
	for x, ok := all.Pop(); ok; x, ok = all.Pop() {
		c.open--
		c.giveUp(&x, reason, at)
	}
}

// wait keeps a message until it is settled.
func (c *conn) wait(among *messages, x *exchange) {
	if *among == nil {
		all := protocol.NewByID[uint64, exchange](maxUnsettled)
		*among = &all
	}
	on := *among
	if c.open >= maxOpen {
		old, ok := on.Pop()
		if !ok {
			c.giveUp(x, "pipeline_limit", x.end)
			return
		}
		c.open--
		c.giveUp(&old, "pipeline_limit", x.end)
	}
	c.trace(x, false)
	same := on.Get(x.tag) != nil
	old, replaced := on.Add(x.tag, *x)
	c.open++
	if replaced {
		c.open--
		reason := "pipeline_limit"
		if same { // the broker uses a tag again only on another channel of the same number
			reason = "lost"
		}
		c.giveUp(&old, reason, x.end)
	}
}

// giveUp reports a request that got no answer, or not all of it.
func (c *conn) giveUp(x *exchange, reason string, at time.Duration) {
	c.emit(x, model.OutcomeIncomplete, reason, max(at, x.end))
}

// done reports a request that is over.
func (c *conn) done(x *exchange, end time.Duration) {
	outcome := model.OutcomeOK
	if x.detail.Error != "" {
		outcome = model.OutcomeError
	}
	c.emit(x, outcome, "", end)
}

func (c *conn) emit(x *exchange, outcome model.Outcome, reason string, end time.Duration) {
	if c.fit != protocol.FitYes {
		return
	}
	s := c.shared
	c.trace(x, true)
	s.detail = x.detail
	s.request = model.Request{
		Protocol: model.ProtocolAMQP, Role: protocol.RoleOf(c.client), Outcome: outcome, Reason: reason,
		ErrorType: x.detail.Error, OneWay: x.oneWay,
		Start: x.start, RequestEnd: x.end, ResponseStart: x.responseStart, End: end,
		RequestBytes: x.requestBytes, ResponseBytes: x.responseBytes,
		Begun: x.begun, Messaging: &s.detail,
	}
	s.env.Emit(&s.request)
}

// trace begins a request for who traces. It is late where it is over already.
func (c *conn) trace(x *exchange, late bool) {
	if c.shared.env.Begins(x.begun) {
		x.begun = c.shared.env.Begin(protocol.Begin{Dir: x.dir, At: x.at, Start: x.start, Pushed: x.dir != c.client, Late: late})
	}
}

// newExchange begins a request with the frame of its method.
func (c *conn) newExchange(m id, d protocol.Dir, f *protocol.Frame) exchange {
	x := exchange{method: m, dir: d, at: c.sides[d].next, start: f.Start, end: f.End, requestBytes: f.Size}
	x.detail = model.Messaging{
		System: "rabbitmq", API: methods[m].name,
		APIVersion: -1, CorrelationID: -1, Partition: -1, Messages: -1, Offset: -1, QoS: -1,
	}
	x.detail.Operation, x.detail.OperationType = operationOf(m)
	return x
}

// place fills in where a message goes, or what a method is about: the exchange, or behind the default exchange the queue,
// which is called like the routing key.
func (c *conn) place(d *model.Messaging, name, key []byte) {
	d.RoutingKey = c.shared.intern(key)
	d.Destination = c.shared.intern(name)
	if len(name) == 0 {
		d.Destination = d.RoutingKey
	}
	if d.Destination != "" {
		d.Destinations = 1
	}
}
