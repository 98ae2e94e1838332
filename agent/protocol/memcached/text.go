// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bytes"
	"strings"
	"time"

	"sonde/agent/protocol"
)

// Limits of what is kept.
const (
	MaxLine   = 8 << 10 // bytes of a command's line; servers take 2 KB, or more for many keys
	MaxQuery  = 512     // bytes of a query
	maxKey    = 250
	maxOpaque = 32
	maxBlock  = 1 << 40 // bytes of a data block
	maxAnswer = 512     // bytes of an answer's line that are kept
	keptLine  = 512     // bytes of a buffer that an idle connection keeps
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
	l.reset()
	return text, n + 1, true
}

// reset forgets the line. Its bytes stay valid until the next take.
func (l *line) reset() {
	if l.size = 0; cap(l.buf) > keptLine {
		l.buf = nil
	}
	l.buf = l.buf[:0]
}

// text follows the text protocol.
type text struct {
	shared   *shared
	dialogue protocol.Dialogue[request]
	client   protocol.Dir
	fitness  protocol.Fit
	closed   time.Duration

	line     line // of the client
	command  request
	open     bool // something of a command has come
	left     uint64
	inBlock  bool
	lost     bool
	strict   bool // was out of step
	cut      bool // lost inside the last request that waits
	lastByte time.Duration
	noReply  bool   // a command without answer was the last
	early    answer // an error, to the command whose data block still comes; without a word when there is none
	over     bool   // it became a log (watch)
	pos      uint64 // of the client's next byte
	from     uint64 // of the line or data block at hand

	answers answers
}

func newText(s *shared, client protocol.Dir, joined bool) *text {
	c := &text{shared: s, client: client}
	c.dialogue = protocol.NewDialogue(&s.waiting, c.report)
	if joined {
		c.dialogue.Joined()
	}
	return c
}

func (c *text) report(r *request, reason string) {
	if c.fitness == protocol.FitYes {
		c.shared.report(r, reason, c.client, c.closed)
	}
}

func (c *text) fit() protocol.Fit { return c.fitness }
func (c *text) pending() int      { return c.dialogue.Len() }
func (c *text) release()          { c.dialogue.Release() }

func (c *text) close(e protocol.Close) {
	c.closed = e.Time
	c.markCut(c.client)
	c.markCut(c.client.Other())
	if c.open && c.command.operation != "" && !c.lost {
		c.end(c.lastByte)
	}
	if c.answers.cut && c.dialogue.Alone() && e.Reason == "connection_closed" {
		c.endCut()
	}
	c.passQuiet()
	c.dialogue.Close(e.Reason)
}

func (c *text) feed(d protocol.Dir, p []byte, t time.Duration) {
	for len(p) > 0 && !c.over && c.fitness != protocol.FitNo {
		if d == c.client {
			block := c.inBlock
			n := c.feedCommand(p, t)
			c.pos += uint64(n)
			c.markPassed(d, block)
			p = p[n:]
		} else {
			block := c.answers.inBlock
			n := c.feedAnswer(p, t)
			c.answers.pos += uint64(n)
			c.markPassed(d, block)
			p = p[n:]
		}
	}
	if c.over {
		c.passOver(d, uint64(len(p)))
	}
}

func (c *text) skip(d protocol.Dir, n uint64, t time.Duration) {
	if c.over {
		c.passOver(d, n)
		return
	}
	if d == c.client {
		c.skipCommand(n, t)
		c.pos += n
		c.from = c.pos
	} else {
		c.skipAnswer(n, t)
		c.answers.pos += n
		c.answers.from = c.answers.pos
	}
}

// turn notices that the other side speaks.
func (c *text) turn(client bool) {
	if !client {
		return
	}
	if c.answers.lost {
		if c.answers.cut && c.dialogue.Alone() {
			c.endCut()
		}
		c.answers.restart()
	}
	if !c.answers.open {
		c.passQuiet()
	}
	c.dialogue.Turn()
	c.lost, c.cut = false, false
}

func (c *text) feedCommand(p []byte, t time.Duration) int {
	if c.lost {
		c.extendCut(uint64(len(p)), t)
		return len(p)
	}
	c.lastByte = t
	if !c.open {
		c.open = true
		c.command, c.early.word = request{at: c.pos, start: t}, ""
	}
	if c.inBlock {
		n := min(uint64(len(p)), c.left)
		c.command.bytes += n
		if c.left -= n; c.left > 0 {
			return int(n)
		}
		if p[n-1] != '\n' {
			if c.fitness == protocol.FitYes { // of another length than it says: an error will tell
				c.end(t)
			}
			c.outOfStep()
			return len(p)
		}
		c.end(t)
		return int(n)
	}
	text, n, done := c.line.take(p, MaxLine)
	c.command.bytes += uint64(n)
	if done {
		c.markCommand(text, c.pos+uint64(n)-1)
		c.commandLine(text, t)
	}
	return n
}

