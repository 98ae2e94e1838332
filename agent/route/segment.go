// SPDX-License-Identifier: Apache-2.0

package route

import "strings"

// maxLiteral is the length in bytes beyond which a segment is data, whatever it looks like.
const maxLiteral = 40

// isID tells whether a segment looks like the name of one thing of many. The rest is text that may be a word of the API.
func isID(segment string) bool {
	if len(segment) > maxLiteral || isVersion(segment) {
		return len(segment) > maxLiteral
	}
	from := 0
	for i := range len(segment) {
		c := segment[i]
		if class(c) != other {
			continue
		}
		// What follows is no part of a word in any API: mail addresses, escapes, padding, quotes, bytes beyond ASCII.
		if strings.IndexByte("-._~!$'()*+,:", c) < 0 || isToken(segment[from:i]) {
			return true
		}
		from = i + 1
	}
	return isToken(segment[from:])
}

// Classes of bytes that a token is made of.
const (
	other = iota
	digit
	lower
	upper
)

func class(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return digit
	case c >= 'a' && c <= 'z':
		return lower
	case c >= 'A' && c <= 'Z':
		return upper
	}
	return other
}

// isToken tells whether letters and digits look like an identifier: only digits, many of them (user1234), a hash, or letters
// and digits that take turns (dQw4w9WgXcQ). Words with a digit or two are words: oauth2, i18n, k8s.
func isToken(s string) bool {
	digits, hexLetters, turns := 0, 0, 0
	for i := range len(s) {
		c := s[i]
		isDigit := class(c) == digit
		switch {
		case isDigit:
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			hexLetters++
		}
		if i > 0 && isDigit != (class(s[i-1]) == digit) {
			turns++
		}
	}
	switch {
	case digits == 0:
		return hexLetters == len(s) && len(s) >= minHexWord
	case digits == len(s), digits >= minDigits, turns >= minTurns:
		return true
	}
	return digits+hexLetters == len(s) && len(s) >= minHex
}

const (
	minDigits  = 3  // of a token with letters
	minTurns   = 3  // between letters and digits
	minHex     = 7  // an abbreviated hash of git
	minHexWord = 16 // without a digit: no word is that long
)

// isVersion tells whether a segment is a version of an API: v1, v2beta1 (Kubernetes API conventions), v1.2.
func isVersion(s string) bool {
	if len(s) < 2 || s[0]|0x20 != 'v' {
		return false
	}
	rest := skipDigits(s[1:])
	if len(rest) == len(s)-1 || len(s)-1-len(rest) > 2 {
		return false
	}
	for _, stage := range [...]string{"alpha", "beta", "."} {
		if after, ok := strings.CutPrefix(rest, stage); ok {
			return skipDigits(after) == "" && len(after) <= 2
		}
	}
	return rest == ""
}

func skipDigits(s string) string { return strings.TrimLeft(s, "0123456789") }
