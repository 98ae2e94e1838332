// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"strconv"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	maxWaiting = 1024 // requests of a connection that wait; drivers have one or two
	maxName    = 255  // bytes of a name that are kept
	maxStrings = 4096 // names seen before that are kept for all connections
)

// Spec describes MongoDB to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolMongoDB, Probe: probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env, strings: map[string]string{}}
		return func(start protocol.Start) protocol.Parser {
			c := &conn{shared: s, waiting: protocol.NewByID[uint32, request](maxWaiting)}
			for d := range c.framer {
				c.framer[d] = protocol.Framer{Size: size, Keep: MaxHead, Pos: start.Base[d], Take: func(f *protocol.Frame) { c.take(protocol.Dir(d), f) }}
			}
			return c
		}
	}}
}

// shared is what the parsers of an engine have in common.
type shared struct {
	env      *protocol.Env
	inflater inflater
	message  message           // at hand
	strings  map[string]string // names seen before
	request  model.Request     // what is emitted
	db       model.DB
}

// intern returns p as a string, without allocating when the same came before.
func (s *shared) intern(p []byte) string {
	p = p[:min(len(p), maxName)]
	if v, ok := s.strings[string(p)]; ok {
		return v
	}
	if len(s.strings) >= maxStrings {
		clear(s.strings)
	}
	v := string(p)
	s.strings[v] = v
	return v
}

// request is a message that waits for its answer.
type request struct {
	command, operation, collection, database string
	batch                                    int
	id                                       uint32
	at, begun                                uint64 // position of its first byte, and what Env.Begin said
	start, end                               time.Duration
	bytes                                    uint64
}

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	shared *shared
	fit    protocol.Fit

	known   bool // which direction carries requests
	client  protocol.Dir
	started bool
	last    protocol.Dir // of the last call, when started

	framer  [2]protocol.Framer // by direction
	lost    bool               // a direction fell out of step in this turn
	waiting protocol.ByID[uint32, request]
	closed  time.Duration
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Pending implements protocol.Parser.
func (c *conn) Pending() int { return c.waiting.Len() }

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 || c.fit == protocol.FitNo {
		return
	}
	f := c.begin(d)
	before := f.Lost()
	f.Feed(p, t)
	c.check(f, before)
	if f.Lost() && c.fit == protocol.FitOpen {
		c.fit = protocol.FitNo
	}
	if m := c.shared.env.Marks; m != nil {
		f.Mark(m, d, protocol.FillAll)
	}
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if n == 0 || c.fit == protocol.FitNo {
		return
	}
	f := c.begin(d)
	before := f.Lost()
	f.Skip(n, t)
	c.check(f, before)
}

// check notices that a direction fell out of step.
func (c *conn) check(f *protocol.Framer, before bool) {
	if !f.Lost() || before {
		return
	}
	if c.lost = true; c.fit == protocol.FitYes && c.shared.env.Resync != nil {
		c.shared.env.Resync(model.ProtocolMongoDB)
	}
}

// begin notices a new turn. A direction that is out of step tries again where its turn begins: drivers wait for answers, so
// that is where a message begins, and if it is not, its header tells. What waited for a lost answer waits no longer.
func (c *conn) begin(d protocol.Dir) *protocol.Framer {
	f := &c.framer[d]
	if c.started && c.last == d {
		return f
	}
	c.started, c.last = true, d
	if f.Lost() {
		f.Resync()
	}
	if c.lost && c.known && d == c.client {
		c.lost = false
		c.giveUp("lost")
	}
	return f
}

func (c *conn) giveUp(reason string) {
	for r, ok := c.waiting.Pop(); ok; r, ok = c.waiting.Pop() {
		c.report(&r, nil, nil, reason)
	}
}

// take takes a message.
func (c *conn) take(d protocol.Dir, f *protocol.Frame) {
	if len(f.Head) < headerSize || c.fit == protocol.FitNo { // its length alone was seen, or it is behind what is no message
		return
	}
	if c.shared.env.Marks != nil {
		c.shared.mark(d, f)
	}
	h := parseHeader(f.Head)
	m := &c.shared.message
	m.parse(f.Head, &c.shared.inflater)
	if !c.known && !c.role(d, h, m) {
		return
	}
	if d == c.client {
		c.request(h, m, f)
	} else {
		c.answer(h, m, f)
	}
}

