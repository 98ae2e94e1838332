// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits of what a connection remembers.
const (
	maxWaiting = 256 // requests in each direction that wait for their acknowledgement
	maxPings   = 8
	maxAliases = 128 // topics in each direction that are sent as a number
	maxHeld    = 32  // requests that are complete while it is open whether this is MQTT, and whose
	settle     = 5 * time.Second
)

// Conn follows one connection. It implements protocol.Parser.
type Conn struct {
	shared *shared
	side   [2]protocol.Framer

	started bool
	dir     protocol.Dir // of the last call
	seen    [2]bool      // bytes came
	bad     [2]bool      // and were not MQTT
	fails   int          // times that they were not
	joined  bool
	strict  [2]bool // the next packet of the direction has to prove itself
	proof   int     // of packets that look like MQTT
	fit     bool
	held    []*exchange

	known   bool // which direction is the client's
	guessed bool // from who published first
	client  protocol.Dir
	version byte
	id      string // the client's

	losses  [2]uint32     // of the beginning of a packet, by direction
	quiet   time.Duration // PINGRESP is trusted to requests from here on
	connect *exchange
	auth    *exchange
	pings   protocol.InOrder[*exchange]
	waiting [2]protocol.ByID[uint16, *exchange] // by the direction of the request
	aliases [2]map[uint16]string
}

func newConn(s *shared, start protocol.Start) *Conn {
	c := &Conn{shared: s, joined: start.Joined, pings: protocol.NewInOrder[*exchange](maxPings)}
	for d := range c.side {
		c.strict[d] = start.Joined
		c.waiting[d] = protocol.NewByID[uint16, *exchange](maxWaiting)
		c.side[d] = protocol.Framer{Size: frameSize, Keep: keep, Pos: start.Base[d], Take: func(f *protocol.Frame) { c.take(protocol.Dir(d), f) }}
	}
	return c
}

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return
	}
	c.turn(d)
	c.seen[d] = true
	lost := c.side[d].Lost()
	if lost && c.losses[d] > 0 && fills(p) {
		c.side[d].Resync()
		c.strict[d] = true
		lost = false
	}
	c.side[d].Feed(p, t)
	if c.side[d].Lost() {
		if !lost {
			c.bad[d] = true
			c.fails++
		}
		c.miss(d, lost, t)
	}
	if m := c.shared.env.Marks; m != nil {
		c.side[d].Mark(m, d, protocol.FillAll)
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	c.turn(d)
	lost := c.side[d].Lost()
	c.side[d].Skip(n, t)
	if c.side[d].Lost() {
		c.miss(d, lost, t)
	}
}

// turn puts a direction that is out of step to the test again when its turn comes.
func (c *Conn) turn(d protocol.Dir) {
	if c.started && c.dir == d {
		return
	}
	if c.started && c.side[d].Lost() {
		c.side[d].Resync()
		c.strict[d] = true
	}
	c.started, c.dir = true, d
}

// fills tells whether bytes that came behind a gap are packets from the first to the last: they begin where a segment does,
// and hardly anything else ends with it as well.
func fills(b []byte) bool {
	for len(b) > 0 {
		size, state := frameSize(b)
		if state != protocol.Done || size > uint64(len(b)) {
			return false
		}
		var p packet
		p.read(&protocol.Frame{Head: b[:size], Size: size}, 0)
		if ok, _ := p.holds(); !ok {
			return false
		}
		b = b[size:]
	}
	return true
}

// miss is called when bytes passed out of step; already says that the direction was before.
func (c *Conn) miss(d protocol.Dir, already bool, t time.Duration) {
	if !already && c.shared.env.Resync != nil {
		c.shared.env.Resync(model.ProtocolMQTT)
	}
	c.losses[d]++
	c.quiet = t + settle
	c.aliases[d] = nil
	c.endSingle("lost", t)
}

