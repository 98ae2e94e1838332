// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"time"
)

const (
	maxInline = 1 << 10 // bytes of an inline command that are kept; servers take 64 KB
	maxArgs   = 1 << 24 // arguments of a command; servers take 2^20, or 2^31 where configured
	maxBulk   = 1 << 40 // bytes of a string; servers take 512 MB, or more where configured
	maxHeader = 32      // bytes of a line that says a length
)

// line puts a line together. What is behind keep bytes is passed over.
type line struct {
	buf  []byte
	size uint64 // bytes so far
}

// take consumes a part of p. text is the line without its end when done; it is valid until the next call.
func (l *line) take(p []byte, keep int) (text []byte, used int, done bool) {
	n := bytes.IndexByte(p, '\n')
	part := p
	if n >= 0 {
		part = p[:n]
	}
	if l.size == 0 && n >= 0 {
		text = part[:min(len(part), keep)]
	} else {
		l.buf = append(l.buf, part[:min(len(part), max(0, keep-len(l.buf)))]...)
		text = l.buf
	}
	l.size += uint64(len(part))
	if n < 0 {
		return nil, len(p), false
	}
	if l.size == uint64(len(text)) && len(text) > 0 && text[len(text)-1] == '\r' {
		text = text[:len(text)-1]
	}
	l.buf, l.size = l.buf[:0], 0
	return text, n + 1, true
}

func (l *line) reset() { l.buf, l.size = l.buf[:0], 0 }

// requests reads the client's direction.
type requests struct {
	line  line
	draft draft
	part  []byte // of the argument at hand, when it spans calls

	array    bool // the command at hand is one
	inBulk   bool
	holed    bool   // a part of the argument at hand was not captured
	size     uint64 // of the argument at hand
	left     uint64 // bytes of it to come, and of the line end behind it
	lost     bool   // out of step
	strict   bool   // was out of step: only what surely is a command begins one
	cut      bool   // lost inside the last request that waits: what comes in this turn belongs to it
	lastByte time.Duration

	pos  uint64 // of the next byte
	from uint64 // of the line or argument at hand
}

// feedRequests reads p.
func (c *conn) feedRequests(p []byte, t time.Duration) {
	q := &c.requests
	for len(p) > 0 {
		if q.lost {
			q.pos += uint64(len(p))
			c.extendCut(uint64(len(p)), t)
			return
		}
		if q.between() {
			q.from = q.pos
		}
		q.lastByte = t
		if !q.draft.open {
			q.draft.open, q.draft.at, q.draft.start, q.draft.bytes = true, q.pos, t, 0
			q.draft.begin(0)
		}
		n, argument := 0, q.inBulk
		if argument {
			n = c.readArgument(p, t)
		} else {
			n = c.readLine(p, t)
		}
		q.pos += uint64(n)
		c.markRequest(p[:n], argument)
		p = p[n:]
		if c.over || c.fit == fitNo {
			return
		}
	}
}

// readLine reads what is not in a bulk string: the header of a command or of an argument, or an inline command.
func (c *conn) readLine(p []byte, t time.Duration) int {
	q := &c.requests
	array := q.draft.args > 0 || q.line.size == 0 && p[0] == '*' || len(q.line.buf) > 0 && q.line.buf[0] == '*'
	keep := maxInline
	if array {
		keep = maxHeader
	}
	text, n, done := q.line.take(p, keep)
	q.draft.bytes += uint64(n)
	switch {
	case !done:
		if array && q.line.size > maxHeader {
			c.requestsOutOfStep()
		}
		return n
	case q.draft.args > 0:
		c.argumentHeader(text)
	case array:
		c.commandHeader(text)
	default:
		c.inline(text, t)
	}
	return n
}

func (c *conn) commandHeader(text []byte) {
	q := &c.requests
	if string(text) == "*-1" || string(text) == "*0" { // servers pass over them
		q.draft.open = false
		return
	}
	n := atoi(text[1:])
	if n <= 0 || n > maxArgs {
		c.requestsOutOfStep()
		return
	}
	q.draft.begin(n)
	q.array = true
}

func (c *conn) argumentHeader(text []byte) {
	n, ok := length(text, '$')
	if !ok {
		c.requestsOutOfStep()
		return
	}
	q := &c.requests
	q.inBulk, q.holed, q.size, q.left = true, false, n, n+2
	q.part = q.part[:0]
}

