// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"strings"

	"sonde/agent/protocol"
)

// A recording keeps what is reported, lengths, and the words by which answers are told apart. Arguments, strings, numbers and
// messages are hidden.

// between tells whether the next byte begins a line or an argument.
func (q *requests) between() bool {
	if q.inBulk {
		return q.left == q.size+2
	}
	return q.line.size == 0
}

func (r *replies) between() bool {
	if r.inBulk {
		return r.left == r.size+2
	}
	return r.line.size == 0
}

// stand says where the directions stand now that the client is known: n bytes of d are still to be read.
func (c *conn) stand(d protocol.Dir, n uint64) {
	other := d.Other()
	c.hidePassed(other)
	at := [2]uint64{}
	at[d], at[other] = c.passing[d]-n, c.passing[other]
	c.requests.pos, c.replies.pos = at[c.client], at[c.client.Other()]
	c.requests.from, c.replies.from = c.requests.pos, c.replies.pos
}

// hidePassed hides what passed in a direction that nobody could read. Zeros are read by nobody either.
func (c *conn) hidePassed(d protocol.Dir) {
	if m := c.shared.env.Marks; m != nil && c.hidden[d] < c.passing[d] {
		m.Hide(d, c.hidden[d], c.passing[d], protocol.FillZero)
		m.Settle(d, c.passing[d])
	}
	c.hidden[d] = c.passing[d]
}

// markPassed settles what was read of a direction.
func (c *conn) markPassed(d protocol.Dir) {
	m := c.shared.env.Marks
	if m == nil || c.fit == fitNo {
		return
	}
	q, r := &c.requests, &c.replies
	switch {
	case !c.known:
		if c.passed {
			c.hidePassed(d)
		}
		return
	case c.over:
		c.hideFrom(d, &q.from, &r.from, c.passing[d])
	case d == c.client && q.lost, d != c.client && r.lost:
		c.hideFrom(d, &q.from, &r.from, c.passing[d])
	}
	switch {
	case d == c.client && !q.between():
		m.Settle(d, q.from)
	case d != c.client && !r.between() && !r.streams():
		m.Settle(d, r.from)
	default:
		m.Settle(d, c.passing[d])
	}
}

// hideFrom hides what comes behind what was marked last, up to a position.
func (c *conn) hideFrom(d protocol.Dir, request, reply *uint64, to uint64) {
	from := reply
	if d == c.client {
		from = request
	}
	if *from < to {
		c.shared.env.Marks.Hide(d, *from, to, protocol.FillAll)
		*from = to
	}
}

// markRequest marks a line or argument of the client that ended with p, and one that turned out to be none.
func (c *conn) markRequest(p []byte, argument bool) {
	m, q := c.shared.env.Marks, &c.requests
	if m == nil || c.fit == fitNo || len(p) == 0 {
		return
	}
	switch {
	case argument && q.lost:
		m.Hide(c.client, q.from, q.pos, protocol.FillAll)
	case argument && q.left == 0:
		c.markWord(q.from, q.size)
	case q.lost:
		c.markWrong(p)
	case !argument && q.line.size == 0 && !q.array:
		if end := q.pos - 1; q.from+maxInline < end {
			m.Hide(c.client, q.from+maxInline, end, protocol.FillAll)
		}
	}
	if q.lost {
		q.from = q.pos
	}
}

// markWrong hides a line that is none of a command: neither is what is written in its place.
func (c *conn) markWrong(p []byte) {
	m, q := c.shared.env.Marks, &c.requests
	end := q.pos
	if p[len(p)-1] == '\n' {
		end--
	}
	if n := int(end - q.from); q.draft.args == 0 && !q.array && n <= maxInline {
		m.Replace(c.client, q.from, bytes.Repeat([]byte{'0'}, n))
		return
	}
	m.Hide(c.client, min(q.from+1, end), end, protocol.FillAll)
}

// markWord hides the argument that was read last, unless it is kept. One that stands for no name must not become one.
func (c *conn) markWord(at, size uint64) {
	m, d := c.shared.env.Marks, &c.requests.draft
	switch {
	case m == nil:
	case d.kept:
		if size > MaxArgument {
			m.Hide(c.client, at+MaxArgument, at+size, protocol.FillAll)
		}
	case d.next == 1:
		m.Replace(c.client, at, bytes.Repeat([]byte{'0'}, int(min(size, maxName))))
		if size > maxName {
			m.Hide(c.client, at+maxName, at+size, protocol.FillAll)
		}
	default:
		m.Hide(c.client, at, at+size, protocol.FillAll)
	}
}