// endSingle gives up what waits without an identifier.
func (c *Conn) endSingle(reason string, t time.Duration) {
	for _, e := range []**exchange{&c.connect, &c.auth} {
		if *e != nil {
			c.giveUp(*e, reason, t)
			*e = nil
		}
	}
	for c.pings.Len() > 0 {
		e, _ := c.pings.Pop()
		c.giveUp(e, reason, t)
	}
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	if e.Reason == "" {
		e.Reason = "connection_closed"
	}
	if !c.fit && (c.proof == 0 || c.bad[0] || c.bad[1]) {
		c.forget()
		return
	}
	c.fit = true
	c.decide()
	c.endSingle(e.Reason, e.Time)
	for d := range c.waiting {
		for c.waiting[d].Len() > 0 {
			x, _ := c.waiting[d].Pop()
			reason := e.Reason
			if x.losses != c.losses {
				reason = "lost"
			}
			c.giveUp(x, reason, e.Time)
		}
	}
}

// forget drops all that waits: it was not MQTT.
func (c *Conn) forget() {
	c.held, c.connect, c.auth = nil, nil, nil
	c.pings = protocol.NewInOrder[*exchange](maxPings)
	for d := range c.waiting {
		c.waiting[d] = protocol.NewByID[uint16, *exchange](maxWaiting)
	}
}

// Pending implements protocol.Parser.
func (c *Conn) Pending() int {
	n := c.pings.Len() + c.waiting[0].Len() + c.waiting[1].Len()
	for _, e := range []*exchange{c.connect, c.auth} {
		if e != nil {
			n++
		}
	}
	return n
}

// Fit implements protocol.Parser. CONNECT and SUBSCRIBE are proof, others only together.
func (c *Conn) Fit() protocol.Fit {
	switch {
	case c.fit:
		return protocol.FitYes
	case c.joined && c.fails < 3 && !(c.bad[0] && c.bad[1]): // it began in the middle of something
	case c.bad[0] && (c.bad[1] || c.seen[1]), c.bad[1] && c.seen[0]:
		return protocol.FitNo
	}
	return protocol.FitOpen
}

// Release implements protocol.Parser.
func (c *Conn) Release() {}

// prove adds to what speaks for MQTT.
func (c *Conn) prove(points int) {
	const enough = 2
	if c.proof += points; c.proof >= enough && !c.fit {
		c.fit = true
		if !c.guessed {
			c.decide()
		}
	}
}

// learn notes which side is the client.
func (c *Conn) learn(d protocol.Dir) {
	c.known, c.guessed, c.client = true, false, d
	c.decide()
}

// suppose takes who publishes first for the client.
func (c *Conn) suppose(d protocol.Dir) {
	if !c.known {
		c.known, c.guessed, c.client = true, true, d
	}
}

// take reads a packet.
func (c *Conn) take(d protocol.Dir, f *protocol.Frame) {
	p := &c.shared.packet
	p.read(f, c.version)
	if c.shared.env.Marks != nil {
		c.mark(d, p, f)
	}
	if c.strict[d] || !c.fit {
		ok, sure := p.holds()
		if !ok {
			c.side[d].Lose()
			return
		}
		c.strict[d] = false
		if sure {
			c.prove(2)
		}
	}
	misplaced := c.known && !c.guessed && (p.kind.fromClient() && d != c.client || p.kind.fromServer() && d == c.client)
	switch {
	case misplaced:
		c.side[d].Lose()
		return
	case p.kind.fromClient():
		c.learn(d)
	case p.kind.fromServer():
		c.learn(d.Other())
	}
	switch ok := c.packet(d, p, f); {
	case ok:
	case p.whole():
		c.side[d].Lose()
	default: // what is missing was not captured
		c.losses[d]++
	}
}

// packet takes a packet of direction d and reports whether it could be read.
func (c *Conn) packet(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	switch p.kind {
	case kindConnect:
		return c.connects(p, f)
	case kindConnack:
		return c.connected(p, f)
	case kindPublish:
		return c.publish(d, p, f)
	case kindPuback, kindPubrec, kindPubcomp:
		return c.acknowledge(d, p, f)
	case kindPubrel:
		return c.releases(d, p, f)
	case kindSubscribe, kindUnsubscribe:
		return c.subscribe(d, p, f)
	case kindSuback, kindUnsuback:
		return c.subscribed(d, p, f)
	case kindPingreq:
		c.ping(f)
	case kindPingresp:
		c.pong(f)
	case kindDisconnect:
		c.disconnect(d, p, f)
	case kindAuth:
		c.authenticate(d, p, f)
	}
	return true
}
