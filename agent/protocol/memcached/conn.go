// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"time"

	"sonde/agent/protocol"
)

const (
	maxFirst = 128 // bytes of a turn that decide
	maxTurns = 4   // that show no role, after which it is not memcached
)

// dialect is what text and binary connections have in common.
type dialect interface {
	feed(d protocol.Dir, p []byte, t time.Duration)
	skip(d protocol.Dir, n uint64, t time.Duration)
	turn(client bool)
	close(e protocol.Close)
	pending() int
	fit() protocol.Fit
	release()
	stand(at [2]uint64)
	mark(d protocol.Dir)
}

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared  *shared
	joined  bool
	dialect dialect // nil while it is not known which one it is
	refused bool

	client  protocol.Dir // valid with dialect
	started bool
	last    protocol.Dir
	turns   int
	first   []byte // of the turn, while nothing is known
	firstAt time.Duration
	passed  bool // nothing can be told from this turn

	passing [2]uint64 // position of each direction's next byte
	hidden  [2]uint64 // up to where a recording knows of what was not read
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit {
	switch {
	case c.refused:
		return protocol.FitNo
	case c.dialect == nil:
		return protocol.FitOpen
	}
	return c.dialect.fit()
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int {
	if c.dialect == nil {
		return 0
	}
	return c.dialect.pending()
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 || c.refused {
		return
	}
	c.begin(d)
	c.passing[d] += uint64(len(p))
	c.feed(d, p, t)
	c.mark(d)
}

func (c *conn) feed(d protocol.Dir, p []byte, t time.Duration) {
	if c.dialect != nil {
		c.dialect.feed(d, p, t)
		return
	}
	if c.passed || c.refused {
		return
	}
	if len(c.first) == 0 {
		c.firstAt = t
	}
	before := len(c.first)
	c.first = append(c.first, p[:min(len(p), maxFirst-before)]...)
	guess, binary := classify(c.first)
	if guess == protocol.GuessMaybe && len(c.first) < maxFirst {
		return
	}
	if guess == protocol.GuessMaybe { // a line of many keys
		guess, _ = classify(append(c.first, '\n'))
	}
	first := c.first[:before]
	if c.first = nil; c.role(d, guess, binary) {
		c.stand(d, uint64(before+len(p)))
		c.feed(d, first, c.firstAt)
		c.feed(d, p, t)
	}
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if n == 0 || c.refused {
		return
	}
	c.begin(d)
	if c.dialect == nil {
		c.settle(d)
	}
	if c.dialect == nil {
		c.passed = true
	} else {
		c.dialect.skip(d, n, t)
	}
	c.passing[d] += n
	c.mark(d)
}

// begin notices a new turn.
func (c *conn) begin(d protocol.Dir) {
	if c.started && c.last == d {
		return
	}
	if c.dialect == nil {
		c.settle(c.last)
		c.hidePassed(c.last)
	}
	c.started, c.last = true, d
	if c.dialect != nil {
		c.dialect.turn(d == c.client)
		return
	}
	c.turns++
	c.first, c.passed = c.first[:0], false
	c.refused = c.refused || c.turns > maxTurns
}

// settle decides by what has come of the turn, because no more will.
func (c *conn) settle(d protocol.Dir) {
	if len(c.first) == 0 || c.passed {
		return
	}
	guess, binary := classify(c.first)
	if guess == protocol.GuessMaybe && !binary { // a command that the server waits for the rest of
		guess, _ = classify(append(c.first, "\r\n"...))
	}
	first := c.first
	if c.first = nil; c.role(d, guess, binary) {
		c.stand(d, uint64(len(first)))
		c.dialect.feed(d, first, c.firstAt)
	}
}

// role takes a decision, and reports whether the role is known now.
func (c *conn) role(d protocol.Dir, guess protocol.Guess, binary bool) bool {
	late := c.joined || c.turns > 1
	switch {
	case guess == protocol.GuessRequest:
		c.client = d
	case guess == protocol.GuessResponse && late:
		c.client = d.Other()
	case late:
		c.passed = true
		return false
	default: // servers do not speak first
		c.refused = true
		return false
	}
	if binary {
		c.dialect = newFrames(c.shared, c.client)
	} else {
		c.dialect = newText(c.shared, c.client, late)
	}
	return true
}

// EOF implements protocol.Parser.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	if e.Reason == "" {
		e.Reason = "connection_closed"
	}
	if c.dialect != nil && c.dialect.fit() == protocol.FitYes {
		c.dialect.close(e)
	}
}

// Release implements protocol.Parser.
func (c *conn) Release() {
	if c.dialect != nil {
		c.dialect.release()
	}
	c.dialect = nil
}
