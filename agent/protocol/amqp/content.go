// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"encoding/binary"
	"time"

	"sonde/agent/protocol"
)

// content is a message on its way: a method, a header, and as many body frames as the header's size needs (AMQP 0-9-1, 4.2.6).
type content struct {
	open   bool
	sized  bool   // the header has come
	size   uint64 // of the body
	left   uint64 // of the body, to come
	piece  uint64 // payload of a full frame, 0 while it is not known
	bytes  uint64 // on the wire
	answer bool   // to basic.get; else x is what is being asked
	x      exchange
}

// contentOf returns the content that is being sent on a channel, nil when none is. ch may be nil.
func (ch *channel) contentOf(d protocol.Dir) *content {
	if ch == nil || ch.contents[d] == nil || !ch.contents[d].open {
		return nil
	}
	return ch.contents[d]
}

// contentStart begins a content behind its method.
func (c *conn) contentStart(ch *channel, d protocol.Dir, x exchange, bytes uint64) *content {
	if ch.contents[d] == nil {
		ch.contents[d] = &content{}
	}
	ct := ch.contents[d]
	*ct = content{open: true, x: x, bytes: bytes}
	c.sides[d].content = ch
	return ct
}

// contentHeader takes a content header frame.
func (c *conn) contentHeader(d protocol.Dir, f *protocol.Frame) {
	ch := c.channels[channelOf(f.Head)]
	ct := ch.contentOf(d)
	if ct == nil {
		return
	}
	if ct.sized || len(f.Head) < bodySizeAt+8 {
		c.contentLost(ch, d, ct, f.End)
		return
	}
	ct.sized, ct.size = true, binary.BigEndian.Uint64(f.Head[bodySizeAt:])
	ct.left, ct.bytes = ct.size, ct.bytes+f.Size
	ct.x.detail.Headers = headersOf(f.Head)
	c.sides[d].content = ch
	if ct.left == 0 {
		c.contentEnd(ch, d, ct, f.End)
	}
}

// contentBody takes a body frame.
func (c *conn) contentBody(d protocol.Dir, f *protocol.Frame) {
	ch := c.channels[channelOf(f.Head)]
	ct := ch.contentOf(d)
	if ct == nil {
		return
	}
	n := payloadSize(f.Size)
	if !ct.sized || n > ct.left {
		c.contentLost(ch, d, ct, f.End)
		return
	}
	ct.left -= n
	ct.piece, ct.bytes = max(ct.piece, n), ct.bytes+f.Size
	c.sides[d].content = ch
	if ct.left == 0 {
		c.contentEnd(ch, d, ct, f.End)
	}
}

// contentEnd gets a content whose last byte has passed.
func (c *conn) contentEnd(ch *channel, d protocol.Dir, ct *content, t time.Duration) {
	ct.open = false
	x := &ct.x
	if ct.answer {
		x.responseBytes, x.responseEnd = ct.bytes, t
		x.result.messages, x.result.body = 1, ct.size
		c.got(ch, d.Other(), x)
		return
	}
	x.detail.Messages, x.detail.BodyBytes = 1, ct.size
	x.requestBytes, x.end = ct.bytes, t
	switch x.method {
	case basicPublish:
		c.published(ch, x)
	case basicDeliver:
		c.delivered(ch, x)
	case basicReturn:
		c.returned(ch, x)
	}
}

// contentLost gives up a content that cannot be followed to its end. That there was a message is known, and of its size what
// its header said.
func (c *conn) contentLost(ch *channel, d protocol.Dir, ct *content, t time.Duration) {
	if ct.x.method == basicPublish && ch.confirms == confirmOn {
		ch.published++ // it has its tag, but no answer that could be told from others
	}
	if ct.answer {
		ch.asked[d.Other()].AnswersLost()
	}
	c.contentCut(ch, d, ct, "lost", t)
}

func (c *conn) contentCut(ch *channel, d protocol.Dir, ct *content, reason string, t time.Duration) {
	ct.open = false
	if ct.answer { // the question still waits
		return
	}
	x := &ct.x
	x.detail.BodyBytes = ct.size
	x.requestBytes = ct.bytes
	c.giveUp(x, reason, t)
}

// got gives a message to the basic.get that it answers.
func (c *conn) got(ch *channel, d protocol.Dir, x *exchange) {
	q := &ch.asked[d]
	if next := q.Next(); next != nil && next.method == basicGet && next.start == x.start {
		*next = *x
		q.Answered()
	}
}
