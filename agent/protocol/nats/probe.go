// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"bytes"

	"sonde/agent/protocol"
)

// probe says what the first bytes of a turn look like. Lines that other protocols have too are left to them: PING and +OK
// (Redis); CONNECT is HTTP's unless an object follows.
func probe(p []byte) protocol.Guess {
	if g, ok := probeObject(p); ok {
		return g
	}
	var l line
	switch state := l.read(p); {
	case state == protocol.Invalid:
		return protocol.GuessNo
	case state == protocol.NeedMore || l.verb >= verbPing && l.verb != verbPong:
		return protocol.GuessMaybe
	case l.verb == verbPong || l.fromServer():
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// probeObject looks for INFO and CONNECT, whose object may be longer than what is here.
func probeObject(p []byte) (protocol.Guess, bool) {
	for _, w := range objects {
		word, guess := w.word, w.guess
		if len(p) <= len(word) || !equalFold(p, word) || !isSpace(p[len(word)]) {
			continue
		}
		rest := bytes.TrimLeft(p[len(word):], " \t")
		switch {
		case len(rest) == 0:
			return protocol.GuessMaybe, true
		case rest[0] != '{':
			return protocol.GuessNo, true
		}
		return guess, true
	}
	return protocol.GuessNo, false
}

var objects = [...]struct {
	word  string
	guess protocol.Guess
}{{"INFO", protocol.GuessResponse}, {"CONNECT", protocol.GuessRequest}}