// length reads a line of a type byte and a length.
func length(text []byte, kind byte) (uint64, bool) {
	if len(text) < 2 || len(text) > 15 || text[0] != kind {
		return 0, false
	}
	n := uint64(0)
	for _, b := range text[1:] {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return n, n <= maxBulk
}

// readArgument reads a bulk string and its line end.
func (c *conn) readArgument(p []byte, t time.Duration) int {
	q := &c.requests
	n := min(uint64(len(p)), q.left)
	p = p[:n]
	q.draft.bytes += n
	if q.left == q.size+2 && n == q.left { // all of it is here: nearly always
		q.left = 0
		c.endArgument(p[:min(q.size, MaxArgument)], p[n-1], t)
		return int(n)
	}
	if !q.holed {
		data := p[:min(n, q.left-min(q.left, 2))]
		q.part = append(q.part, data[:min(len(data), MaxArgument-len(q.part))]...)
	}
	if q.left -= n; q.left == 0 {
		c.endArgument(q.part, p[n-1], t)
	}
	return int(n)
}

// endArgument ends an argument whose line ended with the byte last.
func (c *conn) endArgument(head []byte, last byte, t time.Duration) {
	q := &c.requests
	if last != '\n' {
		c.requestsOutOfStep()
		return
	}
	q.inBulk = false
	q.draft.argument(c.shared.commands, head, q.size)
	if q.strict && q.draft.next == 1 && q.draft.command == nil {
		c.requestsOutOfStep()
		return
	}
	if q.array && q.draft.command != nil {
		c.fit = fitYes
	}
	if q.draft.next == q.draft.args {
		c.endCommand(t)
	}
}

// inline takes a command that is a line of words.
func (c *conn) inline(text []byte, t time.Duration) {
	q := &c.requests
	words := 0
	for w := (splitter{rest: text}); w.next(); {
		words++
	}
	if words == 0 { // servers pass over an empty line
		q.draft.open = false
		return
	}
	q.draft.begin(words)
	q.array = false
	for w := (splitter{rest: text}); w.next(); {
		q.draft.argument(c.shared.commands, w.word[:min(len(w.word), MaxArgument)], uint64(len(w.word)))
		c.markWord(q.from+uint64(cap(text)-cap(w.word)), uint64(len(w.word)))
		if q.draft.next == 1 && q.draft.command == nil && (q.strict || q.draft.operation == "") {
			c.requestsOutOfStep()
			return
		}
	}
	q.draft.cut = q.draft.cut || len(text) >= maxInline
	c.endCommand(t)
}

// splitter cuts a line into words, as servers do: quotes keep blanks, and a backslash keeps a double quote.
type splitter struct{ word, rest []byte }

func (s *splitter) next() bool {
	p := bytes.TrimLeft(s.rest, " \t\r\x00")
	if len(p) == 0 {
		return false
	}
	quote, i := byte(0), 0
	for ; i < len(p); i++ {
		b := p[i]
		switch {
		case quote != 0 && b == '\\':
			i++
		case quote != 0:
			if b == quote {
				quote = 0
			}
			continue
		case b == '"' || b == '\'':
			quote = b
		case b == ' ' || b == '\t' || b == '\r' || b == 0:
			s.word, s.rest = unquote(p[:i]), p[i:]
			return true
		}
	}
	s.word, s.rest = unquote(p), nil
	return true
}

func unquote(p []byte) []byte {
	if n := len(p); n > 1 && (p[0] == '"' || p[0] == '\'') && p[n-1] == p[0] {
		return p[1 : n-1]
	}
	return p
}

// skipRequests takes n bytes that were not captured.
func (c *conn) skipRequests(n uint64, t time.Duration) {
	q := &c.requests
	defer func() { q.pos += n }()
	if q.lost {
		c.extendCut(n, t)
		return
	}
	if q.inBulk && n <= q.left {
		q.holed = q.holed || q.left > 2
		q.lastByte = t
		q.draft.bytes += n
		if q.left -= n; q.left == 0 {
			c.endArgument(q.part, '\n', t)
			c.markWord(q.from, q.size)
		}
		return
	}
	c.cutRequest(n, t)
}

// cutRequest is called when it is lost where the next command begins. The command at hand will be answered: it waits.
func (c *conn) cutRequest(n uint64, t time.Duration) {
	q := &c.requests
	q.lastByte = t
	c.markCut(c.client)
	if q.draft.open {
		q.draft.bytes += n
		q.draft.cut = true
		before := c.dialogue.Len()
		c.endCommand(t)
		q.cut = c.dialogue.Len() > before
	}
	c.loseRequests()
}

func (c *conn) loseRequests() {
	q := &c.requests
	q.line.reset()
	q.draft.open, q.draft.args, q.inBulk = false, 0, false
	q.lost, q.strict = true, true
	c.db, c.queuedDB = noDB, noDB
	c.dialogue.RequestsLost()
}

// extendCut adds bytes to a request whose end is not known.
func (c *conn) extendCut(n uint64, t time.Duration) {
	if r := c.dialogue.Last(); c.requests.cut && r != nil {
		r.bytes += n
		r.end = t
	}
}

// requestsOutOfStep is called for bytes that are no command.
func (c *conn) requestsOutOfStep() {
	if c.fit == fitOpen {
		c.fit = fitNo
		return
	}
	c.shared.resync()
	c.requests.cut = false
	c.loseRequests()
}