// commandLine takes a command's line.
func (c *text) commandLine(line []byte, t time.Duration) {
	if len(bytes.TrimSpace(line)) == 0 {
		c.open = false
		return
	}
	block, ok := c.command.parse(line, &c.shared.query)
	if !ok && (c.strict || c.fitness == protocol.FitOpen && c.dialogue.Len() == 0) {
		c.outOfStep()
		return
	}
	if len(line) >= MaxLine {
		c.command.cut, c.command.keys = true, 0
	}
	if block >= 0 {
		c.inBlock, c.left = true, uint64(block)+2
		return
	}
	c.end(t)
}

// end makes a request of the command that was read.
func (c *text) end(t time.Duration) {
	c.open, c.inBlock = false, false
	r := c.command
	r.end = t
	switch {
	case r.operation == "quit":
		r.oneWay = true
	case r.operation == "watch":
		c.fitness, c.over = protocol.FitYes, true
		r.oneWay = true
	case r.oneWay:
		c.fitness, c.noReply = protocol.FitYes, true
	}
	if r.oneWay {
		c.report(&r, "")
		return
	}
	r.behind, c.noReply = c.noReply, false
	c.shared.trace(&r, c.client, c.dialogue.Blind())
	c.dialogue.Ask(r)
	if c.early.word != "" && c.dialogue.Waiting() == 1 {
		c.answered(&c.early)
	}
}

func (c *text) skipCommand(n uint64, t time.Duration) {
	c.lastByte = t
	switch {
	case c.lost:
		c.extendCut(n, t)
	case c.inBlock && n <= c.left:
		c.command.bytes += n
		if c.left -= n; c.left == 0 {
			c.end(t)
		}
	default:
		c.cutCommand(n, t)
	}
}

// cutCommand is called when it is lost where the next command begins. The command at hand will be answered: it waits.
func (c *text) cutCommand(n uint64, t time.Duration) {
	c.markCut(c.client)
	if c.open {
		c.command.bytes += n
		if !c.inBlock {
			c.command.parse(c.line.buf, &c.shared.query)
			c.command.cut = true
		}
		before := c.dialogue.Len()
		c.end(t)
		c.cut = c.dialogue.Len() > before
	}
	c.lose()
}

func (c *text) lose() {
	c.line.reset()
	c.open, c.inBlock, c.lost, c.strict = false, false, true, true
	c.dialogue.RequestsLost()
}

func (c *text) extendCut(n uint64, t time.Duration) {
	if r := c.dialogue.Last(); c.cut && r != nil {
		r.bytes += n
		r.end = t
	}
}

// outOfStep is called for bytes that are no command.
func (c *text) outOfStep() {
	if c.fitness == protocol.FitOpen {
		c.fitness = protocol.FitNo
		return
	}
	c.shared.resync()
	c.cut = false
	c.lose()
}

// parse reads a command's line. block is the length of the data block behind it, -1 when there is none; ok is false for a
// command that is not known.
func (r *request) parse(line []byte, scratch *[]byte) (block int64, ok bool) {
	words := fields{rest: line}
	name := words.next()
	shape, ok := shapes[string(name)]
	if !ok {
		if !isWord(name) {
			return -1, false
		}
		shape = shapeOf{name: string(name), block: -1}
	}
	r.operation, r.words, r.returns = shape.name, shape.words, shape.returns
	query := append((*scratch)[:0], name...)
	block = -1
	var last []byte
	i := 1
	for w := words.next(); w != nil; w = words.next() {
		last = w
		query = r.argument(query, &shape, i, w)
		if shape.block == i {
			block = number(w)
		}
		i++
	}
	*scratch = query
	if shape.noReply && string(last) == "noreply" {
		r.oneWay = true
	}
	if r.keys < 2 {
		r.keys = 0
	}
	if r.query = r.operation; len(query) != len(r.operation) {
		r.query = string(query)
	}
	return block, ok && (shape.block < 0 || block >= 0)
}

// argument takes word i of a command.
func (r *request) argument(query []byte, shape *shapeOf, i int, w []byte) []byte {
	isKey := i == shape.key || shape.keys && i > shape.key && shape.key > 0
	if isKey {
		r.keys++
		w = w[:min(len(w), maxKey)]
	} else {
		if shape.meta && i > shape.key {
			r.flag(w, query)
		}
		w = placeholder
	}
	if r.cut = r.cut || len(query)+1+len(w) > MaxQuery; r.cut {
		return query
	}
	return append(append(query, ' '), w...)
}

