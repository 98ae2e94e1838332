// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"sonde/agent/protocol"
)

// tell takes a method that has no answer of its own.
func (c *conn) tell(ch *channel, d protocol.Dir, m id, f *protocol.Frame, a *args) {
	x := c.newExchange(m, d, f)
	switch m {
	case basicPublish:
		a.u16()
		name := a.short()
		c.place(&x.detail, name, a.short())
		x.mandatory = a.u8()&1 != 0
		c.contentStart(ch, d, x, f.Size)
	case basicReturn:
		x.detail.Error = replies[a.u16()]
		a.short()
		name := a.short()
		c.place(&x.detail, name, a.short())
		c.contentStart(ch, d, x, f.Size)
	case basicDeliver:
		x.consumer.tag = c.shared.intern(a.short())
		x.tag = a.u64()
		a.u8()
		name := a.short()
		c.place(&x.detail, name, a.short())
		c.contentStart(ch, d, x, f.Size)
	case basicAck, basicNack, basicReject:
		c.settle(ch, d, &x, f, a)
	default:
		x.oneWay = true
		c.done(&x, x.end)
	}
}

// published gets a message of the client that has passed.
func (c *conn) published(ch *channel, x *exchange) {
	switch ch.confirms {
	case confirmOn:
		ch.published++
		x.tag = ch.published
		c.wait(&ch.unconfirmed, x)
	case confirmUncounted:
		c.giveUp(x, "lost", x.end)
	default:
		x.oneWay = true
		c.done(x, x.end)
	}
}

// delivered gets a message of the broker that has passed. Of a consumer that began unseen it is not known whether it settles:
// it does where others on its channel do.
func (c *conn) delivered(ch *channel, x *exchange) {
	consumer, known := ch.consumers[x.consumer.tag]
	if known && consumer.noAck || !known && !ch.settles {
		x.oneWay = true
		c.done(x, x.end)
		return
	}
	c.wait(&ch.unsettled, x)
}

// returned gets a message that the broker could not route. It belongs to the first of its kind that waits to be confirmed; a
// channel that does not confirm has none, and there it is reported for itself.
func (c *conn) returned(ch *channel, x *exchange) {
	if ch.unconfirmed != nil {
		found := false
		ch.unconfirmed.Each(func(_ uint64, p *exchange) {
			a, b := &p.detail, &x.detail
			if !found && p.mandatory && a.Error == "" && a.Destination == b.Destination && a.RoutingKey == b.RoutingKey && a.BodyBytes == b.BodyBytes {
				a.Error, found = b.Error, true
			}
		})
		if found {
			return
		}
	}
	x.oneWay = true
	c.done(x, x.end)
}

// settle takes an ack, nack or reject: of the broker for what was published, of the client for what was delivered. What the
// client settles that was not seen, or got, is a request of its own.
func (c *conn) settle(ch *channel, d protocol.Dir, x *exchange, f *protocol.Frame, a *args) {
	tag := a.u64()
	multiple := a.u8()&1 != 0 && x.method != basicReject
	if a.cut {
		return
	}
	among := ch.unsettled
	if d == c.client {
		ch.settles = true
	} else {
		c.count(ch, tag, f)
		among = ch.unconfirmed
	}
	n := 0
	for among != nil {
		settled, ok := takeSettled(among, tag, multiple)
		if !ok {
			break
		}
		c.open--
		settled.responseStart = f.Start
		if n == 0 {
			settled.responseBytes = f.Size
		}
		if x.method != basicAck && settled.detail.Error == "" {
			settled.detail.Error = x.detail.API
		}
		c.done(&settled, f.End)
		n++
	}
	if n == 0 && d == c.client {
		x.oneWay = true
		c.done(x, x.end)
	}
}

// takeSettled removes a message that is settled by a tag: the one, or the oldest of all up to it. 0 stands for all.
func takeSettled(among messages, tag uint64, multiple bool) (exchange, bool) {
	if !multiple {
		return among.Take(tag)
	}
	if o := among.Oldest(); o == nil || tag != 0 && o.tag > tag {
		return exchange{}, false
	}
	return among.Pop()
}

// count holds a broker's tag against the number of messages published: where more are confirmed than were seen, it is
// not known which tag is whose.
func (c *conn) count(ch *channel, tag uint64, f *protocol.Frame) {
	if ch.confirms == confirmOn && tag <= ch.published {
		return
	}
	ch.confirms = confirmUncounted
	c.closeMessages(ch.unconfirmed, "lost", f.Start)
}