// markCut hides the line, argument or string at hand, whose end is not seen.
func (c *conn) markCut(d protocol.Dir) {
	m := c.shared.env.Marks
	if m == nil || !c.known || c.over {
		return
	}
	q, r := &c.requests, &c.replies
	from, pos, between, line := q.from, q.pos, q.between() || q.lost, !q.inBulk
	if d != c.client {
		from, pos, between, line = r.from, r.pos, r.between() || r.lost, !r.inBulk
	}
	if between {
		return
	}
	if line { // the type of what is cut is known
		from++
	}
	if from < pos {
		m.Hide(d, from, pos, protocol.FillAll)
	}
	m.Settle(d, pos)
}

// streams tells whether the string at hand is hidden as it passes: it may be long.
func (r *replies) streams() bool { return r.inBulk && r.plain }

// markReply marks what passed of a string, and what turned out to be no answer.
func (c *conn) markReply(p []byte, value bool) {
	m, r := c.shared.env.Marks, &c.replies
	if m == nil || c.fit == fitNo {
		return
	}
	d, at := c.client.Other(), r.pos-uint64(len(p))
	switch {
	case r.lost && value:
		m.Hide(d, r.from, r.pos, protocol.FillAll)
		r.from = r.pos
	case r.lost:
		end := r.pos
		if len(p) > 0 && p[len(p)-1] == '\n' && bytes.IndexByte([]byte(types), p[0]) >= 0 {
			end--
		}
		from := r.from
		if at > from || bytes.IndexByte([]byte(types), p[0]) >= 0 {
			from++
		}
		m.Hide(d, from, max(from, end), protocol.FillAll)
		r.from = r.pos
	case value && r.plain:
		if end := min(r.pos, r.from+r.size); at < end {
			m.Hide(d, at, end, protocol.FillAll)
		}
	}
}

// markElement hides the value in a line that ends at a position.
func (c *conn) markElement(text []byte, end uint64) {
	m, r := c.shared.env.Marks, &c.replies
	if m == nil || len(text) == 0 {
		return
	}
	d, at, rest := c.client.Other(), r.from, text[1:]
	hide := func(from int, with protocol.Filler) {
		if from++; from < len(text) {
			m.Hide(d, at+uint64(from), at+uint64(len(text)), with)
		}
	}
	switch text[0] {
	case '+':
		hide(keptStatus(rest), protocol.FillText)
	case errLine:
		hide(keptError(rest), protocol.FillAll)
	case ':', '(':
		if kind, _ := subscription(string(r.answer.first())); kind < 0 || len(r.levels) != 1 {
			hide(0, protocol.FillDigits)
		}
	case ',':
		hide(0, protocol.FillText)
	}
	if from := at + maxLine; from < end-1 { // a line that is longer than what is looked at
		m.Hide(d, from, end-1, protocol.FillAll)
	}
}

// keptStatus returns how many bytes of a simple string are needed.
func keptStatus(p []byte) int {
	switch s := string(p); {
	case s == "OK", s == "QUEUED":
		return len(s)
	case strings.HasPrefix(s, "OK "):
		return len("OK ")
	}
	return 0
}

// keptError returns the length of the name that an error begins with, and of the blank behind it.
func keptError(p []byte) int {
	word, _, more := bytes.Cut(p, []byte(" "))
	if len(word) == 0 || len(word) >= maxWord {
		return 0
	}
	for i, b := range word {
		if (b < 'A' || b > 'Z') && (i == 0 || (b < '0' || b > '9') && b != '_' && b != '-') {
			return 0
		}
	}
	if more {
		return len(word) + 1
	}
	return len(word)
}

// markString hides a string that has ended, unless it is the word that tells what an answer is about.
func (c *conn) markString() {
	m, r := c.shared.env.Marks, &c.replies
	if m == nil || r.plain {
		return
	}
	d, kept := c.client.Other(), 0
	word := r.answer.first()
	switch kind, _ := subscription(string(word)); {
	case r.capture == errBulk:
		kept = keptError(word)
	case uint64(len(word)) != r.size:
	case kind >= 0, isWord(string(word)):
		kept = len(word)
	}
	if uint64(kept) < r.size {
		m.Hide(d, r.from+uint64(kept), r.from+r.size, protocol.FillAll)
	}
}

// isWord tells whether an aggregate that begins so is looked at.
func isWord(s string) bool {
	switch s {
	case "message", "smessage", "pmessage", "REPLCONF", "replconf":
		return true
	}
	return false
}