var placeholder = []byte("?")

// flag takes a flag of a meta command. query has the command and its key so far.
func (r *request) flag(w, query []byte) {
	switch w[0] {
	case 'q':
		r.quiet = r.quiet || len(w) == 1
	case 'O':
		r.opaque = string(w[1:min(len(w), maxOpaque)])
	case 'k':
		if f := strings.Fields(string(query)); len(w) == 1 && len(f) > 1 {
			r.key = f[1]
		}
	}
}

// fields cuts a line into words.
type fields struct{ rest []byte }

func (f *fields) next() []byte {
	p := f.rest
	for len(p) > 0 && p[0] == ' ' {
		p = p[1:]
	}
	if len(p) == 0 {
		return nil
	}
	n := bytes.IndexByte(p, ' ')
	if n < 0 {
		n = len(p)
	}
	f.rest = p[n:]
	return p[:n]
}

// number returns the number that p is, -1 when it is none or more than a data block can have.
func number(p []byte) int64 {
	if len(p) == 0 || len(p) > 12 {
		return -1
	}
	n := int64(0)
	for _, b := range p {
		if b < '0' || b > '9' {
			return -1
		}
		n = n*10 + int64(b-'0')
	}
	if n > maxBlock {
		return -1
	}
	return n
}

// isWord tells whether p may be the name of a command.
func isWord(p []byte) bool {
	if len(p) == 0 || len(p) > 32 {
		return false
	}
	for _, b := range p {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && b != '_' {
			return false
		}
	}
	return true
}

// shapeOf is what is known of a command.
type shapeOf struct {
	name    string
	key     int  // index of the first key, 0 when there is none
	keys    bool // all words behind it are keys
	block   int  // index of the length of a data block, -1 when there is none
	noReply bool // may end in noreply
	meta    bool
	returns bool
	words   string // that answers begin with; "0" is a number
}

var shapes = shapeTable(
	shapeOf{name: "get", key: 1, keys: true, block: -1, returns: true, words: " VALUE END "},
	shapeOf{name: "gets", key: 1, keys: true, block: -1, returns: true, words: " VALUE END "},
	shapeOf{name: "gat", key: 2, keys: true, block: -1, returns: true, words: " VALUE END "},
	shapeOf{name: "gats", key: 2, keys: true, block: -1, returns: true, words: " VALUE END "},
	shapeOf{name: "set", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "add", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "replace", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "append", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "prepend", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "cas", key: 1, block: 4, noReply: true, words: stores},
	shapeOf{name: "delete", key: 1, block: -1, noReply: true, words: " DELETED NOT_FOUND "},
	shapeOf{name: "incr", key: 1, block: -1, noReply: true, words: " 0 NOT_FOUND "},
	shapeOf{name: "decr", key: 1, block: -1, noReply: true, words: " 0 NOT_FOUND "},
	shapeOf{name: "touch", key: 1, block: -1, noReply: true, words: " TOUCHED NOT_FOUND "},
	shapeOf{name: "flush_all", block: -1, noReply: true, words: " OK "},
	shapeOf{name: "verbosity", block: -1, noReply: true, words: " OK "},
	shapeOf{name: "version", block: -1, words: " VERSION "},
	shapeOf{name: "stats", block: -1, words: " STAT ITEM PREFIX END RESET OK "},
	shapeOf{name: "quit", block: -1},
	shapeOf{name: "watch", block: -1},
	shapeOf{name: "shutdown", block: -1},
	shapeOf{name: "slabs", block: -1},
	shapeOf{name: "lru", block: -1},
	shapeOf{name: "lru_crawler", block: -1},
	shapeOf{name: "cache_memlimit", block: -1, noReply: true},
	shapeOf{name: "mg", key: 1, block: -1, meta: true, returns: true, words: " VA HD EN "},
	shapeOf{name: "ms", key: 1, block: 2, meta: true, words: " HD NS EX NF "},
	shapeOf{name: "md", key: 1, block: -1, meta: true, words: " HD NF EX "},
	shapeOf{name: "ma", key: 1, block: -1, meta: true, words: " VA HD NF NS EX "},
	shapeOf{name: "mn", block: -1, words: " MN "},
	shapeOf{name: "me", key: 1, block: -1, words: " ME EN "},
)

const stores = " STORED NOT_STORED EXISTS NOT_FOUND "

func shapeTable(all ...shapeOf) map[string]shapeOf {
	m := make(map[string]shapeOf, len(all))
	for _, s := range all {
		m[s.name] = s
	}
	return m
}
