// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// statement is what is kept of a text.
type statement struct {
	text, summary, procedure string
	name                     string // "" for the unnamed one
	cut                      bool
	batch                    int

	fields []model.Field // of the trace that it was sent in
	group  uint32        // in which they hold
	bound  bool          // the unnamed one: a portal has used it
}

// in returns st without the trace that an earlier group was sent in.
func (st statement) in(group uint32) statement {
	if st.group != group {
		st.fields = nil
	}
	return st
}

// Commands, as the protocol names them. Where one stands for several messages, the order tells which is the more telling.
const (
	commandStartup  = "Startup"
	commandSSL      = "SSLRequest"
	commandGSS      = "GSSENCRequest"
	commandCancel   = "CancelRequest"
	commandEnd      = "Terminate"
	commandQuery    = "Query"
	commandExecute  = "Execute"
	commandFunction = "FunctionCall"
	commandParse    = "Parse"
	commandDescribe = "Describe"
	commandBind     = "Bind"
	commandClose    = "Close"
	commandSync     = "Sync" // alone, reported when it fails
)

// exchange is a request that waits for its answer.
type exchange struct {
	command string
	statement
	user        string
	group, turn uint32 // that it belongs to
	silent      bool   // a Sync alone: there is nothing to report
	todo, syncs int    // Executes and Syncs (or their like) whose end is still to come
	replies     int    // due to the messages of a lead
	copying     bool   // an Execute that takes data from the client, who has not
	copied      bool   // said yet that this was all, or has

	at, begun         uint64 // position of its first byte, and what Env.Begin said
	start, requestEnd time.Duration
	response, end     time.Duration
	sent, received    uint64

	status, condition string
	failed, skipped   bool
	done              int // statements that have completed
	tag               tag // of the last that did
	rows              [3]uint64
	seen              uint64 // DataRows
	told              uint64 // those of them whose statement has completed
	known             bool   // rows are
}

// tag is what a CommandComplete counts.
type tag uint8

const (
	tagNone tag = iota
	tagReturned
	tagAffected
)

// extend adds a message of the client.
func (e *exchange) extend(f *protocol.Frame) {
	if e.sent == 0 {
		e.at, e.start = f.At, f.Start
	}
	e.requestEnd = max(e.requestEnd, f.End)
	e.sent += f.Size
}

// answer adds a message of the server.
func (e *exchange) answer(f *protocol.Frame) {
	if e.response == 0 {
		e.response = f.Start
	}
	e.end = f.End
	e.received += f.Size
}

// push makes e wait for its answer. A client that asks for more before it has the answer to what it asked in an earlier
// turn does not wait.
func (c *conn) push(e exchange) {
	if !e.silent && c.queue.Len() < MaxPending {
		c.trace(&e, c.blind)
	}
	if c.blind {
		if !e.silent {
			c.emit(&e, "lost", e.requestEnd)
		}
		return
	}
	if front := c.queue.Front(); front != nil && front.turn != e.turn && front.group != e.group {
		c.overlaps = true
	}
	if c.queue.Len() >= MaxPending {
		c.merge(&e)
		return
	}
	c.queue.Push(e)
	c.most = max(c.most, c.queue.Len())
}

// trace begins e for who traces. It is late where it is over already.
func (c *conn) trace(e *exchange, late bool) {
	if c.env.Begins(e.begun) {
		e.begun = c.env.Begin(protocol.Begin{Dir: c.client, At: e.at, Start: e.start, Fields: e.fields, Late: late})
	}
}

// merge adds e to the newest request that waits: its answer ends both.
func (c *conn) merge(e *exchange) {
	last := c.newest()
	last.batch = max(last.batch, 1) + max(e.batch, 1)
	last.requestEnd = max(last.requestEnd, e.requestEnd)
	last.sent += e.sent
	last.todo += e.todo
	last.syncs += e.syncs
	last.group = e.group
	last.silent = last.silent && e.silent
}

// newest returns the request that was pushed last, nil when none waits.
func (c *conn) newest() *exchange { return c.queue.At(c.queue.Len() - 1) }

// finish reports the oldest request.
func (c *conn) finish() {
	e, ok := c.queue.Pop()
	if !ok {
		return
	}
	switch {
	case e.silent && !e.failed:
	case e.skipped:
		c.emit(&e, "skipped", e.end)
	default:
		c.emit(&e, "", e.end)
	}
	if c.queue.Len() == 0 {
		if c.most > manyPending {
			c.queue = protocol.NewInOrder[exchange](MaxPending + 1)
		}
		c.most = 0
	}
}

// giveUp reports all that wait as incomplete. One whose error was seen has ended with it.
func (c *conn) giveUp(reason string, at time.Duration) {
	for e, ok := c.queue.Pop(); ok; e, ok = c.queue.Pop() {
		switch {
		case e.failed && !e.skipped:
			c.emit(&e, "", e.end)
		case !e.silent:
			c.emit(&e, reason, max(at, e.requestEnd, e.end))
		}
	}
	c.unconfirmed = c.unconfirmed[:0]
}

// emit reports e, as incomplete when there is a reason.
func (c *conn) emit(e *exchange, reason string, end time.Duration) {
	c.fit.Yes()
	c.trace(e, true)
	c.db = model.DB{
		System: c.system, Command: e.command, Namespace: c.database, Summary: e.summary, Query: e.text, Procedure: e.procedure,
		QueryCut: e.cut, Statement: e.name, Status: e.status, Message: e.condition, User: e.user,
	}
	if batch := max(e.batch, e.done); batch > 1 {
		c.db.Batch = batch
	}
	if e.known && reason == "" && !e.failed {
		c.db.Rows, c.db.RowsKnown, c.db.RowsAffected = int64(e.rows[e.tag]), true, e.tag == tagAffected
	}
	c.request = model.Request{
		Protocol: model.ProtocolPostgreSQL, Role: protocol.RoleOf(c.client), Reason: reason,
		Start: e.start, RequestEnd: e.requestEnd, ResponseStart: e.response, End: end,
		RequestBytes: e.sent, ResponseBytes: e.received, Fields: e.fields, Begun: e.begun, DB: &c.db,
	}
	switch {
	case reason != "":
		c.request.Outcome = model.OutcomeIncomplete
	case e.failed:
		c.request.Outcome, c.request.ErrorType = model.OutcomeError, e.status
	}
	c.env.Emit(&c.request)
}

// oneWay reports a message that has no answer.
func (c *conn) oneWay(command string, f *protocol.Frame) {
	c.fit.Yes()
	begun := uint64(0)
	if c.env.Begins(begun) {
		begun = c.env.Begin(protocol.Begin{Dir: c.client, At: f.At, Start: f.Start, Late: true})
	}
	c.db = model.DB{System: c.system, Command: command, Namespace: c.database}
	c.request = model.Request{
		Protocol: model.ProtocolPostgreSQL, Role: protocol.RoleOf(c.client), OneWay: true,
		Start: f.Start, RequestEnd: f.End, End: f.End, RequestBytes: f.Size, Begun: begun, DB: &c.db,
	}
	c.env.Emit(&c.request)
}

// read sanitises a text of the client.
func (c *conn) read(query []byte, prepared, cut bool) statement {
	st := c.shared.text.Read(query, sql.Source{
		Dialect: sql.PostgreSQL, Prepared: prepared, Cut: cut, OtherEscapes: c.otherEscapes,
	})
	return statement{
		text: st.Text, summary: st.Summary, procedure: st.Procedure, cut: st.Cut, batch: st.Statements,
		fields: sql.Context(st.Comment), group: c.groups,
	}
}
