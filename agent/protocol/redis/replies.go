// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"time"
)

// Limits of what is read of an answer.
const (
	MaxDepth = 64  // aggregates in each other
	maxLine  = 64  // bytes of a line that are kept: the first words of an error
	maxWord  = 32  // bytes of the first word of an answer that are kept
	streamed = -1  // elements of an aggregate whose end is marked
	endMark  = '.' // of a streamed aggregate
	chunk    = ';' // of a streamed string
	attrType = '|' // what follows is about the element behind it
	pushType = '>' // unasked
	errLine  = '-' //
	errBulk  = '!' //
	types    = "+-:$*_,#!=(%~|>"
)

// level is an aggregate whose elements are being read.
type level struct {
	left   int64 // elements to come, streamed for one that has a mark at its end
	attr   bool  // what it holds is no element of what it is in
	string bool  // it is a streamed string
}

// answer is what matters of one answer.
type answer struct {
	kind     byte // its type
	elements int64
	word     [maxWord]byte // the line of a simple type, else the first string in it
	words    int           // bytes of word
	long     bool          // it was longer
	third    byte          // type of the third element
	number   int           // that is the third element, -1 when it is no number
	failed   [maxWord]byte // first word of the first error among the elements
	fails    int

	start, end time.Duration
	bytes      uint64
}

func (a *answer) first() []byte { return a.word[:a.words] }

// replies reads the server's direction.
type replies struct {
	line   line
	levels []level
	index  int // of the element at hand in the outermost aggregate

	open    bool // something of the answer has come
	answer  answer
	inBulk  bool
	capture byte   // type of the bulk string at hand when its beginning is wanted
	left    uint64 // bytes of it to come, and of the line end behind it
	lost    bool
	cut     bool // lost inside an answer whose type is known

	pos   uint64 // of the next byte
	from  uint64 // of the line or string at hand
	size  uint64 // of the string at hand
	plain bool   // it is a value
}

func (c *conn) feedReplies(p []byte, t time.Duration) {
	r := &c.replies
	for len(p) > 0 {
		if r.lost {
			r.pos += uint64(len(p))
			r.answer.bytes += uint64(len(p))
			r.answer.end = t
			return
		}
		if !r.open {
			rest := bytes.TrimLeft(p, "\r\n")
			r.pos += uint64(len(p) - len(rest))
			if p = rest; len(p) == 0 { // a master shows with empty lines that it lives
				return
			}
			r.open, r.index = true, 0
			r.answer = answer{start: t, number: -1}
		}
		r.answer.end = t
		if r.between() {
			r.from = r.pos
		}
		n, value := 0, r.inBulk
		if value {
			n = c.readString(p)
		} else {
			n = c.readType(p)
		}
		r.pos += uint64(n)
		c.markReply(p[:n], value)
		p = p[n:]
		if c.over || c.fit == fitNo {
			return
		}
	}
}

// readType reads a line: a simple value, or the header of a string or of an aggregate.
func (c *conn) readType(p []byte) int {
	r := &c.replies
	if r.line.size == 0 && bytes.IndexByte([]byte(types), p[0]) < 0 && (len(r.levels) == 0 || p[0] != endMark && p[0] != chunk) {
		c.repliesOutOfStep()
		return len(p)
	}
	text, n, done := r.line.take(p, maxLine)
	r.answer.bytes += uint64(n)
	if !done {
		return n
	}
	c.markElement(text, r.pos+uint64(n))
	if len(text) == 0 || !c.element(text) {
		c.repliesOutOfStep()
	}
	return n
}

// element takes the line that an element begins with, and reports whether it is one.
func (c *conn) element(text []byte) bool {
	r := &c.replies
	kind, rest := text[0], text[1:]
	if len(r.levels) == 0 && kind != attrType {
		r.answer.kind = kind
	}
	r.note(kind, rest)
	switch kind {
	case '+', errLine:
		r.keep(kind, rest)
	case ':', '(':
		if !isInteger(rest) {
			return false
		}
		r.keep(kind, rest)
	case ',':
		if !isNumber(rest) {
			return false
		}
	case '#':
		if string(rest) != "t" && string(rest) != "f" {
			return false
		}
	case '_':
		if len(rest) > 0 {
			return false
		}
	case '$', '=', errBulk, chunk:
		return c.stringHeader(kind, text)
	case endMark:
		if len(rest) > 0 || len(r.levels) == 0 || r.levels[len(r.levels)-1].left != streamed {
			return false
		}
		r.levels[len(r.levels)-1].left = 1
	default:
		return c.aggregateHeader(kind, text)
	}
	c.endElement()
	return true
}

// note marks what is wanted of the element that begins.
func (r *replies) note(kind byte, rest []byte) {
	if len(r.levels) == 1 && !r.levels[0].attr && r.index == 2 {
		r.answer.third = kind
		if kind == ':' {
			r.answer.number = atoi(rest)
		}
	}
}

