// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bytes"
	"strings"
	"time"

	"sonde/agent/protocol"
)

// answers reads the server's direction of the text protocol.
type answers struct {
	line    line
	open    bool // something of an answer has come
	whole   bool // the data block at hand ends the answer
	inBlock bool
	left    uint64
	lost    bool
	cut     bool   // lost inside an answer whose first word is known
	pos     uint64 // of the next byte
	from    uint64 // of the line or data block at hand
	answer  answer
}

// answer is what matters of one answer.
type answer struct {
	word        string // the first, "0" for a number
	rows        int64  // or unknownRows
	key, opaque string // that a meta command returned
	start, end  time.Duration
	bytes       uint64
}

// unknownRows is the number of values of an answer that goes on behind what was seen.
const unknownRows = -1

// answerWord is a word that a line of an answer can begin with.
type answerWord struct {
	word string
	kind int // what comes behind the line
	meta bool
}

var answerWords = wordTable(
	answerWord{word: "VALUE", kind: block}, answerWord{word: "VA", kind: lastBlock, meta: true},
	answerWord{word: "STAT", kind: more}, answerWord{word: "ITEM", kind: more}, answerWord{word: "PREFIX", kind: more}, answerWord{word: "mg", kind: more},
	answerWord{word: "HD", kind: last, meta: true}, answerWord{word: "EN", kind: last, meta: true}, answerWord{word: "NF", kind: last, meta: true},
	answerWord{word: "NS", kind: last, meta: true}, answerWord{word: "EX", kind: last, meta: true},
)

func wordTable(all ...answerWord) map[string]answerWord {
	const others = "END STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK RESET VERSION ERROR CLIENT_ERROR SERVER_ERROR " +
		"BUSY BADCLASS NOSPARE NOTFULL UNSAFE SAME MN ME"
	m := map[string]answerWord{}
	for _, w := range strings.Fields(others) {
		m[w] = answerWord{word: w, kind: last}
	}
	for _, w := range all {
		m[w.word] = w
	}
	return m
}

const (
	last      = 1 + iota // nothing
	more                 // lines
	block                // a data block and lines
	lastBlock            // a data block
)

func (a *answers) restart() {
	a.line.reset()
	a.open, a.inBlock, a.lost, a.cut = false, false, false, false
}

func (c *text) feedAnswer(p []byte, t time.Duration) int {
	a := &c.answers
	if a.lost {
		a.answer.bytes += uint64(len(p))
		a.answer.end = t
		return len(p)
	}
	if !a.open {
		a.open = true
		a.answer = answer{start: t}
	}
	a.answer.end = t
	if !a.inBlock {
		text, n, done := a.line.take(p, maxAnswer)
		a.answer.bytes += uint64(n)
		if done {
			c.markAnswer(text, a.pos+uint64(n)-1)
		}
		if done && !c.answerLine(text) {
			c.answersOutOfStep()
			return len(p)
		}
		return n
	}
	n := min(uint64(len(p)), a.left)
	a.answer.bytes += n
	if a.left -= n; a.left > 0 {
		return int(n)
	}
	if p[n-1] != '\n' {
		c.answersOutOfStep()
		return len(p)
	}
	c.endBlock()
	return int(n)
}

// answerLine takes a line and reports whether it is one of an answer.
func (c *text) answerLine(line []byte) bool {
	a := &c.answers
	words := fields{rest: line}
	name := words.next()
	if name == nil {
		return false
	}
	w := wordOf(name)
	if w.kind == 0 {
		return false
	}
	if a.answer.word == "" {
		a.answer.word = w.word
	}
	rest := words
	switch w.kind {
	case block, lastBlock:
		if w.kind == block {
			words.next()
			words.next()
		}
		n := number(words.next())
		if n < 0 {
			return false
		}
		a.answer.rows++
		a.inBlock, a.left, a.whole = true, uint64(n)+2, w.kind == lastBlock
		if w.meta {
			a.answer.flags(words)
		}
	case last:
		if w.word == "HD" {
			a.answer.rows++
		}
		if w.meta {
			a.answer.flags(rest)
		}
		a.open = false
		c.answered(&a.answer)
	}
	return true
}

// wordOf tells what begins with a word; the kind is 0 when no answer does.
func wordOf(name []byte) answerWord {
	if w, ok := answerWords[string(name)]; ok {
		return w
	}
	switch {
	case isNumber(name):
		return answerWord{word: "0", kind: last}
	case string(name) == "ERROR:": // "shutdown not enabled"
		return answerWord{word: "ERROR", kind: last}
	case bytes.HasPrefix(name, []byte("key=")):
		return answerWord{word: "key=", kind: more}
	}
	return answerWord{}
}

