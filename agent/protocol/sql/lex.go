// SPDX-License-Identifier: Apache-2.0

package sql

import "bytes"

// span is a part of the summary, in bytes.
type span struct{ from, to int }

// lexer goes through a text once and writes what is left of it.
type lexer struct {
	q   []byte
	i   int // of the next byte of q
	src Source
	out []byte

	stop    bool // nothing behind is to be read
	misread bool // quotes are not what they were taken for

	plain    int // len(out) before the first string, -1 while there was none
	plainSum int // length of the summary then
	doubted  bool
	doubt    struct{ out, sum int } // the lengths of out and of the summary before the first string with a backslash

	parameters bool
	comment    []byte
	commented  bool // comment is the last thing in q
	commentAt  int  // where it begins
	contexts   int  // comments with trace context
	executable bool // inside /*! */

	list listState // literals behind IN
}

// listState follows a list of literals: only the first is written.
type listState struct {
	depth int // of its parenthesis, 0 outside of a list
	end   int // len(out) behind its last literal, 0 while it has none
}

// token reads one token, or a run of white space.
func (s *Sanitiser) token() {
	c := s.q[s.i]
	switch {
	case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		s.out = append(s.out, c)
		s.i++
		return
	case isWordStart(c):
		s.word()
	case c == '\'':
		s.stringLiteral(s.i+1, c, s.escapes())
	case c == '"' && s.src.Dialect == MySQL:
		s.stringLiteral(s.i+1, c, s.escapes())
	case c == '"' || c == '`' && s.src.Dialect != PostgreSQL || c == '[' && s.bracketed():
		s.name()
	case s.number():
	case s.isComment():
		s.skipComment()
		return
	case c == '$' && s.src.Dialect != MySQL && s.dollar():
	default:
		s.symbol(c)
	}
	s.commented = false
}

// escapes tells whether a backslash escapes in an ordinary string.
func (s *Sanitiser) escapes() bool { return (s.src.Dialect == MySQL) != s.src.OtherEscapes }

