// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits of what a connection remembers.
const (
	maxDue   = 128 // commands that wait for +OK or PONG
	maxCalls = 256 // requests that wait for a reply, and as many deliveries that may be replied to
	maxSubs  = 128 // subscriptions
	maxWait  = 30 * time.Second
	settle   = 5 * time.Second // after a loss, for which answers in order belong to nobody knows what
)

// subscription is what a client asked to be sent.
type subscription struct {
	pattern, group string
	left           uint64 // deliveries until it ends by itself, 0 for no end
	asked          string // the last reply subject that it matched
	waiting        int    // requests that wait for a reply through it
}

// owed is an answer that comes in order. e is nil where nobody waits for it any more.
type owed struct {
	e    *exchange
	pong bool
}

// Conn follows one connection. It implements protocol.Parser.
type Conn struct {
	shared *shared
	side   [2]protocol.Framer
	joined bool
	inner  protocol.Parser // after the switch to TLS

	started bool
	dir     protocol.Dir // of the last call
	seen    [2]bool      // bytes came
	bad     [2]bool      // and were not NATS
	fails   int          // times that they were not
	fit     bool
	peer    bool // a link between servers
	refused bool // what was read last of the client was no command

	known   bool // which direction is the client's
	client  protocol.Dir
	verbose bool
	name    string        // the client's
	quiet   time.Duration // answers in order are trusted to requests from here on
	losses  uint32        // of control lines

	greeting *exchange // INFO, which waits for CONNECT
	greeted  bool
	connect  *exchange // CONNECT, which is not verbose and waits for what comes
	due      [2]protocol.InOrder[owed]
	calls    protocol.ByID[string, *exchange] // publications, by reply subject
	served   protocol.ByID[string, *exchange] // deliveries, by reply subject
	subs     map[string]*subscription
	partial  bool // there are subscriptions that are not in subs
}

func newConn(s *shared, start protocol.Start) *Conn {
	c := &Conn{
		shared: s, joined: start.Joined, partial: start.Joined,
		calls:  protocol.NewByID[string, *exchange](maxCalls),
		served: protocol.NewByID[string, *exchange](maxCalls),
	}
	for d := range c.side {
		c.due[d] = protocol.NewInOrder[owed](maxDue)
		c.side[d] = protocol.Framer{Size: frameSize, Keep: keep, Pos: start.Base[d], Take: func(f *protocol.Frame) { c.take(protocol.Dir(d), f) }}
	}
	return c
}

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return
	}
	if c.inner == nil && !c.seen[d] {
		c.seen[d] = true
		if c.greeting != nil && d == c.client && p[0] == 0x16 { // a handshake record (RFC 8446 5.1)
			c.encrypt(d, t)
		}
	}
	if c.inner != nil {
		c.inner.Feed(d, p, t)
		return
	}
	c.turn(d)
	lost := c.side[d].Lost()
	if lost && fills(p) {
		c.side[d].Resync()
		lost = false
	}
	c.side[d].Feed(p, t)
	if c.side[d].Lost() {
		if !lost {
			c.bad[d] = true
			c.fails++
			c.refuse(d, t)
		}
		if !c.refused {
			c.miss(lost, t)
		}
	}
	if m := c.shared.env.Marks; m != nil {
		c.side[d].Mark(m, d, protocol.FillAll)
	}
}

