// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

func (c *conn) feedBack(p []byte, t time.Duration) {
	if c.back.Lost() {
		c.feedTail(p, t)
		return
	}
	n := 0
	if partial := c.back.Partial(); partial != nil && partial.Size == 0 {
		n = copy(c.headless[:], partial.Head)
	}
	c.fed += uint64(len(p))
	c.back.Pos = c.pos[c.client.Other()] - uint64(len(p))
	c.back.Feed(p, t)
	if !c.back.Lost() || c.phase == phaseOver {
		return
	}
	if c.fit == protocol.FitOpen {
		c.fit.No()
		return
	}
	c.lost()
	c.backLost = true
	strange := int(c.fed - c.counted)
	c.counted = c.fed
	if strange > len(p) {
		c.feedTail(c.headless[:n], t)
	}
	c.feedTail(p[max(0, len(p)-strange):], t)
}

// skipBack passes over a gap.
func (c *conn) skipBack(n uint64, t time.Duration) {
	c.tail.reset()
	if c.back.Lost() {
		c.uncounted(n, t)
		return
	}
	c.fed += n
	c.back.Skip(n, t)
	if c.back.Lost() {
		c.loseBack(t)
	}
}

// loseBack is called when the answers have come out of step.
func (c *conn) loseBack(t time.Duration) {
	c.lost()
	c.backLost = true
	c.uncounted(c.fed-c.counted, t)
	c.counted = c.fed
}

// uncounted adds bytes that belong to no message that was seen to the request at hand.
func (c *conn) uncounted(n uint64, t time.Duration) {
	if e := c.queue.Front(); e != nil && n > 0 {
		if e.response == 0 {
			e.response = t
		}
		e.end = t
		e.received += n
	}
}

func (c *conn) measureBack(p []byte) (uint64, protocol.State) {
	if e := c.queue.Front(); e != nil && (e.command == commandSSL || e.command == commandGSS) && p[0] != 'E' {
		return 1, state(p[0] == 'S' || p[0] == 'N' || p[0] == 'G')
	}
	return backSize(p)
}

// takeBack takes a message of the server.
func (c *conn) takeBack(f *protocol.Frame) {
	c.counted += f.Size
	if c.fit == protocol.FitNo {
		return
	}
	if c.env.Marks != nil {
		c.markBack(f)
	}
	e := c.queue.Front()
	if e != nil && f.Size == 1 {
		c.encryption(e, f)
		return
	}
	body := f.Head[min(len(f.Head), header):]
	kind := f.Head[0]
	if backMessage(f.Head, f.Whole) == protocol.Invalid && c.fit == protocol.FitOpen {
		c.fit.No()
		return
	}
	if e != nil || kind == 'Z' {
		c.fit.Yes()
	}
	if kind == 'S' {
		c.parameter(body)
	}
	if e == nil && c.hasLead && c.flushed && kind != 'A' && kind != 'N' && kind != 'S' {
		c.flushLead()
		e = c.queue.Front()
	}
	if e == nil || kind == 'A' && e.response == 0 {
		return
	}
	if kind != 'Z' || e.syncs > 0 || rank(e.command) < 0 { // else the Sync was sent when the error was there
		e.answer(f)
	}
	switch kind {
	case 'D':
		e.seen++
	case '1':
		if c.parses--; c.parses < 0 { // to a Parse that was not seen
			c.parses = 0
			c.forget()
		}
		if len(c.unconfirmed) > 0 {
			c.unconfirmed = c.unconfirmed[:copy(c.unconfirmed, c.unconfirmed[1:])]
		}
		c.replied(e)
	case '2', '3', 'n', 'T':
		c.replied(e)
	case 'G', 'W':
		if kind == 'G' { // the answer is what comes when the client has sent its data
			e.response = 0
			c.copyIn(e)
		}
	case 'C':
		e.complete(body)
		c.completed(e)
	case 'I':
		c.completed(e)
	case 's':
		e.tag, e.known, e.rows[tagReturned], e.told = tagReturned, true, e.seen, e.seen
		c.completed(e)
	case 'E':
		c.failure(body)
	case 'Z':
		c.ready(f)
	}
}

