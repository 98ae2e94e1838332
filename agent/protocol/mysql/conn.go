// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"io"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// shared is what the parsers of an engine have in common.
type shared struct {
	env      *protocol.Env
	text     *sql.Sanitiser
	free     []*conn
	request  model.Request // handed out by Emit
	db       model.DB
	inflate  io.ReadCloser // of zlib, nil before it is needed
	inflated []byte
	number   []byte
}

const maxFree = 256 // parsers kept for the next connections

func (s *shared) open(start protocol.Start) protocol.Parser {
	c := &conn{shared: s}
	if n := len(s.free); n > 0 {
		c, s.free = s.free[n-1], s.free[:n-1]
	}
	c.joined, c.pos, c.told = start.Joined, start.Base, start.Base
	c.queue = protocol.NewInOrder[exchange](MaxPending)
	c.statements = protocol.NewByID[uint32, statement](MaxStatements)
	c.system = "mysql"
	c.front.packets = protocol.Framer{Size: packetSize, Keep: MaxPacket, Take: c.takeFront}
	c.back.packets = protocol.Framer{Size: packetSize, Keep: MaxAnswer, Take: c.takeBack}
	return c
}

// phase is what the client says next.
type phase uint8

const (
	phaseOpen     phase = iota // not known yet
	phaseLogin                 // the greeting was seen
	phaseCommands              // commands, or steps of an authentication
	phaseOver                  // what passes is no longer understood
)

// side is one direction, of requests or of answers.
type side struct {
	packets protocol.Framer
	frames  protocol.Framer // around the packets, when they are compressed
	fed     uint64          // bytes on the wire that have passed
	framed  uint64          // those of them that are in frames taken
	counted uint64          // those of them that belong to whole packets
	more    bool            // the packet goes on in the next
	content uint64          // position, as packets counts, of what the frame at hand holds
	frameAt uint64          // position of that frame
	part    origin          // of the packet at hand that began in an earlier frame
	// frameSeq is the number of the frame at hand: servers go on with it when they have flushed what they had.
	frameSeq uint8
}

// account returns the bytes on the wire that a packet stands for.
func (s *side) account(f *protocol.Frame, compressed bool) uint64 {
	if !compressed {
		s.counted += f.Size
		return f.Size
	}
	n := s.framed - min(s.framed, s.counted)
	s.counted = max(s.counted, s.framed)
	return n
}

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

	front, back side
	compressed  bool
	zstd        bool

	queue    protocol.InOrder[exchange]
	most     int // that the queue has held since it was empty
	turn     uint32
	overlaps bool // the client was seen to ask before older answers were there
	damaged  bool // what waits cannot be told from what was answered
	blind    bool // nor can what is to come
	tail     []byte
	lead     exchange // COM_STMT_SEND_LONG_DATA
	headless [header]byte

	system, user, database string
	capabilities           uint32 // of the login, 0 when it was not seen
	otherEscapes           bool
	noEOF, knowsEOF        bool // answers have no EOF packets; whether that is known
	statements             protocol.ByID[uint32, statement]
	prepared               statement // the last
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
		if c.compressed {
			c.front.frames.Pos = c.pos[d] - uint64(len(p))
		} else {
			c.front.packets.Pos = c.pos[d] - uint64(len(p))
		}
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
	n := kept
	for n < len(c.undecided) && guess == protocol.GuessMaybe {
		n++
		guess = Probe(c.undecided[:n])
	}
	if guess == protocol.GuessMaybe && len(c.undecided) < maxUndecided {
		return
	}
	c.settle(d, guess, n)
	first := c.undecided[:kept]
	c.undecided = c.undecided[:0]
	if !c.known {
		return
	}
	if c.tellAll(d.Other(), protocol.FillZero); kept > 0 {
		c.pos[d] -= uint64(len(p))
		c.feed(d, first, c.undecidedAt)
		c.pos[d] += uint64(len(p))
	}
	c.feed(d, p, t)
}

// settle takes the verdict on the first n bytes of a turn.
func (c *conn) settle(d protocol.Dir, guess protocol.Guess, n int) {
	first := c.undecided[:n]
	switch guess {
	case protocol.GuessNo, protocol.GuessMaybe:
		if c.passing = true; c.strange >= maxStrange {
			c.fit.No()
		}
		c.strange++
		return
	case protocol.GuessResponse:
		c.client = d.Other()
	default:
		c.client = d
		c.phase = phaseCommands
		if first[3] == 1 {
			c.phase = phaseLogin
		} else if size := length(first); size == 0 || probeCommand(first[header:], size) == protocol.GuessNo {
			c.compress()
		}
	}
	c.known, c.turn = true, 1
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
	if f := c.front.packets.Partial(); f != nil && f.Size > 0 && len(f.Head) > header && c.known {
		c.takeFront(f)
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
	*c = conn{shared: s, undecided: c.undecided[:0], tail: c.tail[:0]}
	if len(s.free) < maxFree {
		s.free = append(s.free, c)
	}
}

// refuse is asked when bytes are not what they should be: then the guess was wrong, as long as nothing has confirmed it.
func (c *conn) refuse() bool {
	c.fit.No()
	return c.fit == protocol.FitNo
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
		if c.known && c.phase != phaseOver && d == c.client {
			c.newTurn()
		}
	}
	c.lastAt[d] = t
}

// newTurn puts directions back in step: the client speaks, so it has had its answers, unless it does not wait for them.
func (c *conn) newTurn() {
	c.turn++
	if e := c.queue.Front(); e != nil && e.uncertain && !c.damaged {
		c.finish()
	}
	if c.queue.Len() == 0 && c.back.packets.Partial() != nil { // joined in the middle of an answer
		c.back.resync()
	}
	if c.damaged || c.front.lost(c.compressed) || c.back.lost(c.compressed) {
		c.giveUp("lost", c.lastAt[c.client.Other()])
		c.blind = c.blind || c.overlaps
		if c.front.lost(c.compressed) { // what was not seen may have been a USE
			c.database = ""
		}
		c.damaged, c.lead = false, exchange{}
		c.front.resync()
		c.back.resync()
		c.tail = c.tail[:0]
	}
}

func (s *side) lost(compressed bool) bool { return s.packets.Lost() || compressed && s.frames.Lost() }

func (s *side) resync() {
	s.packets.Resync()
	s.frames.Resync()
	s.more = false
	s.counted, s.framed = s.fed, s.fed
}

// lose is called when a direction has come out of step.
func (c *conn) lose() {
	c.damaged = true
	if e := c.queue.Front(); e != nil && e.reading == readRest {
		e.uncertain = false
	}
	if c.env.Resync != nil {
		c.env.Resync(model.ProtocolMySQL)
	}
}

// name keeps a name.
func (c *conn) name(b []byte) string { return c.text.Intern(b[:min(len(b), maxName)]) }
