// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bytes"

	"sonde/agent/protocol"
)

// probe implements protocol.Spec.Probe.
func probe(p []byte) protocol.Guess {
	guess, _ := classify(p)
	return guess
}

// classify tells what a turn that begins with p is.
func classify(p []byte) (guess protocol.Guess, binary bool) {
	if p[0] == requestMagic || p[0] == responseMagic {
		return classifyFrame(p), true
	}
	n := bytes.IndexByte(p, '\n')
	line := p
	if n >= 0 {
		line = p[:n]
	}
	line = bytes.TrimRight(line, "\r")
	for _, b := range line {
		if b < ' ' || b == 0x7f {
			return protocol.GuessNo, false
		}
	}
	name, _, more := bytes.Cut(line, []byte(" "))
	if n < 0 && !more {
		return classifyName(name), false
	}
	if shape, ok := shapes[string(name)]; ok {
		return shape.classify(line, n >= 0), false
	}
	switch w := wordOf(name); {
	case w.kind == 0 || w.word == "0" || w.word == "OK" || w.word == "ERROR" || w.word == "mg":
		return protocol.GuessNo, false
	case n < 0:
		return protocol.GuessMaybe, false
	}
	return protocol.GuessResponse, false
}

// classifyName tells whether p may become the name of a command or the first word of an answer.
func classifyName(p []byte) protocol.Guess {
	for name := range shapes {
		if bytes.HasPrefix([]byte(name), p) {
			return protocol.GuessMaybe
		}
	}
	for word := range answerWords {
		if bytes.HasPrefix([]byte(word), p) {
			return protocol.GuessMaybe
		}
	}
	return protocol.GuessNo
}

// classify looks at the line of a command. A storage command has numbers behind its key.
func (s *shapeOf) classify(line []byte, whole bool) protocol.Guess {
	words := fields{rest: line}
	n := 0
	for w := words.next(); w != nil; w = words.next() {
		if s.block > 0 && n == s.block && whole && number(w) < 0 || n == s.key && len(w) > maxKey {
			return protocol.GuessNo
		}
		n++
	}
	switch {
	case !whole:
		return protocol.GuessMaybe
	case n <= max(s.key, s.block):
		return protocol.GuessNo
	}
	return protocol.GuessRequest
}
