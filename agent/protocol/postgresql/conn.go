// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// shared is what the parsers of an engine have in common.
type shared struct {
	env     *protocol.Env
	text    *sql.Sanitiser
	free    []*conn
	request model.Request // handed out by Emit
	db      model.DB
}

const maxFree = 256 // parsers kept for the next connections

func (s *shared) open(start protocol.Start) protocol.Parser {
	c := &conn{shared: s}
	if n := len(s.free); n > 0 {
		c, s.free = s.free[n-1], s.free[:n-1]
	}
	c.joined, c.pos, c.told = start.Joined, start.Base, start.Base
	c.queue = protocol.NewInOrder[exchange](MaxPending + 1)
	c.statements = protocol.NewByID[string, statement](MaxStatements)
	c.portals = protocol.NewByID[string, statement](MaxPortals)
	c.system = "postgresql"
	c.front = c.framer(c.measureFront, MaxMessage, c.takeFront)
	c.back = c.framer(c.measureBack, MaxAnswer, c.takeBack)
	return c
}

func (c *conn) framer(size func([]byte) (uint64, protocol.State), keep int, take func(*protocol.Frame)) protocol.Framer {
	return protocol.Framer{Size: size, Keep: keep, Take: take}
}

// phase is what the client says next.
type phase uint8

const (
	phaseOpen    phase = iota // not known yet: a startup packet or a message
	phaseStartup              // packets without a type
	phaseMessages
	phaseOver // what passes is no longer this protocol
)

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	*shared
	joined bool
	known  bool // which side is the client
	client protocol.Dir
	phase  phase
	fit    protocol.Fit
	inner  protocol.Parser // behind SSLRequest
	pos    [2]uint64       // bytes of each direction, from the first of the connection
	told   [2]uint64       // those of them that a recording knows of

	undecided   []byte // the first bytes of a turn, while they do not show who is the client
	undecidedAt time.Duration
	passing     bool // the rest of the turn shows neither
	strange     int  // turns that were neither side's

	started bool
	last    protocol.Dir // of the last call
	lastAt  [2]time.Duration

	front, back protocol.Framer

	queue    protocol.InOrder[exchange]
	most     int      // that the queue has held since it was empty
	lead     exchange // messages of the client since the last Execute
	hasLead  bool
	flushed  bool // a Flush is the last message of the lead: the server answers it
	inGroup  bool // requests since the last Sync
	groups   uint32
	turn     uint32 // of the client
	overlaps bool   // the client was seen to ask before older answers were there
	backLost bool   // in the turn of the client at hand
	damaged  bool   // what waits cannot be told from what was answered
	blind    bool   // nor can what is to come
	tail     tail
	headless [header]byte // the beginning of a message that turned out to be none
	fed      uint64       // bytes of answers that have passed
	counted  uint64       // those of them that belong to whole messages

	system, user, database string
	otherEscapes           bool
	statements, portals    protocol.ByID[string, statement]
	unnamed, unnamedPortal statement
	unconfirmed            []string // statements whose ParseComplete has not come
	parses                 int      // Parses without one
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if c.inner != nil {
		c.inner.Feed(d, p, t)
		return
	}
	if len(p) == 0 {
		return
	}
	c.begin(d, t)
	c.pos[d] += uint64(len(p))
	switch {
	case c.phase == phaseOver:
	case !c.known:
		c.decide(d, p, t)
	default:
		c.feed(d, p, t)
	}
	if c.env.Marks != nil {
		c.mark(d)
	}
}

func (c *conn) feed(d protocol.Dir, p []byte, t time.Duration) {
	if d == c.client {
		c.feedFront(p, t)
	} else {
		c.feedBack(p, t)
	}
}

