// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strconv"
	"strings"
	"time"

	"sonde/agent/protocol"
)

// request is a command that waits for its answer.
type request struct {
	command                           *command
	operation, query, procedure, user string

	at, begun  uint64 // position of its first byte, and what Env.Begin said
	start, end time.Duration
	bytes      uint64
	keys       int
	args       int
	db         int32 // that it selects, noDB for other commands
	cut        bool
	oneWay     bool

	answers                int // that have come
	answerStart, answerEnd time.Duration
	answerBytes            uint64
	batch                  int
	status                 string
}

func (r *request) is(name string) bool { return r.command != nil && r.command.upper == name }

// endCommand makes a request of the command that was read.
func (c *conn) endCommand(t time.Duration) {
	d := &c.requests.draft
	r := request{
		command: d.command, operation: d.operation, query: d.text(), procedure: d.procedure, user: d.user,
		at: d.at, start: d.start, end: t, bytes: d.bytes, args: d.args, db: d.db, cut: d.cut || d.next < d.args,
	}
	if d.command != nil && d.command.several() {
		r.keys = d.keys
	}
	if c.requests.array && (d.command != nil || !c.joined) && d.operation != "" {
		c.fit = fitYes
	}
	d.open, d.args, c.requests.inBulk = false, 0, false
	if d.ack { // a replica to its master: never answered
		c.replication()
		return
	}
	silent := c.silence(&r, d.mode)
	c.queues(&r)
	if silent {
		r.oneWay = true
		c.fit = fitYes
		if c.selects(&r); r.db != noDB && c.dialogue.Waiting() > 0 { // those that wait are about the database before
			c.db = noDB
		}
		c.report(&r, "")
		return
	}
	c.trace(&r, c.dialogue.Blind())
	c.dialogue.Ask(r)
}

// trace begins a request for who traces. It is late where it is over already.
func (c *conn) trace(r *request, late bool) {
	if c.shared.env.Begins(r.begun) {
		r.begun = c.shared.env.Begin(protocol.Begin{Dir: c.client, At: r.at, Start: r.start, Late: late})
	}
}

// silence follows CLIENT REPLY and tells whether the command has no answer.
func (c *conn) silence(r *request, mode byte) bool {
	if mode == 0 || c.multi {
		silent := c.silent || c.skip
		c.skip = false
		if r.is("RESET") {
			c.silent = false
		}
		return silent
	}
	switch mode {
	case 'o':
		c.silent, c.skip = false, false
		return false
	case 'f':
		c.silent = true
	case 's':
		c.skip = !c.silent
	}
	return true
}

// queues follows transactions: what they hold takes effect with EXEC.
func (c *conn) queues(r *request) {
	switch {
	case r.is("MULTI"):
		c.multi = true
	case r.is("EXEC"), r.is("DISCARD"), r.is("RESET"):
		c.multi = false
	}
}

// selects follows what a command that succeeded does to the connection.
func (c *conn) selects(r *request) {
	switch {
	case r.db != noDB:
		c.db = r.db
	case r.is("EXEC"):
		if c.queuedDB != noDB {
			c.db = c.queuedDB
		}
		c.queuedDB = noDB
	case r.is("DISCARD"), r.is("MULTI"):
		c.queuedDB = noDB
	case r.is("RESET"):
		c.db, c.queuedDB, c.monitor, c.channels = 0, noDB, false, [3]int{}
	case r.is("MONITOR"):
		c.monitor = true
	}
}

// answered takes a complete answer.
func (c *conn) answered(a *answer) {
	if c.unasked(a) {
		return
	}
	r := c.dialogue.Next()
	if r == nil {
		if c.fit == fitOpen && !c.joined {
			c.fit = fitNo
			return
		}
		c.dialogue.Extra()
		return
	}
	if c.fit == fitOpen && !c.settleFit(r, a) {
		return
	}
	if c.dialogue.Suspect() && !possible(r, a) {
		c.shared.resync()
		c.dialogue.Mismatch()
		return
	}
	c.finish(r, a)
}

// finish gives a request its answer.
func (c *conn) finish(r *request, a *answer) {
	r.add(a)
	queued := a.kind == '+' && string(a.first()) == "QUEUED"
	switch {
	case a.kind == errLine || a.kind == errBulk:
		r.status = c.shared.prefix(a.first())
		if r.is("EXEC") {
			c.queuedDB = noDB
		}
	case r.is("EXEC"):
		if a.elements == 0 { // null: nothing of it was done
			c.queuedDB = noDB
		}
		if a.elements > 1 {
			r.batch = int(min(a.elements, maxArgs))
		}
		if a.fails > 0 {
			r.status = c.shared.prefix(a.failed[:a.fails])
		}
		selected := c.queuedDB != noDB
		if c.selects(r); selected && a.fails > 0 { // it may have been the SELECT that failed
			c.db = noDB
		}
	case queued && r.db != noDB:
		c.queuedDB = r.db
	case queued:
	default:
		c.selects(r)
	}
	leads := a.kind == '+' && (r.is("PSYNC") || r.is("SYNC"))
	c.dialogue.Answered()
	if leads {
		c.replication()
	}
}

