// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"strconv"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// statement is what is kept of a text.
type statement struct {
	text, summary, procedure string
	cut                      bool
	batch                    int
	id                       uint32        // the server's number, 0 when not known
	fields                   []model.Field // of the trace that it was sent in; not those of later uses
}

// exchange is a request that waits for its answer.
type exchange struct {
	command, operation string
	statement
	user, database string // that it makes the connection's
	switches       bool   // database is to be taken over
	collection     string
	turn           uint32

	origin
	begun             uint64 // what Env.Begin said
	start, requestEnd time.Duration
	response, end     time.Duration
	sent, received    uint64

	seq     uint8 // of the next packet
	reading reading
	left    int // definitions that are still to come
	columns int // of a prepared statement

	code         uint16
	status, name string
	failed       bool
	uncertain    bool // its end was not told by a packet: the next turn of the client does
	affected     uint64
	rows         uint64
	returns      bool // the last result had rows
	counted      bool // rows are known
	holed        bool // but for those in a gap
	results      int
}

// push makes e wait for its answer. A client that asks for more before it has the answer to what it asked in an earlier
// turn does not wait.
func (c *conn) push(e exchange) {
	c.trace(&e, c.blind || c.queue.Len() >= MaxPending)
	if c.blind {
		c.emit(&e, "lost", e.requestEnd)
		return
	}
	if front := c.queue.Front(); front != nil && front.turn != e.turn {
		c.overlaps = true
	}
	if c.queue.Len() >= MaxPending { // answers could not be told from each other any more
		c.giveUp("pipeline_limit", e.requestEnd)
		c.emit(&e, "pipeline_limit", e.requestEnd)
		c.blind = true
		return
	}
	c.queue.Push(e)
	c.most = max(c.most, c.queue.Len())
}

// trace begins e for who traces. It is late where it is over already.
func (c *conn) trace(e *exchange, late bool) {
	if c.env.Begins(e.begun) {
		e.begun = c.env.Begin(protocol.Begin{
			Dir: c.client, At: e.at, Stream: e.offset, Start: e.start, Fields: e.fields, Late: late,
		})
	}
}

// finish reports the oldest request.
func (c *conn) finish() {
	e, ok := c.queue.Pop()
	if !ok {
		return
	}
	if e.switches && !e.failed {
		c.database = e.database
	}
	c.emit(&e, "", e.end)
	if c.queue.Len() == 0 {
		if c.most > manyPending {
			c.queue = protocol.NewInOrder[exchange](MaxPending)
		}
		c.most = 0
	}
}

// giveUp reports all that wait as incomplete. One whose error was seen has ended with it.
func (c *conn) giveUp(reason string, at time.Duration) {
	for e, ok := c.queue.Pop(); ok; e, ok = c.queue.Pop() {
		if e.failed || e.uncertain {
			if e.switches && !e.failed {
				c.database = e.database
			}
			c.emit(&e, "", e.end)
			continue
		}
		if c.emit(&e, reason, max(at, e.requestEnd, e.end)); e.switches { // whether it did
			c.database = ""
		}
	}
}

// statementID returns the text of a statement's number.
func (c *conn) statementID(id uint32) string {
	if id == 0 {
		return ""
	}
	c.number = strconv.AppendUint(c.number[:0], uint64(id), 10)
	return c.text.Intern(c.number)
}

// emit reports e, as incomplete when there is a reason.
func (c *conn) emit(e *exchange, reason string, end time.Duration) {
	c.fit.Yes()
	c.trace(e, true)
	c.db = model.DB{
		System: c.system, Command: e.command, Operation: e.operation, Namespace: c.database, Summary: e.summary, Query: e.text,
		Procedure: e.procedure, QueryCut: e.cut, Status: e.status, Message: e.name, User: e.user, Collection: e.collection,
	}
	if e.switches && e.text == "" {
		c.db.Namespace = e.database
	}
	c.db.Statement = c.statementID(e.id)
	if e.batch > 1 && (e.results != 1 || reason != "") { // with one result, they are the statements of a procedure's body
		c.db.Batch = e.batch
	}
	if e.counted && !e.holed && reason == "" && !e.failed {
		c.db.Rows, c.db.RowsKnown, c.db.RowsAffected = int64(min(e.affected, 1<<62)), true, true
		if e.returns {
			c.db.Rows, c.db.RowsAffected = int64(min(e.rows, 1<<62)), false
		}
	}
	c.request = model.Request{
		Protocol: model.ProtocolMySQL, Role: protocol.RoleOf(c.client), Reason: reason,
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

// oneWay reports a command that has no answer.
func (c *conn) oneWay(e *exchange) {
	c.trace(e, true)
	c.db = model.DB{System: c.system, Command: e.command, Operation: e.operation, Namespace: c.database}
	c.db.Query, c.db.Summary, c.db.QueryCut, c.db.Statement = e.text, e.summary, e.cut, c.statementID(e.id)
	c.request = model.Request{
		Protocol: model.ProtocolMySQL, Role: protocol.RoleOf(c.client), OneWay: true,
		Start: e.start, RequestEnd: e.requestEnd, End: e.requestEnd, RequestBytes: e.sent, Begun: e.begun, DB: &c.db,
	}
	c.fit.Yes()
	c.env.Emit(&c.request)
}

// read sanitises a text of the client.
func (c *conn) read(query []byte, prepared, cut bool) (statement, string) {
	st := c.text.Read(query, sql.Source{Dialect: sql.MySQL, Prepared: prepared, Cut: cut, OtherEscapes: c.otherEscapes})
	s := statement{
		text: st.Text, summary: st.Summary, procedure: st.Procedure, cut: st.Cut, batch: st.Statements,
		fields: sql.Context(st.Comment),
	}
	if s.batch < 2 {
		s.batch = 0
	}
	return s, st.Use
}