// decide finds out which side is the client, from as few bytes as will do. Bytes that show neither are passed over.
func (c *conn) decide(d protocol.Dir, p []byte, t time.Duration) {
	if c.passing {
		return
	}
	kept := len(c.undecided)
	if kept == 0 {
		c.undecidedAt = t
	}
	c.undecided = append(c.undecided, p[:min(len(p), maxUndecided-kept)]...)
	guess := protocol.GuessMaybe
	for n := kept + 1; n <= len(c.undecided) && guess == protocol.GuessMaybe; n++ {
		guess = Probe(c.undecided[:n])
	}
	if guess == protocol.GuessMaybe && len(c.undecided) < maxUndecided {
		return
	}
	first := c.undecided[:kept]
	c.undecided = c.undecided[:0]
	client := d
	switch guess {
	case protocol.GuessNo, protocol.GuessMaybe:
		if c.passing = true; c.strange < maxStrange {
			c.strange++
			return
		}
		c.fit.No()
		return
	case protocol.GuessResponse:
		client = d.Other()
	}
	c.known, c.client, c.turn = true, client, 1
	if c.tellAll(d.Other(), protocol.FillZero); kept > 0 {
		c.pos[d] -= uint64(len(p))
		c.feed(d, first, c.undecidedAt)
		c.pos[d] += uint64(len(p))
	}
	c.feed(d, p, t)
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if c.inner != nil {
		c.inner.Skip(d, n, t)
		return
	}
	if n == 0 {
		return
	}
	c.begin(d, t)
	c.pos[d] += n
	switch {
	case c.phase == phaseOver:
	case !c.known:
		c.undecided, c.passing = c.undecided[:0], true
	case d == c.client:
		c.skipFront(n, t)
	default:
		c.skipBack(n, t)
	}
}

// EOF implements protocol.Parser.
func (c *conn) EOF(d protocol.Dir, t time.Duration) {
	if c.inner != nil {
		c.inner.EOF(d, t)
	}
}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	if c.inner != nil {
		c.inner.Close(e)
		return
	}
	if f := c.front.Partial(); f != nil && f.Size > 0 && c.phase == phaseMessages {
		c.takeFront(f)
	}
	if c.hasLead {
		c.endLead()
	}
	c.giveUp(e.Reason, e.Time)
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int {
	if c.inner != nil {
		return c.inner.Pending()
	}
	return c.queue.Len()
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *conn) Release() {
	if c.inner != nil {
		c.inner.Release()
	}
	s := c.shared
	*c = conn{shared: s, undecided: c.undecided[:0], unconfirmed: c.unconfirmed[:0], tail: tail{kept: c.tail.kept[:0]}}
	if len(s.free) < maxFree {
		s.free = append(s.free, c)
	}
}

// begin notices a new turn.
func (c *conn) begin(d protocol.Dir, t time.Duration) {
	if !c.started || c.last != d {
		c.started, c.last, c.passing = true, d, false
		if len(c.undecided) > 0 {
			c.undecided = c.undecided[:0]
			c.fit.No()
		}
		if !c.known {
			c.tellAll(d.Other(), protocol.FillZero)
		}
		if c.known && c.phase != phaseOver {
			c.newTurn(d)
		}
	}
	c.lastAt[d] = t
}

// newTurn puts directions back in step where a new turn shows how.
func (c *conn) newTurn(d protocol.Dir) {
	if d != c.client {
		return
	}
	c.turn++
	if c.back.Lost() || c.front.Lost() || c.damaged {
		if c.hasLead {
			c.endLead()
		}
		c.giveUp("lost", c.lastAt[c.client.Other()])
		c.blind = c.blind || c.overlaps
		if c.front.Lost() {
			c.forgetUnnamed()
			if c.backLost {
				c.forget()
			}
		}
		c.damaged, c.backLost, c.parses = false, false, 0
		c.endGroup() // a Sync may be among what was lost
		c.front.Resync()
		c.back.Resync()
		c.counted = c.fed
		c.tail.reset()
	}
}

// forget drops all statements: what their names mean may have changed unseen.
func (c *conn) forget() {
	c.statements = protocol.NewByID[string, statement](MaxStatements)
	c.forgetUnnamed()
}

func (c *conn) forgetUnnamed() {
	c.unnamed, c.unnamedPortal = statement{}, statement{}
	c.portals = protocol.NewByID[string, statement](MaxPortals)
}

// lost is called when a direction has come out of step.
func (c *conn) lost() {
	c.damaged = true
	if c.env.Resync != nil {
		c.env.Resync(model.ProtocolPostgreSQL)
	}
}

// pass ends the following of the connection: what comes is not understood.
func (c *conn) pass() { c.phase = phaseOver }
