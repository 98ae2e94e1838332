// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"strconv"

	"sonde/agent/protocol"
)

// method takes a method frame.
func (c *conn) method(d protocol.Dir, f *protocol.Frame) {
	if len(f.Head) < methodBytes { // a question or an answer that was not captured
		c.outOfStep(d, f.End)
		return
	}
	m := methodOf(f.Head)
	kind, known := methods[m]
	if !known || !c.attribute(d, kind.sender) {
		return
	}
	c.fit = protocol.FitYes
	ch := c.channel(channelOf(f.Head))
	if ch == nil {
		return
	}
	if ct := ch.contentOf(d); ct != nil { // the rest of it was not seen
		c.contentLost(ch, d, ct, f.Start)
	}
	a := &args{p: f.Head[methodBytes:]}
	if f.Whole {
		a.p = a.p[:len(a.p)-1]
	}
	switch {
	case kind.of != 0:
		c.answer(ch, d, m, f, a)
	case kind.asks:
		c.ask(ch, d, m, f, a)
	default:
		c.tell(ch, d, m, f, a)
	}
}

// attribute finds out who the client is by a method that only one side sends, and reports whether the method fits to it.
func (c *conn) attribute(d protocol.Dir, sender sides) bool {
	if !c.known {
		switch sender {
		case byClient:
			c.client, c.known = d, true
		case byServer:
			c.client, c.known = d.Other(), true
		default:
			return false
		}
	}
	if d == c.client {
		return sender&byClient != 0
	}
	return sender&byServer != 0
}

// ask takes a method that is due an answer.
func (c *conn) ask(ch *channel, d protocol.Dir, m id, f *protocol.Frame, a *args) {
	if m == channelOpen { // whatever was on this number is over
		c.forget(ch, "channel_closed", f.Start)
		ch = c.newChannel(ch.number)
		c.last = ch
	}
	x := c.newExchange(m, d, f)
	noWait := c.arguments(ch, &x, a)
	switch m {
	case confirmSelect:
		if ch.confirms == confirmOff || ch.confirms == confirmUnknown {
			ch.confirms, ch.published = confirmOn, 0
		}
	case connectionClose, channelClose:
		c.failed(ch, d, &x, f, a)
	}
	if noWait {
		ch.consumes(&x)
		x.oneWay = true
		c.done(&x, x.end)
		return
	}
	if ch.turns[d] != c.turns {
		ch.turns[d] = c.turns
		ch.asked[d].Turn()
	}
	if c.sides[d].lossTurn == c.turns { // of the answers that are to come, others may be to questions lost before
		c.giveUp(&x, "lost", x.end)
		return
	}
	c.trace(&x, ch.asked[d].Blind())
	ch.asked[d].Ask(x)
}

// arguments fills in what a question is about, and reports whether no answer is wanted.
func (c *conn) arguments(ch *channel, x *exchange, a *args) (noWait bool) {
	d := &x.detail
	switch x.method {
	case exchangeDeclare:
		a.u16()
		c.place(d, a.short(), nil)
		a.short()
		return a.u8()&16 != 0
	case exchangeDelete:
		a.u16()
		c.place(d, a.short(), nil)
		return a.u8()&2 != 0
	case exchangeBind, exchangeUnbind, queueBind:
		a.u16()
		name := a.short()
		a.short()
		c.place(d, name, a.short())
		return a.u8()&1 != 0
	case queueUnbind:
		a.u16()
		name := a.short()
		a.short()
		c.place(d, name, a.short())
	case queueDeclare:
		a.u16()
		c.place(d, a.short(), nil)
		return a.u8()&16 != 0
	case queuePurge:
		a.u16()
		c.place(d, a.short(), nil)
		return a.u8()&1 != 0
	case queueDelete:
		a.u16()
		c.place(d, a.short(), nil)
		return a.u8()&4 != 0
	case basicGet:
		a.u16()
		c.place(d, a.short(), nil)
	case basicConsume:
		a.u16()
		c.place(d, a.short(), nil)
		tag := c.shared.intern(a.short())
		bits := a.u8()
		x.consumer = consumer{tag: tag, queue: d.Destination, noAck: bits&2 != 0, unknown: a.cut}
		return bits&8 != 0
	case basicCancel:
		x.consumer = ch.consumers[string(a.short())]
		c.place(d, []byte(x.consumer.queue), nil)
		return a.u8()&1 != 0
	case confirmSelect:
		return a.u8()&1 != 0
	}
	return false
}