// encryption takes the one byte that answers SSLRequest and GSSENCRequest.
func (c *conn) encryption(e *exchange, f *protocol.Frame) {
	c.fit.Yes()
	e.answer(f)
	tls, accepted := e.command == commandSSL, f.Head[0] != 'N'
	c.finish()
	if !accepted {
		return
	}
	c.pass()
	c.back.Lose()
	if tls {
		base := c.pos
		c.inner = c.env.Open("tls", protocol.Start{Client: c.client, Base: base})
	}
}

// parameter takes what the server says of the session.
func (c *conn) parameter(body []byte) {
	name, rest, ok := text(body)
	value, _, ended := text(rest)
	if !ok || !ended {
		return
	}
	switch string(name) {
	case "standard_conforming_strings":
		c.otherEscapes = string(value) == "off"
	case "crdb_version":
		c.system = "cockroachdb"
	}
}

// complete reads the tag of a CommandComplete: a command and, behind the last space, a count.
func (e *exchange) complete(body []byte) {
	s, _, ok := text(body)
	if !ok {
		return
	}
	e.done++
	rows := e.seen - e.told
	e.told = e.seen
	i := bytes.LastIndexByte(s, ' ')
	n, counted := number(s[i+1:])
	if i < 0 || !counted {
		if e.tag, e.known = tagReturned, rows > 0; e.known { // SHOW, EXPLAIN
			e.rows[tagReturned] += rows
		}
		return
	}
	e.tag = tagAffected
	word, _, _ := bytes.Cut(s, []byte(" "))
	if rows > 0 && string(word) != "COPY" || n == 0 && string(word) == "SELECT" || string(word) == "FETCH" { // CREATE TABLE AS has the tag of a SELECT
		e.tag = tagReturned
	}
	e.known = true
	e.rows[e.tag] += n
}