func isWordStart(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= 0x80 || c == '@'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' || c == '#' }

func (s *Sanitiser) peek(n int) byte {
	if s.i+n < len(s.q) {
		return s.q[s.i+n]
	}
	return 0
}

// last returns the last byte written.
func (s *Sanitiser) last() byte {
	if n := len(s.out); n > 0 {
		return s.out[n-1]
	}
	return 0
}

// symbol copies a byte that means nothing by itself.
func (s *Sanitiser) symbol(c byte) {
	s.i++
	switch c {
	case '*':
		if s.executable && s.i < len(s.q) && s.q[s.i] == '/' {
			s.i++
			s.executable = false
			return
		}
	case '?':
		s.parameters = s.parameters || s.src.Dialect != PostgreSQL // there it is an operator
	case ':':
		s.parameters = s.parameters || isWordStart(s.peek(0)) && s.last() != ':'
	}
	s.out = append(s.out, c)
	in := s.previous == kwIn
	s.punctuation(c)
	switch {
	case c == '(' && in:
		s.list = listState{depth: s.depth}
	case c == ')' && s.depth < s.list.depth:
		s.list = listState{}
	case c != ',' && c != '(':
		s.list.end = 0
	}
}

// literal writes "?" in the place of a literal. Behind the first of a list of literals, the comma is taken back instead.
func (s *Sanitiser) literal() {
	s.begin()
	if s.list.end > 0 && s.list.depth == s.depth {
		s.out = s.out[:s.list.end]
		return
	}
	s.out = append(s.out, '?')
	if s.list.depth > 0 && s.list.depth == s.depth {
		s.list.end = len(s.out)
	}
	s.value()
}

// stringLiteral reads a string whose content begins at from. quote ends it unless it is doubled or, with escapes, behind a
// backslash.
func (s *Sanitiser) stringLiteral(from int, quote byte, escapes bool) {
	if s.plain < 0 {
		s.plain, s.plainSum = len(s.out), len(s.sum)
	}
	before, sum, backslash := len(s.out), len(s.sum), false
	content := s.q[from:]
	n, end := 0, -1
	for n < len(content) && end < 0 {
		c := content[n]
		switch {
		case c == '\\':
			backslash = true
			if escapes {
				n++
			}
		case c == quote && n+1 < len(content) && content[n+1] == quote:
			n++
		case c == quote:
			end = n
		}
		n++
	}
	if backslash && !s.doubted {
		s.doubted, s.doubt.out, s.doubt.sum = true, before, sum
	}
	if end < 0 {
		s.i = len(s.q)
		s.literal()
		s.stop, s.misread = true, !s.src.Cut
		return
	}
	target := s.src.Dialect == Standard && s.quotedTarget(content[:end])
	s.i = from + end + 1
	if target {
		s.begin()
		s.out = append(s.out, '?')
		s.target(s.q[from-1 : s.i])
	} else {
		s.literal()
	}
	if c := s.peek(0); s.doubted && (c == '_' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80) {
		s.stop, s.misread = true, true
	}
}

// dollar reads what a $ begins: a placeholder or a string. It is false when it is neither.
func (s *Sanitiser) dollar() bool {
	if isDigit(s.peek(1)) {
		n := 1
		for isDigit(s.peek(n)) {
			n++
		}
		s.parameters = true
		s.copy(n)
		s.value()
		return true
	}
	n := 1
	for c := s.peek(n); c != '$' && c != '@' && isWordStart(c) || n > 1 && isDigit(c); c = s.peek(n) {
		n++
	}
	if s.peek(n) != '$' {
		if s.src.Cut && s.i+n == len(s.q) { // the tag itself is cut
			s.i, s.stop = len(s.q), true
			return true
		}
		return false
	}
	tag := s.q[s.i : s.i+n+1]
	if s.plain < 0 {
		s.plain, s.plainSum = len(s.out), len(s.sum)
	}
	end := bytes.Index(s.q[s.i+len(tag):], tag)
	s.literal()
	if end < 0 {
		s.i, s.stop, s.misread = len(s.q), true, !s.src.Cut
		return true
	}
	s.i += 2*len(tag) + end
	return true
}

// copy writes the next n bytes as they are.
func (s *Sanitiser) copy(n int) {
	s.begin()
	s.out = append(s.out, s.q[s.i:s.i+n]...)
	s.i += n
	s.list.end = 0
}

// number reads a number with its sign; it is false when none begins here.
func (s *Sanitiser) number() bool {
	n := 0
	if c := s.q[s.i]; c == '+' || c == '-' {
		n++
	}
	if !isDigit(s.peek(n)) && (s.peek(n) != '.' || !isDigit(s.peek(n+1))) {
		return false
	}
	end := s.numberEnd(s.i + n)
	if n == 0 && s.src.Dialect == MySQL && s.frame().want == wantTarget && !isNumber(s.q[s.i:end]) { // 2024_orders
		s.word()
		return true
	}
	s.i = end
	s.literal()
	return true
}

// numberEnd returns where the number at i ends, together with letters that stick to it.
func (s *Sanitiser) numberEnd(i int) int {
	for i < len(s.q) {
		c := s.q[i]
		exponent := c == '+' || c == '-'
		if exponent && (s.q[i-1]|0x20 != 'e' || i+1 >= len(s.q) || !isDigit(s.q[i+1])) {
			break
		}
		if !exponent && c != '.' && c != '_' && !isDigit(c) && !('a' <= c|0x20 && c|0x20 <= 'z') && c < 0x80 {
			break
		}
		i++
	}
	return i
}

// isNumber tells whether b, which begins with a digit, has nothing in it but a number.
func isNumber(b []byte) bool {
	if len(b) > 1 && b[0] == '0' && (b[1]|0x20 == 'x' || b[1]|0x20 == 'b') {
		return true
	}
	for _, c := range b {
		if !isDigit(c) && c != '.' && c|0x20 != 'e' && c != '-' && c != '+' {
			return false
		}
	}
	return true
}

// bracketed tells whether [ begins an identifier, not a subscript or an array.
func (s *Sanitiser) bracketed() bool {
	if s.src.Dialect != Standard {
		return false
	}
	c := s.peek(1)
	last := s.last()
	return (isWordStart(c) || c == '#') && last != ')' && last != ']' && !isWord(last) && bytes.IndexByte(s.q[s.i:], ']') > 0
}
