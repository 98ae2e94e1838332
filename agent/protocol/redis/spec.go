// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const maxFree = 256 // parsers kept for the next connection

// Spec describes Redis to the engine.
func Spec() protocol.Spec {
	all := parseTable()
	return protocol.Spec{Protocol: model.ProtocolRedis, ClientFirst: true, Probe: all.probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env, commands: all, prefixes: map[string]string{}}
		return func(start protocol.Start) protocol.Parser { return s.open(start) }
	}}
}

// shared is what the parsers of an engine have in common.
type shared struct {
	env      *protocol.Env
	commands commands
	waiting  int // requests of all connections that wait
	free     []*conn

	prefixes map[string]string // of errors, seen before
	request  model.Request     // what is emitted
	db       model.DB
	closed   time.Duration // when the connection at hand ended, 0 while it goes on
}

func (s *shared) open(start protocol.Start) *conn {
	var c *conn
	if n := len(s.free); n > 0 {
		c, s.free = s.free[n-1], s.free[:n-1]
	} else {
		c = &conn{shared: s}
		c.dialogue = protocol.NewDialogue(&s.waiting, c.report)
	}
	c.joined, c.queuedDB, c.passing, c.hidden = start.Joined, noDB, start.Base, start.Base
	return c
}

// recycle takes a parser back. Its buffers are kept with it: they are bounded.
func (s *shared) recycle(c *conn) {
	if len(s.free) == maxFree {
		return
	}
	fresh := conn{shared: s, first: c.first[:0]}
	fresh.requests.line.buf, fresh.requests.draft.query = c.requests.line.buf[:0], c.requests.draft.query[:0]
	fresh.requests.part, fresh.replies.line.buf = c.requests.part[:0], c.replies.line.buf[:0]
	fresh.replies.levels = c.replies.levels[:0]
	*c = fresh
	c.dialogue = protocol.NewDialogue(&s.waiting, c.report)
	s.free = append(s.free, c)
}

func (s *shared) resync() {
	if s.env.Resync != nil {
		s.env.Resync(model.ProtocolRedis)
	}
}

const maxPrefixes = 256

// prefix returns the name that an error message begins with ("WRONGTYPE"), "ERR" where it has none: a script's own words may
// hold anything.
func (s *shared) prefix(message []byte) string {
	word, _, _ := bytes.Cut(message, []byte(" "))
	if len(word) == 0 || len(word) >= maxWord || word[0] < 'A' || word[0] > 'Z' {
		return "ERR"
	}
	for _, b := range word {
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '_' && b != '-' {
			return "ERR"
		}
	}
	if p, ok := s.prefixes[string(word)]; ok {
		return p
	}
	if len(s.prefixes) >= maxPrefixes {
		return string(word)
	}
	p := string(word)
	s.prefixes[p] = p
	return p
}

// probe implements Spec.Probe. A word that is no known command may still be one.
func (all commands) probe(p []byte) protocol.Guess { return all.classify(p, true) }

// classify tells what a turn that begins with p is. first says that nothing passed before it: then what may be a command is one.
func (all commands) classify(p []byte, first bool) protocol.Guess {
	p = bytes.TrimLeft(p, "\r\n")
	switch {
	case len(p) == 0:
		return protocol.GuessMaybe
	case p[0] == '*':
		return all.classifyArray(p, first)
	case bytes.IndexByte([]byte(types), p[0]) >= 0:
		return classifyAnswer(p)
	case isLetter(p[0]):
		return all.classifyInline(p, first)
	}
	return protocol.GuessNo
}

// classifyArray looks at an array: a command when a bulk string that is the name of one comes first.
func (all commands) classifyArray(p []byte, first bool) protocol.Guess {
	head, rest, ok := cutLine(p)
	if !ok {
		return unfinished(p)
	}
	if n := atoi(head[1:]); n <= 0 || len(rest) > 0 && rest[0] != '$' {
		if string(head) == "*-1" || n == 0 || n > 0 && bytes.IndexByte([]byte(types), rest[0]) >= 0 {
			return protocol.GuessResponse
		}
		return protocol.GuessNo
	}
	if len(rest) == 0 {
		return protocol.GuessMaybe
	}
	if head, rest, ok = cutLine(rest); !ok {
		return unfinished(rest)
	}
	size, ok := length(head, '$')
	switch {
	case string(head) == "$-1":
		return protocol.GuessResponse
	case !ok:
		return protocol.GuessNo
	case uint64(len(rest)) < size && size <= maxName/2:
		return protocol.GuessMaybe
	}
	name := rest[:min(uint64(len(rest)), size)]
	switch {
	case size <= maxName/2 && all.find(name) != nil:
		return protocol.GuessRequest
	case first && size <= maxName/2 && isName(name):
		return protocol.GuessRequest
	}
	return protocol.GuessNo
}

func cutLine(p []byte) (line, rest []byte, ok bool) {
	n := bytes.IndexByte(p, '\n')
	if n < 2 || p[n-1] != '\r' {
		return nil, p, false
	}
	return p[:n-1], p[n+1:], true
}

// unfinished tells whether p, which has no line end, may begin a line that says a length.
func unfinished(p []byte) protocol.Guess {
	for i, b := range p {
		if i > 0 && (b < '0' || b > '9') && !(b == '-' && i == 1) && !(b == '\r' && i > 1 && i == len(p)-1) {
			return protocol.GuessNo
		}
	}
	if len(p) > maxHeader {
		return protocol.GuessNo
	}
	return protocol.GuessMaybe
}

// classifyAnswer looks at the first line of an answer.
func classifyAnswer(p []byte) protocol.Guess {
	line, _, ok := cutLine(p)
	if !ok && bytes.IndexByte(p, '\n') >= 0 {
		return protocol.GuessNo
	}
	if !ok {
		line = bytes.TrimRight(p, "\r")
	}
	body := line[1:]
	good := false
	switch p[0] {
	case '+', '-':
		good = isText(body)
	case ':', '(':
		good = isInteger(body) || !ok && (len(body) == 0 || string(body) == "-")
	case ',':
		good = isNumber(body) || !ok
	case '#':
		good = string(body) == "t" || string(body) == "f" || !ok && len(body) == 0
	case '_':
		good = len(body) == 0
	default:
		_, isLength := length(line, p[0])
		good = isLength || string(body) == "-1" || string(body) == "?" || !ok && (len(body) == 0 || string(body) == "-")
	}
	switch {
	case !good:
		return protocol.GuessNo
	case !ok:
		return protocol.GuessMaybe
	}
	return protocol.GuessResponse
}

func isText(p []byte) bool {
	for _, b := range p {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return true
}

// classifyInline looks at a line of words.
func (all commands) classifyInline(p []byte, first bool) protocol.Guess {
	n := bytes.IndexByte(p, '\n')
	line := p
	if n >= 0 {
		line = bytes.TrimRight(p[:n], "\r")
	}
	if !isText(bytes.TrimRight(line, "\r")) {
		return protocol.GuessNo
	}
	word, _, more := bytes.Cut(line, []byte(" "))
	switch {
	case !isName(bytes.TrimRight(word, "\r")):
		return protocol.GuessNo
	case n < 0:
		return protocol.GuessMaybe
	case all.find(word) != nil && !(more && bytes.HasSuffix(line, []byte(" HTTP/1.1"))):
		return protocol.GuessRequest
	case first:
		return protocol.GuessMaybe
	}
	return protocol.GuessNo
}
