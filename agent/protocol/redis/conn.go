// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	fitOpen = protocol.FitOpen
	fitYes  = protocol.FitYes
	fitNo   = protocol.FitNo

	noDB     = -1 // the database is not known, or the command selects none
	maxFirst = 128
	maxTurns = 4 // that show no role, after which it is not Redis
)

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared   *shared
	dialogue protocol.Dialogue[request]
	fit      protocol.Fit
	joined   bool

	known   bool // which direction carries commands
	client  protocol.Dir
	started bool
	last    protocol.Dir // of the last call, when started
	turns   int          // while the role is not known

	first   []byte // bytes of the turn, while the role is not known
	firstAt time.Duration
	passed  bool // nothing can be told from this turn

	requests requests
	replies  replies

	over     bool // it carries replication, which is not followed
	multi    bool // commands are queued for EXEC
	monitor  bool
	silent   bool // CLIENT REPLY OFF
	skip     bool // the next command has no answer
	db       int32
	queuedDB int32  // that EXEC will select
	channels [3]int // subscriptions to channels, patterns and shard channels

	passing [2]uint64 // position of each direction's next byte
	hidden  [2]uint64 // up to where a recording knows of what was not read
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Pending implements protocol.Parser.
func (c *conn) Pending() int { return c.dialogue.Len() }

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 || c.fit == fitNo {
		return
	}
	if !c.over {
		c.begin(d)
	}
	c.passing[d] += uint64(len(p))
	c.feed(d, p, t)
	c.markPassed(d)
}

func (c *conn) feed(d protocol.Dir, p []byte, t time.Duration) {
	if c.over || c.fit == fitNo {
		return
	}
	switch {
	case !c.known:
		c.decide(d, p, t)
	case d == c.client:
		c.feedRequests(p, t)
	default:
		c.feedReplies(p, t)
	}
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if n == 0 || c.over || c.fit == fitNo {
		return
	}
	c.begin(d)
	if !c.known {
		c.settle(d)
	}
	switch {
	case !c.known:
		c.passed = true
	case d == c.client:
		c.skipRequests(n, t)
	default:
		c.skipReplies(n, t)
	}
	c.passing[d] += n
}

// begin notices a new turn.
func (c *conn) begin(d protocol.Dir) {
	if c.started && c.last == d {
		return
	}
	if !c.known && len(c.first) > 0 {
		c.settle(c.last)
	}
	if !c.known && c.started {
		c.hidePassed(c.last)
	}
	c.started, c.last = true, d
	switch {
	case !c.known:
		c.turns++
		c.first, c.passed = c.first[:0], false
		if c.turns > maxTurns {
			c.fit = fitNo
		}
	case d == c.client:
		c.clientTurn()
	}
}

// clientTurn is called when the client speaks again. An answer whose end was not seen has ended then.
func (c *conn) clientTurn() {
	r := &c.replies
	if r.lost {
		if r.cut && c.dialogue.Alone() {
			c.endCut()
		}
		r.restart()
	}
	c.dialogue.Turn()
	c.requests.lost, c.requests.cut = false, false
}

// endCut ends the answer of which only the beginning was seen, and which is that to the only request.
func (c *conn) endCut() {
	c.dialogue.Resume()
	c.replies.levels = c.replies.levels[:0]
	c.answered(&c.replies.answer)
}

// decide finds out which direction carries commands.
func (c *conn) decide(d protocol.Dir, p []byte, t time.Duration) {
	if c.passed {
		return
	}
	if len(c.first) == 0 {
		c.firstAt = t
	}
	before := len(c.first)
	c.first = append(c.first, p[:min(len(p), maxFirst-before)]...)
	guess := c.guess()
	if guess == protocol.GuessMaybe && len(c.first) < maxFirst {
		return
	}
	if c.role(d, guess) {
		first := c.first[:before]
		c.first = nil
		c.stand(d, uint64(before+len(p)))
		c.feed(d, first, c.firstAt)
		c.feed(d, p, t)
	}
}

// guess tells what the turn is. A line of unknown words that nothing came before is a command.
func (c *conn) guess() protocol.Guess {
	first := !c.joined && c.turns == 1
	guess := c.shared.commands.classify(c.first, first)
	if guess == protocol.GuessMaybe && first && isLetter(c.first[0]) && bytes.IndexByte(c.first, '\n') >= 0 {
		return protocol.GuessRequest
	}
	return guess
}

// settle decides by what has come, because no more will.
func (c *conn) settle(d protocol.Dir) {
	if len(c.first) == 0 || c.passed {
		return
	}
	c.first = append(c.first, '\n')
	guess := c.guess()
	first := c.first[:len(c.first)-1]
	if c.first = nil; c.role(d, guess) {
		c.stand(d, uint64(len(first)))
		c.feed(d, first, c.firstAt)
	}
}

// role takes a decision, and reports whether the role is known now.
func (c *conn) role(d protocol.Dir, guess protocol.Guess) bool {
	switch {
	case guess == protocol.GuessRequest:
		c.client = d
	case guess == protocol.GuessResponse && (c.joined || c.turns > 1):
		c.client = d.Other()
	case c.joined:
		c.passed = true
		return false
	default: // servers do not speak first
		c.fit = fitNo
		return false
	}
	c.known = true
	if c.turns > 1 || c.joined {
		c.dialogue.Joined()
		c.db = noDB
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
	if !c.known || c.over || c.fit != fitYes {
		c.dialogue.Release()
		return
	}
	c.markCut(c.client)
	c.markCut(c.client.Other())
	c.shared.closed = e.Time
	if q := &c.requests; q.draft.open && q.draft.next > 0 && !q.lost {
		c.endCommand(q.lastByte)
	}
	if c.replies.lost && c.replies.cut && c.dialogue.Alone() && e.Reason == "connection_closed" {
		c.endCut()
	}
	c.dialogue.Close(e.Reason)
	c.shared.closed = 0
}

// Release implements protocol.Parser.
func (c *conn) Release() {
	c.dialogue.Release()
	c.shared.recycle(c)
}

// report is the dialogue's.
func (c *conn) report(r *request, reason string) {
	if c.fit != fitYes {
		return
	}
	s := c.shared
	c.trace(r, true)
	if reason == "lost" { // what seemed to be its answer may be another's
		r.answerStart, r.answerEnd, r.answerBytes, r.batch, r.status = 0, 0, 0, 0, ""
	}
	if reason != "" {
		c.unanswered(r)
	}
	s.db = model.DB{
		System: "redis", Operation: r.operation, Query: r.query, QueryCut: r.cut, Keys: r.keys, Batch: r.batch,
		Procedure: r.procedure, User: r.user, Status: r.status, Namespace: namespace(r, c.db),
	}
	s.request = model.Request{
		Protocol: model.ProtocolRedis, Role: protocol.RoleOf(c.client), OneWay: r.oneWay, ErrorType: r.status, Reason: reason,
		Start: r.start, RequestEnd: r.end, ResponseStart: r.answerStart, End: r.answerEnd,
		RequestBytes: r.bytes, ResponseBytes: r.answerBytes, Begun: r.begun, DB: &s.db,
	}
	switch {
	case reason != "":
		s.request.Outcome = model.OutcomeIncomplete
		s.request.End = max(r.end, r.answerEnd, s.closed)
	case r.status != "":
		s.request.Outcome = model.OutcomeError
	case r.oneWay:
		s.request.End = r.end
	}
	s.env.Emit(&s.request)
}
