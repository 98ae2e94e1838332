// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"sonde/agent/protocol"
)

const (
	version1  = "HTTP/1."
	maxMethod = 32 // bytes; the longest registered one has 18 (IANA, UPDATEREDIRECTREF)
)

// Probe says what the first bytes of a turn look like: a request line, a status line, too few bytes to tell, or neither.
//
// A method is a token of upper-case letters, with digits, "-" and "_" after the first; what follows it is a target that
// begins with "/" or "*", or with a scheme, or for CONNECT is an authority. The preface of HTTP/2 is not HTTP/1.
// More bytes never turn No into something else, nor GuessRequest or GuessResponse into No.
func Probe(p []byte) protocol.Guess {
	for len(p) > 0 && (p[0] == '\r' || p[0] == '\n') { // RFC 9112 2.2
		p = p[1:]
	}
	if isPrefix(p, version1) {
		if len(p) >= len(version1) {
			return protocol.GuessResponse
		}
		return protocol.GuessMaybe
	}
	n := 0
	for n < len(p) && isMethodByte(p[n]) {
		n++
	}
	switch {
	case n > maxMethod || p[0] < 'A' || p[0] > 'Z':
		return protocol.GuessNo
	case n == len(p):
		return protocol.GuessMaybe
	case p[n] != ' ':
		return protocol.GuessNo
	}
	return probeTarget(string(p[:n]) == "CONNECT", p)
}

// isPrefix tells whether p begins with s, or s with p.
func isPrefix(p []byte, s string) bool {
	n := min(len(p), len(s))
	return string(p[:n]) == s[:n]
}

func isMethodByte(b byte) bool {
	return 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

// probeTarget looks at the target in p, which begins with a method and a space.
func probeTarget(connect bool, p []byte) protocol.Guess {
	const preface = "PRI * HTTP/2.0"
	target := p[bytes.IndexByte(p, ' ')+1:]
	for len(target) > 0 && target[0] == ' ' {
		target = target[1:]
	}
	switch {
	case len(target) == 0:
		return protocol.GuessMaybe
	case target[0] == '*' && isPrefix(p, preface):
		if len(p) >= len(preface) {
			return protocol.GuessNo
		}
		return protocol.GuessMaybe
	case target[0] == '/' || target[0] == '*':
		return protocol.GuessRequest
	case connect:
		return guessWord(target, isAuthorityByte, " ")
	case !isLetter(target[0]):
		return protocol.GuessNo
	}
	return guessWord(target, isSchemeByte, "://")
}

// guessWord tells whether p begins with a word of the given bytes and then end.
func guessWord(p []byte, is func(byte) bool, end string) protocol.Guess {
	n := 0
	for n < len(p) && is(p[n]) {
		n++
	}
	switch {
	case n > MaxField || n < len(p) && n == 0:
		return protocol.GuessNo
	case !isPrefix(p[n:], end):
		return protocol.GuessNo
	case len(p)-n < len(end):
		return protocol.GuessMaybe
	}
	return protocol.GuessRequest
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// RFC 3986 3.1
func isSchemeByte(b byte) bool {
	return isLetter(b) || isDigit(b) || b == '+' || b == '-' || b == '.'
}

// RFC 3986 3.2, without user information, which CONNECT does not have
func isAuthorityByte(b byte) bool {
	return isLetter(b) || isDigit(b) || b == '.' || b == '-' || b == '_' || b == '~' || b == ':' || b == '[' || b == ']' || b == '%'
}