// role finds out from a message which direction carries requests. Where the identifier that it answers is 0, it may be an
// answer to the first request of some drivers: then the document tells.
func (c *conn) role(d protocol.Dir, h header, m *message) bool {
	switch {
	case m.opcode == opReply, h.answers != 0, m.opcode == opMsg && m.okKnown && len(m.database) == 0:
		c.client = d.Other()
	default:
		c.client = d
	}
	if m.opcode == opMsg && !m.opaque && len(m.operation) == 0 && m.documents == 0 {
		c.fit = protocol.FitNo
		return false
	}
	c.known, c.fit = true, protocol.FitYes
	return true
}

func (c *conn) request(h header, m *message, f *protocol.Frame) {
	s := c.shared
	r := request{
		command: opNames[m.opcode], operation: s.intern(m.operation), collection: s.intern(m.collection), database: s.intern(m.database),
		id: h.id, at: f.At, start: f.Start, end: f.End, bytes: f.Size,
	}
	if m.opaque && m.opcode == opMsg || r.command == "" {
		r.command = opNames[opCompressed]
	}
	if m.documents > 1 {
		r.batch = m.documents
	}
	if m.oneWay() {
		c.report(&r, nil, nil, "")
		return
	}
	c.trace(&r, false)
	if old, replaced := c.waiting.Add(h.id, r); replaced {
		c.report(&old, nil, nil, "lost")
	}
}

// trace begins a request for who traces. It is late where it is over already.
func (c *conn) trace(r *request, late bool) {
	if c.shared.env.Begins(r.begun) {
		r.begun = c.shared.env.Begin(protocol.Begin{Dir: c.client, At: r.at, Start: r.start, Late: late})
	}
}

func (c *conn) answer(h header, m *message, f *protocol.Frame) {
	if r, ok := c.waiting.Take(h.answers); ok { // not so for what an exhaust cursor sends on, and for what was given up
		c.report(&r, m, f, "")
	}
}

// report emits a request. m and f are its answer, nil when it has none; reason tells why.
func (c *conn) report(r *request, m *message, f *protocol.Frame, reason string) {
	s := c.shared
	c.trace(r, true)
	s.db = model.DB{
		System: "mongodb", Command: r.command, Operation: r.operation, Collection: r.collection, Namespace: r.database, Batch: r.batch,
		RequestID: r.id,
	}
	s.request = model.Request{
		Protocol: model.ProtocolMongoDB, Role: protocol.RoleOf(c.client), Start: r.start, RequestEnd: r.end, End: r.end,
		RequestBytes: r.bytes, Reason: reason, Begun: r.begun, DB: &s.db,
	}
	switch {
	case reason != "":
		s.request.Outcome = model.OutcomeIncomplete
		s.request.End = max(r.end, c.closed)
	case m == nil:
		s.request.OneWay = true
	default:
		s.request.ResponseStart, s.request.End, s.request.ResponseBytes = f.Start, f.End, f.Size
		s.outcome(r, m)
	}
	s.env.Emit(&s.request)
}

// outcome fills in what the answer says. An error without a code is reported by its being one.
func (s *shared) outcome(r *request, m *message) {
	code, name, failed := m.writeCode, m.writeName, m.writeCode != 0
	if m.okKnown && !m.ok {
		code, name, failed = m.code, m.codeName, true
	}
	if failed {
		s.request.Outcome = model.OutcomeError
		s.db.Status, s.db.Message = "-1", s.intern(name)
		if code != 0 {
			s.db.Status = strconv.FormatInt(code, 10)
		}
		s.request.ErrorType = s.db.Status
	}
	if m.rowsKnown && (!failed || m.rowsAffected) && m.counts(r.operation) {
		s.db.Rows, s.db.RowsKnown, s.db.RowsAffected = m.rows, true, m.rowsAffected
	}
}

// counts tells whether the number in an answer is one of documents.
func (m *message) counts(operation string) bool {
	switch operation {
	case "insert", "update", "delete":
		return m.rowsAffected
	case "query", "getMore":
		return !m.rowsAffected
	}
	return m.opcode == opMsg && !m.rowsAffected
}

// EOF implements protocol.Parser.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	c.closed = e.Time
	reason := e.Reason
	switch {
	case c.lost:
		reason = "lost"
	case reason == "":
		reason = "connection_closed"
	}
	c.giveUp(reason)
}

// Release implements protocol.Parser.
func (c *conn) Release() {}