// isNumber tells whether p is an unsigned number of 64 bits.
func isNumber(p []byte) bool {
	for _, b := range p {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(p) <= 20
}

// flags takes what a meta command returned.
func (a *answer) flags(words fields) {
	for w := words.next(); w != nil; w = words.next() {
		switch w[0] {
		case 'O':
			a.opaque = string(w[1:min(len(w), maxOpaque)])
		case 'k':
			a.key = string(w[1:min(len(w), maxKey+1)])
		}
	}
}

func (c *text) endBlock() {
	a := &c.answers
	if a.inBlock = false; a.whole {
		a.open = false
		c.answered(&a.answer)
	}
}

func (c *text) skipAnswer(n uint64, t time.Duration) {
	a := &c.answers
	a.answer.end = t
	a.answer.bytes += n
	switch {
	case a.lost:
	case a.inBlock && n <= a.left:
		if a.left -= n; a.left == 0 {
			c.endBlock()
		}
	default:
		c.markCut(c.client.Other())
		a.cut = a.open && a.answer.word != ""
		c.loseAnswers()
	}
}

func (c *text) loseAnswers() {
	c.answers.lost = true
	c.dialogue.AnswersLost()
}

func (c *text) answersOutOfStep() {
	if c.fitness == protocol.FitOpen {
		c.fitness = protocol.FitNo
		return
	}
	c.shared.resync()
	c.answers.cut = false
	c.loseAnswers()
}

// endCut ends the answer of which only the beginning was seen, and which is that to the only request.
func (c *text) endCut() {
	c.dialogue.Resume()
	if r := c.dialogue.Next(); r != nil && r.keys > 1 {
		c.answers.answer.rows = unknownRows
	}
	c.answered(&c.answers.answer)
}

// answered takes a complete answer.
func (c *text) answered(a *answer) {
	failed := a.word == "ERROR" || a.word == "CLIENT_ERROR" || a.word == "SERVER_ERROR"
	r := c.dialogue.Next()
	for r != nil && r.quiet && !r.takes(a, failed) {
		c.pass(r)
		r = c.dialogue.Next()
	}
	if r == nil {
		if failed && c.inBlock && c.dialogue.Waiting() == 0 { // the server does not want the rest
			c.early = *a
			return
		}
		if c.fitness == protocol.FitOpen && c.dialogue.Len() == 0 && !c.dialogue.Suspect() {
			c.fitness = protocol.FitNo
			return
		}
		c.dialogue.Extra()
		return
	}
	fits := failed || r.words == "" || strings.Contains(r.words, " "+a.word+" ")
	switch {
	case c.fitness == protocol.FitOpen && !c.dialogue.Suspect() && (!fits || r.words == "" && !failed):
		c.fitness = protocol.FitNo
	case c.dialogue.Suspect() && !fits, failed && r.behind, r.opaque != a.opaque && a.opaque != "":
		c.shared.resync()
		c.dialogue.Mismatch()
	default:
		c.finish(r, a, failed)
	}
}

func (c *text) finish(r *request, a *answer, failed bool) {
	c.fitness = protocol.FitYes
	r.answerStart, r.answerEnd, r.answerBytes, r.rows = a.start, a.end, a.bytes, a.rows
	if failed {
		r.status = a.word
	}
	c.dialogue.Answered()
}

// takes tells whether an answer is that to a quiet command: it has its token or key, and is not one that is left out.
func (r *request) takes(a *answer, failed bool) bool {
	switch {
	case a.opaque != "" || r.opaque != "" && !failed:
		return a.opaque == r.opaque
	case a.key != "":
		return a.key == r.key
	case failed:
		return true
	case a.word == "EN", a.word == "HD" && r.operation != "mg", a.word == "NF" && (r.operation == "md" || r.operation == "ma"):
		return false
	}
	return strings.Contains(r.words, " "+a.word+" ")
}

// pass takes a quiet command for answered by silence.
func (c *text) pass(r *request) {
	c.fitness = protocol.FitYes
	r.oneWay = true
	c.dialogue.Answered()
}

// passQuiet takes quiet commands for answered that nothing but quiet ones follow: the client does not wait for them.
func (c *text) passQuiet() {
	if r := c.dialogue.Last(); r == nil || !r.quiet {
		return
	}
	for r := c.dialogue.Next(); r != nil && r.quiet; r = c.dialogue.Next() {
		c.pass(r)
	}
}