// consumes remembers what a consumer asked for, or that it ended.
func (ch *channel) consumes(x *exchange) {
	switch x.method {
	case basicCancel:
		delete(ch.consumers, x.consumer.tag)
	case basicConsume:
		if ch.consumers == nil {
			ch.consumers = map[string]consumer{}
		}
		if len(ch.consumers) < maxConsumers && !x.consumer.unknown {
			ch.consumers[x.consumer.tag] = x.consumer
		}
	}
}

// failed takes a channel.close or connection.close. With an error it is the answer to the method that it names; where that
// does not wait, the close itself carries the error.
func (c *conn) failed(ch *channel, d protocol.Dir, x *exchange, f *protocol.Frame, a *args) {
	code := a.u16()
	a.short()
	of := id(a.u32())
	if code < 300 || a.cut && code == 0 {
		return
	}
	name := replies[code]
	if name == "" {
		name = strconv.Itoa(int(code))
	}
	if on := c.failing(ch, d.Other(), of, x.method == connectionClose); on != nil {
		c.fail(on, d.Other(), of, name, f)
		return
	}
	x.detail.Error = name
}

// failing finds the channel on which a method that an error names waits. Where there are several it is not known which is
// meant.
func (c *conn) failing(ch *channel, d protocol.Dir, of id, anywhere bool) (found *channel) {
	if !anywhere {
		if ch.waits(d, of) {
			return ch
		}
		return nil
	}
	for _, other := range c.channels {
		if other.waits(d, of) {
			if found != nil {
				return nil
			}
			found = other
		}
	}
	return found
}

// waits reports whether the oldest question of side d is the method given, or the only message that was published.
func (ch *channel) waits(d protocol.Dir, of id) bool {
	if of == basicPublish {
		return ch.unconfirmed != nil && ch.unconfirmed.Len() == 1
	}
	next := ch.asked[d].Next()
	return next != nil && next.method == of
}

// fail answers what waits on a channel with an error.
func (c *conn) fail(ch *channel, d protocol.Dir, of id, name string, f *protocol.Frame) {
	if of == basicPublish {
		x, _ := ch.unconfirmed.Pop()
		c.open--
		x.detail.Error, x.responseStart, x.responseBytes = name, f.Start, f.Size
		c.done(&x, f.End)
		return
	}
	x := ch.asked[d].Next()
	x.result = result{err: name, messages: -1}
	x.responseStart, x.responseEnd, x.responseBytes = f.Start, f.End, f.Size
	ch.asked[d].Answered()
}

// answer takes a method that answers another.
func (c *conn) answer(ch *channel, d protocol.Dir, m id, f *protocol.Frame, a *args) {
	q := &ch.asked[d.Other()]
	x := q.Next()
	switch {
	case x == nil:
		q.Extra()
	case x.method != methods[m].of:
		q.Mismatch()
	default:
		x.responseStart, x.responseEnd, x.responseBytes = f.Start, f.End, f.Size
		if c.read(x, m, a); m == basicGetOK {
			c.contentStart(ch, d, *x, f.Size).answer = true
			return
		}
		ch.consumes(x)
		q.Answered()
	}
	if m == channelCloseOK {
		c.forget(ch, "channel_closed", f.End)
	}
}

// read fills in what an answer says.
func (c *conn) read(x *exchange, m id, a *args) {
	x.result = result{messages: -1}
	switch m {
	case connectionStartOK:
		a.long()
		x.result.mechanism = c.shared.intern(a.short())
	case queueDeclareOK: // where the question names none, the broker makes the name
		x.result.destination = c.shared.intern(a.short())
	case basicConsumeOK:
		if x.consumer.tag == "" {
			x.consumer.tag = c.shared.intern(a.short())
		}
	case basicGetEmpty:
		x.result.messages = 0
	case basicGetOK:
		a.u64()
		a.u8()
		a.short()
		x.result.key = c.shared.intern(a.short())
	}
}
