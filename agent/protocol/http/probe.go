// SPDX-License-Identifier: Apache-2.0

package http1

import "sonde/agent/protocol"

// Probe says what the first bytes of a turn look like. Anything may still turn out otherwise: it decides only whether a
// parser is worth its while.
func Probe(p []byte) protocol.Guess {
	for len(p) > 0 && (p[0] == '\r' || p[0] == '\n') { // RFC 9112 2.2
		p = p[1:]
	}
	if len(p) == 0 {
		return protocol.GuessMaybe
	}
	const version = "HTTP/1."
	if n := min(len(p), len(version)); string(p[:n]) == version[:n] {
		if n == len(version) {
			return protocol.GuessResponse
		}
		return protocol.GuessMaybe
	}
	return probeRequest(p)
}

const maxMethod = 24

func probeRequest(p []byte) protocol.Guess {
	if p[0] < 'A' || p[0] > 'Z' {
		return protocol.GuessNo
	}
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == ' ':
			if i+1 == len(p) {
				return protocol.GuessMaybe
			}
			if i > 1 && isTarget(p[i+1]) {
				return protocol.GuessRequest
			}
			return protocol.GuessNo
		case i >= maxMethod || !isMethod(c):
			return protocol.GuessNo
		}
	}
	return protocol.GuessMaybe
}

func isMethod(c byte) bool {
	return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isTarget(c byte) bool {
	return c == '/' || c == '*' || c == '[' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isToken tells whether p can be a method (RFC 9110 5.6.2).
func isToken(p []byte) bool {
	for _, b := range p {
		if !tokens[b] {
			return false
		}
	}
	return true
}

var tokens = func() (t [256]bool) {
	for b := range t {
		c := byte(b)
		t[b] = isMethod(c) || 'a' <= c && c <= 'z'
	}
	for _, c := range []byte("!#$%&'*+.^`|~") {
		t[c] = true
	}
	return t
}()

// plausible tells whether p can be the beginning of a head. It is as lenient as the reading of a whole one.
func plausible(p []byte) bool {
	if len(p) >= 5 && string(p[:5]) == "HTTP/" {
		return plausibleAnswer(p)
	}
	for i, b := range p {
		if b == ' ' {
			return i > 0
		}
		if i >= maxMethod || !tokens[b] {
			return false
		}
	}
	return true
}

func plausibleAnswer(p []byte) bool {
	const version = "HTTP/1."
	n := min(len(p), len(version))
	return string(p[:n]) == version[:n]
}