func number(b []byte) (n uint64, ok bool) {
	for _, d := range b {
		if d < '0' || d > '9' || n > 1<<60/10 {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, len(b) > 0
}

// copyIn takes the server's readiness for the data of a COPY. Behind an Execute it ignores the Syncs that come before the end
// of the data ("Message Flow, COPY Operations").
func (c *conn) copyIn(e *exchange) {
	if e.command != commandExecute {
		return
	}
	if e.copying = true; !e.copied {
		e.syncs = 0
	}
}

// replied is called when a message of a lead was answered. One that no Sync ends is over when all of them are.
func (c *conn) replied(e *exchange) {
	if e.replies--; e.replies == 0 && e.syncs == 0 && rank(e.command) >= 0 {
		c.finish()
	}
}

// completed is called when a statement has ended. An Execute that no Sync follows directly is done.
func (c *conn) completed(e *exchange) {
	e.todo = max(0, e.todo-1)
	if e.command == commandExecute && e.todo == 0 && e.syncs == 0 {
		c.finish()
	}
}

// failure takes an error: of the request at hand, and the end of the connection when it is fatal.
func (c *conn) failure(body []byte) {
	e := c.queue.Front()
	if e == nil {
		return
	}
	fatal := false
	for len(body) > 0 && body[0] != 0 {
		value, rest, ok := text(body[1:])
		switch body[0] {
		case 'S', 'V': // S is translated, V came with 9.6
			fatal = fatal || string(value) == "FATAL" || string(value) == "PANIC"
		case 'C':
			if len(value) == 5 {
				e.status = c.name(value)
			}
		}
		if body = rest; !ok {
			break
		}
	}
	e.failed = e.status == "" || e.status[:2] != "00" && e.status[:2] != "01"
	e.condition = condition(e.status)
	e.todo = 0
	for _, name := range c.unconfirmed { // neither they nor what follows was prepared
		c.statements.Take(name)
	}
	c.unconfirmed, c.parses = c.unconfirmed[:0], 0
	if e.command != commandQuery {
		c.unnamed = statement{}
	}
	if fatal || e.command == commandStartup || e.command == commandSSL || e.command == commandGSS {
		c.finish()
	}
}

// ready takes a ReadyForQuery: it ends the requests up to the next Sync.
func (c *conn) ready(f *protocol.Frame) {
	skips := false // an error behind which the server passes over everything but a Sync
	for first := true; ; first = false {
		e := c.queue.Front()
		if e == nil {
			return
		}
		if simple := e.command == commandQuery || e.command == commandFunction; simple && skips {
			e.end, e.skipped = f.End, true
			c.finish()
			continue
		} else if !simple {
			skips = skips || e.failed && e.syncs == 0
		}
		if !first { // behind an error, or a Sync that was not seen
			e.end = f.End
			e.skipped = e.todo > 0
		}
		e.todo = 0
		if e.syncs > 1 {
			e.syncs--
			return
		}
		last := e.syncs == 1
		c.finish()
		if last {
			return
		}
	}
}

// tail is what has passed lately of answers that are out of step.
type tail struct {
	kept []byte
}

const tailSize = 32 // bytes: the count of a tag and a ReadyForQuery

func (t *tail) reset() { t.kept = t.kept[:0] }

var readyForQuery = []byte{0, 'Z', 0, 0, 0, 5}

// feedTail looks for the end of an answer whose beginning was not followed: the last letters of a CommandComplete and a
// ReadyForQuery.
func (c *conn) feedTail(p []byte, t time.Duration) {
	for len(p) > 0 {
		n := min(len(p), 4096)
		before := len(c.tail.kept)
		c.tail.kept = append(c.tail.kept, p[:n]...)
		if end := c.tail.find(); end > 0 {
			c.uncounted(uint64(end-before), t)
			c.markEnd(c.tail.kept[:end], c.pos[c.client.Other()]-uint64(len(p)-(end-before)))
			c.endLost(c.tail.kept[:end], t)
			c.tail.reset()
			if rest := p[end-before:]; len(rest) > 0 {
				c.feedBack(rest, t)
			}
			return
		}
		c.uncounted(uint64(n), t)
		if over := len(c.tail.kept) - tailSize; over > 0 {
			c.tail.kept = c.tail.kept[:copy(c.tail.kept, c.tail.kept[over:])]
		}
		p = p[n:]
	}
}

// find returns where an end lies, 0 when there is none.
func (t *tail) find() int {
	for from := 1; ; {
		i := bytes.Index(t.kept[min(from, len(t.kept)):], readyForQuery)
		if i < 0 {
			return 0
		}
		i += from
		end := i + len(readyForQuery) + 1
		if end > len(t.kept) {
			return 0
		}
		status, before := t.kept[end-1], t.kept[i-1]
		letter := '0' <= before && before <= '9' || 'A' <= before && before <= 'Z'
		if letter && (status == 'I' || status == 'T' || status == 'E') {
			return end
		}
		from = i + 1
	}
}

// endLost ends the request whose answer was out of step, at the end of kept.
func (c *conn) endLost(kept []byte, t time.Duration) {
	c.back.Resync()
	c.fed, c.counted = 0, 0
	syncs := 0
	for i := range c.queue.Len() {
		syncs += c.queue.At(i).syncs
	}
	if c.front.Lost() || syncs != 1 || c.newest().syncs != 1 { // which of them has ended cannot be told
		c.giveUp("lost", t)
		return
	}
	for c.queue.Len() > 1 {
		e, _ := c.queue.Pop()
		c.queue.Front().received += e.received
		e.received = 0
		c.emit(&e, "lost", t)
	}
	e := c.queue.Front()
	if tag, n := tailCount(kept); tag != tagNone && e.done == 0 {
		e.known, e.tag, e.rows[tag] = true, tag, n
	} else {
		e.known = false
	}
	c.damaged = false
	c.finish()
}

// tailCount returns the rows of a SELECT or COPY whose tag stands before the ReadyForQuery that ends kept. Other tags may
// be of statements that return rows too.
func tailCount(kept []byte) (tag, uint64) {
	word, kind := kept[:len(kept)-len(readyForQuery)-1], tagReturned
	i := bytes.LastIndexByte(word, ' ')
	if i < 0 {
		return tagNone, 0
	}
	if bytes.HasSuffix(word[:i], []byte("COPY")) {
		kind = tagAffected
	} else if !bytes.HasSuffix(word[:i], []byte("SELECT")) {
		return tagNone, 0
	}
	n, ok := number(word[i+1:])
	if !ok {
		return tagNone, 0
	}
	return kind, n
}
