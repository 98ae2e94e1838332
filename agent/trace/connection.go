// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"time"

	"sonde/agent/model"
)

// Limits of what is remembered of a connection.
const (
	maxSenders = 6   // changes of the sender: as many may pass between a request of a database and its answer
	maxCalls   = 256 // calls told of whose first byte was not seen yet: on one connection of gRPC wait many
)

// connection is what is known of the users of one end of a connection.
type connection struct {
	id    uint64
	tuple uint64
	named bool
	open  list // requests in order of beginning
	later uint64

	reader  actorRef
	readAt  time.Duration
	crowded bool // several actors read it, though it carries streams

	senders [maxSenders]sender
	sends   int
	calls   []call
}

// sender says whose bytes follow, or came before.
type sender struct {
	actor actorRef // none: not known
	at    time.Duration
	after bool // the bytes before are its own
}

// call says who is behind the next request on a connection, or in a stream.
type call struct {
	actor  actorRef
	stream uint32
}

// connection returns the state of a connection, new if need be, or nil when there is no room.
func (t *Tracer) connection(id uint64) *connection {
	if c := t.conns[id]; c != nil {
		return c
	}
	if len(t.conns) >= t.config.MaxConns {
		t.stats.Full++
		return nil
	}
	var c *connection
	if n := len(t.spareConn); n > 0 {
		c, t.spareConn = t.spareConn[n-1], t.spareConn[:n-1]
	} else {
		c = &connection{}
	}
	c.id = id
	t.conns[id] = c
	return c
}

const maxSpare = 1024

func (t *Tracer) release(c *connection) {
	delete(t.conns, c.id)
	if *c = (connection{calls: c.calls[:0]}); len(t.spareConn) < maxSpare {
		t.spareConn = append(t.spareConn, c)
	}
}

// name notes the addresses.
func (c *connection) name(s *model.Started) {
	if !c.named {
		c.tuple, c.named = tupleOf(s.Client, s.Server), true
	}
}

func (c *connection) sent(a *actor, at time.Duration, after bool) {
	c.senders[c.sends%maxSenders] = sender{a.ref(), at, after}
	c.sends++
}

func (c *connection) call(a *actor, stream uint32) {
	if len(c.calls) == maxCalls {
		c.calls = slices.Delete(c.calls, 0, 1)
	}
	c.calls = append(c.calls, call{a.ref(), stream})
}

// sender returns who sent the request of a stream that began at a time, and whether that is decided: the sender may be known
// not to be known. Who is behind a call goes before who wrote its bytes.
func (c *connection) sender(stream uint32, at time.Duration) (*actor, bool) {
	for i := len(c.calls) - 1; i >= 0; i-- {
		if c.calls[i].stream != stream {
			continue
		}
		a := c.calls[i].actor.get()
		if stream == 0 { // older ones on the socket came to nothing
			c.calls = slices.Delete(c.calls, 0, i+1)
		} else {
			c.calls = slices.Delete(c.calls, i, i+1)
		}
		return a, true
	}
	return c.writer(at)
}

// writer returns who wrote the byte that passed at a time.
func (c *connection) writer(at time.Duration) (*actor, bool) {
	var later *sender
	for i := c.sends - 1; i >= max(0, c.sends-maxSenders); i-- {
		s := &c.senders[i%maxSenders]
		switch {
		case s.after && s.at >= at:
			later = s
		case !s.after && s.at <= at:
			return s.actor.get(), true
		}
	}
	if later != nil {
		return later.actor.get(), true
	}
	return nil, c.sends > maxSenders
}