// keep keeps the beginning of a value where it may be wanted.
func (r *replies) keep(kind byte, p []byte) {
	a := &r.answer
	if kind == errLine && len(r.levels) > 0 && a.fails == 0 {
		a.fails = copy(a.failed[:], p)
	}
	if len(r.levels) == 0 || len(r.levels) == 1 && r.index == 0 && !r.levels[0].attr {
		n := copy(a.word[a.words:], p)
		a.words += n
		a.long = a.long || n < len(p)
	}
}

func (c *conn) stringHeader(kind byte, text []byte) bool {
	r := &c.replies
	inside := len(r.levels) > 0 && r.levels[len(r.levels)-1].string
	switch {
	case (kind == chunk) != inside:
		return false
	case string(text) == "$-1":
		c.endElement()
		return true
	case string(text) == "$?":
		return r.push(level{left: streamed, string: true})
	case string(text) == ";0":
		r.levels[len(r.levels)-1].left = 1
		c.endElement()
		return true
	}
	n, ok := length(text, kind)
	if !ok {
		return false
	}
	r.inBulk, r.left, r.capture, r.size = true, n+2, kind, n
	r.plain = kind != errBulk && (n > maxWord || len(r.levels) != 1 || r.index != 0 || r.levels[0].attr)
	return true
}

func (c *conn) aggregateHeader(kind byte, text []byte) bool {
	r := &c.replies
	l := level{attr: kind == attrType}
	switch {
	case string(text) == "*-1":
	case len(text) == 2 && text[1] == '?':
		l.left = streamed
	default:
		n, ok := length(text, kind)
		if !ok {
			return false
		}
		if l.left = int64(n); kind == '%' || kind == attrType {
			l.left *= 2
		}
	}
	if len(r.levels) == 0 && !l.attr {
		r.answer.elements = l.left
	}
	switch {
	case l.left != 0:
		return r.push(l)
	case !l.attr:
		c.endElement()
	}
	return true
}

func (r *replies) push(l level) bool {
	if len(r.levels) == MaxDepth {
		return false
	}
	r.levels = append(r.levels, l)
	return true
}

// readString reads a bulk string and its line end.
func (c *conn) readString(p []byte) int {
	r := &c.replies
	n := min(uint64(len(p)), r.left)
	p = p[:n]
	r.answer.bytes += n
	if data := p[:min(n, r.left-min(r.left, 2))]; r.answer.words < maxWord {
		r.keep(r.capture, data)
	}
	if r.left -= n; r.left == 0 {
		if p[len(p)-1] != '\n' {
			c.repliesOutOfStep()
			return int(n)
		}
		r.inBulk = false
		c.markString()
		c.endElement()
	}
	return int(n)
}

// endElement ends an element, and what it is the last of.
func (c *conn) endElement() {
	r := &c.replies
	for len(r.levels) > 0 {
		l := &r.levels[len(r.levels)-1]
		if len(r.levels) == 1 && !l.attr {
			r.index++
		}
		if l.left == streamed {
			return
		}
		if l.left--; l.left > 0 {
			return
		}
		attr := l.attr
		r.levels = r.levels[:len(r.levels)-1]
		if attr { // it is no element: the one that it is about follows
			return
		}
	}
	r.open = false
	c.answered(&r.answer)
}

// skipReplies takes n bytes that were not captured.
func (c *conn) skipReplies(n uint64, t time.Duration) {
	r := &c.replies
	r.answer.end = t
	defer func() { r.pos += n }()
	switch {
	case r.lost:
		r.answer.bytes += n
	case r.inBulk && n <= r.left:
		r.answer.bytes += n
		if r.left -= n; r.left == 0 {
			r.inBulk = false
			c.markString()
			c.endElement()
		}
	default:
		r.cut = r.open && r.answer.kind != 0
		r.answer.bytes += n
		c.markCut(c.client.Other())
		c.loseReplies()
	}
}

func (c *conn) loseReplies() {
	r := &c.replies
	r.lost = true
	r.line.reset()
	c.dialogue.AnswersLost()
}

// repliesOutOfStep is called for bytes that are no answer.
func (c *conn) repliesOutOfStep() {
	if c.fit == fitOpen {
		c.fit = fitNo
		return
	}
	c.shared.resync()
	c.replies.cut = false
	c.loseReplies()
}

// restart begins anew at the beginning of an answer.
func (r *replies) restart() {
	r.line.reset()
	r.levels, r.inBulk, r.open, r.lost, r.cut = r.levels[:0], false, false, false, false
}

func isInteger(p []byte) bool {
	if len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		p = p[1:]
	}
	for _, b := range p {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(p) > 0
}

// isNumber tells whether p may be a double: "1.5", "-1e3", "inf", "nan".
func isNumber(p []byte) bool {
	for _, b := range p {
		if (b < '0' || b > '9') && !isLetter(b) && b != '.' && b != '-' && b != '+' {
			return false
		}
	}
	return len(p) > 0
}