// unanswered takes back what is known of the database when a request that may have changed it has no answer.
func (c *conn) unanswered(r *request) {
	if r.db != noDB || r.is("EXEC") && c.queuedDB != noDB || r.is("RESET") {
		c.db = noDB
	}
	if r.is("EXEC") || r.is("DISCARD") || r.is("RESET") {
		c.queuedDB = noDB
	}
}

func (r *request) add(a *answer) {
	if r.answers == 0 {
		r.answerStart = a.start
	}
	r.answers++
	r.answerEnd = a.end
	r.answerBytes += a.bytes
}

// replication ends what is followed: commands pass from the server to the client now.
func (c *conn) replication() {
	c.fit = fitYes
	if c.dialogue.Waiting() == 0 {
		c.dialogue.Close("lost")
	}
	c.dialogue.Release()
	c.over = true
}

// settleFit decides whether an inline command and its answer are Redis, for which the answer to an unknown word must be one
// that other protocols of lines do not give.
func (c *conn) settleFit(r *request, a *answer) bool {
	chatty := a.kind == '+' && strings.HasPrefix(string(a.first()), "OK ") // POP3 says more than Redis does
	known := r.command != nil && possible(r, a) && !chatty
	if known || a.kind != '+' && a.kind != errLine || strings.HasPrefix(string(a.first()), "ERR ") {
		c.fit = fitYes
		return true
	}
	c.fit = fitNo
	return false
}

// possible tells whether the command can have this answer.
func possible(r *request, a *answer) bool {
	if r.command == nil || r.command.answers == "" || a.kind == errLine || a.kind == errBulk {
		return true
	}
	if a.kind == '+' && string(a.first()) == "QUEUED" {
		return true
	}
	return strings.IndexByte(r.command.answers, a.kind) >= 0
}

// unasked tells whether an answer belongs to no command, or is one of several to a SUBSCRIBE, which it takes.
func (c *conn) unasked(a *answer) bool {
	aggregate := a.kind == '*' || a.kind == pushType
	if c.monitor && a.kind == '+' && a.words > 0 && a.word[0] >= '0' && a.word[0] <= '9' {
		return true
	}
	if !aggregate || a.words == 0 {
		return a.kind == pushType
	}
	word := string(a.first())
	switch kind, more := subscription(word); {
	case kind >= 0 && a.elements == 3 && a.third == ':':
		c.subscribed(a, word, kind, more)
		return true
	case a.kind == pushType:
		return true
	case word == "REPLCONF" || word == "replconf":
		c.replication()
		return true
	}
	if a.elements == 3 && (word == "message" || word == "smessage") || a.elements == 4 && word == "pmessage" {
		return c.channels != [3]int{} || c.dialogue.Waiting() == 0
	}
	return false
}

// subscription tells what a confirmation is about: 0 channels, 1 patterns, 2 shard channels, -1 none of them.
func subscription(word string) (kind int, more bool) {
	switch {
	case strings.HasPrefix(word, "p"):
		kind, word = 1, word[1:]
	case strings.HasPrefix(word, "ss"), strings.HasPrefix(word, "sun"):
		kind, word = 2, word[1:]
	}
	verb, un := strings.CutPrefix(word, "un")
	if verb != "subscribe" {
		return -1, false
	}
	return kind, !un
}

// subscribed takes the confirmation of one subscription. Channels and patterns are counted together (RESP2).
func (c *conn) subscribed(a *answer, word string, kind int, more bool) {
	r := c.dialogue.Next()
	if r == nil || !equalFold([]byte(word), r.operationUpper()) {
		r = nil
	}
	due := 1
	if r != nil {
		if due = r.args - 1; due <= 0 {
			due = max(1, c.channels[kind]+r.answers)
		}
	}
	c.count(a.number, kind, more)
	if r == nil {
		return
	}
	if c.fit == fitOpen {
		c.fit = fitYes
	}
	if r.answers+1 < due {
		r.add(a)
		return
	}
	c.finish(r, a)
}

// count follows how many subscriptions there are, so that UNSUBSCRIBE without channels has an end.
func (c *conn) count(number, kind int, more bool) {
	if number < 0 {
		return
	}
	others := 0
	if kind < 2 {
		others = c.channels[1-kind]
	}
	c.channels[kind] = max(0, number-others)
	if number == 0 && kind < 2 {
		c.channels[0], c.channels[1] = 0, 0
	}
}

func (r *request) operationUpper() string {
	if r.command == nil {
		return ""
	}
	return r.command.upper
}

var indexes = [...]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}

// namespace is the database that a request is about: for SELECT the one that it asks for.
func namespace(r *request, db int32) string {
	if r.db != noDB {
		db = r.db
	}
	switch {
	case db < 0:
		return ""
	case int(db) < len(indexes):
		return indexes[db]
	}
	return strconv.Itoa(int(db))
}