// refuse notes a line of the client that is no command. Where nothing was missed, the server answers what came before, in
// order, then says so and ends the connection.
func (c *Conn) refuse(d protocol.Dir, t time.Duration) {
	if c.refused = c.known && d == c.client && c.fit && !c.joined && c.losses == 0; c.refused {
		c.quiet = t + settle
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if c.inner != nil {
		c.inner.Skip(d, n, t)
		return
	}
	c.turn(d)
	lost := c.side[d].Lost()
	c.side[d].Skip(n, t)
	if c.side[d].Lost() {
		c.miss(lost, t)
	}
}

// fills tells whether bytes that came behind a gap are frames from the first to the last: they begin where a segment does,
// and hardly anything else ends with it as well.
func fills(p []byte) bool {
	for len(p) > 0 {
		size, state := frameSize(p)
		if state != protocol.Done || size > uint64(len(p)) || !bytes.HasSuffix(p[:size], lineEnd) {
			return false
		}
		p = p[size:]
	}
	return true
}

// miss notes bytes that passed out of step; already says that the direction was before.
func (c *Conn) miss(already bool, t time.Duration) {
	if !already && c.shared.env.Resync != nil {
		c.shared.env.Resync(model.ProtocolNATS)
	}
	c.lose(t)
}

// turn puts a direction that is out of step to the test again when its turn comes.
func (c *Conn) turn(d protocol.Dir) {
	if c.started && c.dir == d {
		return
	}
	if c.started && c.side[d].Lost() {
		c.side[d].Resync()
	}
	c.started, c.dir = true, d
}

// lose is called when bytes passed that nobody read.
func (c *Conn) lose(t time.Duration) {
	c.partial = true
	c.losses++
	c.loseOrder(t)
	if c.greeting != nil && c.fit {
		c.giveUp(c.greeting, "lost", t)
		c.greeting = nil
	}
	if c.connect != nil {
		c.giveUp(c.connect, "lost", t)
		c.connect = nil
	}
}

// loseOrder gives up what is answered in order: nobody can tell any more which answer is whose.
func (c *Conn) loseOrder(t time.Duration) {
	c.quiet = t + settle
	c.endDue("lost", t)
}

func (c *Conn) endDue(reason string, t time.Duration) {
	for d := range c.due {
		for c.due[d].Len() > 0 {
			o, _ := c.due[d].Pop()
			c.lost(o, reason, t)
		}
	}
}

// drop removes a request that is about to be reported from those that wait for a reply.
func (c *Conn) drop(e *exchange) {
	if e.reply == "" {
		return
	}
	if p := c.calls.Get(e.reply); p != nil && *p == e {
		c.calls.Take(e.reply)
		e.release()
	}
}

func (e *exchange) release() {
	if e.sub != nil {
		e.sub.waiting--
	}
}

// encrypt hands the connection over to TLS.
func (c *Conn) encrypt(d protocol.Dir, t time.Duration) {
	if c.shared.env.Open == nil {
		return
	}
	c.inner = c.shared.env.Open("tls", protocol.Start{Client: d, Base: [2]uint64{c.side[0].Pos, c.side[1].Pos}})
	if c.inner != nil {
		c.greeting.request.ResponseStart, c.greeting.request.End = t, t
		c.finish(c.greeting)
		c.greeting = nil
	}
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(d protocol.Dir, t time.Duration) {
	if c.inner != nil {
		c.inner.EOF(d, t)
	}
}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	if c.inner != nil {
		c.inner.Close(e)
	}
	if e.Reason == "" {
		e.Reason = "connection_closed"
	}
	c.peer = c.peer || !c.fit // what was no NATS reports nothing
	if c.greeting != nil {
		c.giveUp(c.greeting, e.Reason, e.Time)
		c.greeting = nil
	}
	c.accepted(nil)
	c.endDue(e.Reason, e.Time)
	for c.calls.Len() > 0 {
		x, _ := c.calls.Pop()
		reason := e.Reason
		if x.losses != c.losses {
			reason = "lost"
		}
		c.giveUp(x, reason, e.Time)
	}
	for c.served.Len() > 0 {
		x, _ := c.served.Pop()
		c.alone(x)
	}
}

// Pending implements protocol.Parser.
func (c *Conn) Pending() int {
	if c.inner != nil {
		return c.inner.Pending()
	}
	n := c.calls.Len() + c.due[0].Len() + c.due[1].Len()
	if c.greeting != nil {
		n++
	}
	return n
}

// Fit implements protocol.Parser. Lines that Redis has as well (PING, +OK) prove nothing.
func (c *Conn) Fit() protocol.Fit {
	switch {
	case c.fit:
		return protocol.FitYes
	case c.joined && c.fails < 3 && !(c.bad[0] && c.bad[1]): // it began in the middle of something
	case c.bad[0] && c.seen[1] || c.bad[1] && c.seen[0]:
		return protocol.FitNo
	}
	return protocol.FitOpen
}

// Release implements protocol.Parser.
func (c *Conn) Release() {
	if c.inner != nil {
		c.inner.Release()
	}
}

// take reads a frame.
func (c *Conn) take(d protocol.Dir, f *protocol.Frame) {
	l := &c.shared.line
	l.read(f.Head)
	if c.shared.env.Marks != nil {
		c.mark(d, l, f)
	}
	switch {
	case l.carries() && f.Whole && !bytes.HasSuffix(f.Head, lineEnd):
		c.side[d].Lose()
		return
	case l.verb == verbPeer || l.verb == verbPeerMessage, c.misplaced(l, d) && (l.verb == verbInfo || l.verb == verbConnect):
		c.peer = true
	case c.misplaced(l, d):
		c.side[d].Lose()
		return
	case l.fromClient():
		c.learn(d)
	case l.fromServer():
		c.learn(d.Other())
	}
	if c.proves(l, d, f.Head) {
		c.fit = true
	}
	c.expire(f.Start)
	if c.peer {
		return
	}
	if l.verb == verbPing || l.verb == verbPong {
		c.ping(d, l, f)
	} else if l.fromClient() {
		c.command(l, f)
	} else {
		c.news(l, f)
	}
}

var lineEnd = []byte("\r\n")

// misplaced tells whether a line comes from the wrong side.
func (c *Conn) misplaced(l *line, d protocol.Dir) bool {
	return c.known && (l.fromClient() && d != c.client || l.fromServer() && d == c.client)
}

func (c *Conn) learn(client protocol.Dir) { c.known, c.client = true, client }

// proves tells whether a frame could hardly be another protocol's.
func (c *Conn) proves(l *line, d protocol.Dir, head []byte) bool {
	switch l.verb {
	case verbInfo:
		return bytes.Contains(head, []byte(`"server_id"`))
	case verbPing, verbOK, verbErr:
		return false
	case verbPong:
		return c.due[d.Other()].Len() > 0
	}
	return true
}

// expire reports deliveries that nobody replied to for long.
func (c *Conn) expire(now time.Duration) {
	for {
		p := c.served.Oldest()
		if p == nil || now-(*p).request.End < maxWait {
			return
		}
		e, _ := c.served.Pop()
		c.alone(e)
	}
}
