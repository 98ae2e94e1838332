// SPDX-License-Identifier: Apache-2.0

package sql

import "bytes"

// word reads an unquoted word: a keyword, an identifier with all its parts, or what stands before a string.
func (s *Sanitiser) word() {
	n := 1
	for isWord(s.peek(n)) && (s.peek(n) != '#' || s.src.Dialect == Standard) {
		n++
	}
	w := s.q[s.i : s.i+n]
	next := s.peek(n)
	switch {
	case next == '\'' && s.prefixed(w):
		return
	case next == '&' && n == 1 && w[0]|0x20 == 'u' && s.src.Dialect != MySQL && (s.peek(2) == '\'' || s.peek(2) == '"'):
		s.unicode()
		return
	case n == 1 && w[0] == '@' && next == '`':
		n++ // a variable with a quoted name
		for c := s.peek(n); c != 0 && c != '`'; c = s.peek(n) {
			n++
		}
		n = min(n+1, len(s.q)-s.i)
	}
	qualified := s.i + n
	end := s.parts(qualified)
	if end > qualified {
		s.identifier(end)
		return
	}
	w = s.q[s.i:end]
	k := keyword(w)
	if k == kwTrue && !s.isOperand() && next != '(' {
		s.i = end
		s.literal()
		return
	}
	if s.maskName(k) {
		s.i = end
		s.literal()
		return
	}
	s.begin()
	s.i = end
	s.out = append(s.out, w...)
	s.list.end = 0
	s.keyword(k, w)
}

// isOperand tells whether TRUE or FALSE belongs to IS, as in IS NOT TRUE, or stands where a table is named.
func (s *Sanitiser) isOperand() bool {
	return s.previous == kwIs || s.previous == kwNot && s.beforeThat == kwIs || s.frame().want == wantTarget
}

// prefixed reads a string that a letter or a character set stands before. w is what stands there.
func (s *Sanitiser) prefixed(w []byte) bool {
	from := s.i + len(w) + 1
	if len(w) == 1 {
		switch w[0] | 0x20 {
		case 'e':
			if s.src.Dialect == MySQL {
				return false
			}
			s.stringLiteral(from, '\'', true)
			return true
		case 'b', 'x':
			s.stringLiteral(from, '\'', false)
			return true
		case 'n':
			s.stringLiteral(from, '\'', s.escapes())
			return true
		case 'q':
			return s.src.Dialect == Standard && s.alternative(from)
		}
	}
	return false
}

// alternative reads a string whose delimiter is what follows the quote: q'[it's]' (Oracle).
func (s *Sanitiser) alternative(from int) bool {
	if from >= len(s.q) {
		return false
	}
	closing := s.q[from]
	switch closing {
	case '[':
		closing = ']'
	case '(':
		closing = ')'
	case '{':
		closing = '}'
	case '<':
		closing = '>'
	}
	end := bytes.Index(s.q[from+1:], []byte{closing, '\''})
	if s.plain < 0 {
		s.plain, s.plainSum = len(s.out), len(s.sum)
	}
	s.literal()
	if end < 0 {
		s.i, s.stop, s.misread = len(s.q), true, !s.src.Cut
		return true
	}
	s.i = from + 1 + end + 2
	return true
}

// unicode reads U&'string' or U&"identifier".
func (s *Sanitiser) unicode() {
	if s.peek(2) == '\'' {
		s.stringLiteral(s.i+3, '\'', false)
		return
	}
	end := s.quotedEnd(s.i + 2)
	s.identifier(s.parts(end))
}

// name reads an identifier that begins with a quoted part.
func (s *Sanitiser) name() { s.identifier(s.parts(s.quotedEnd(s.i))) }

// identifier takes the bytes up to end as the name of something. One that is cut is left out.
func (s *Sanitiser) identifier(end int) {
	if s.stop {
		s.i = len(s.q)
		return
	}
	if s.maskName(kwNone) {
		s.i = end
		s.literal()
		return
	}
	w := s.q[s.i:end]
	s.copy(len(w))
	s.named(w)
}

// quotedEnd returns where the quoted identifier at i ends. One that is cut ends with the text.
func (s *Sanitiser) quotedEnd(i int) int {
	quote := s.q[i]
	if quote == '[' {
		quote = ']'
	}
	for i++; i < len(s.q); i++ {
		if s.q[i] != quote {
			continue
		}
		if i+1 < len(s.q) && s.q[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	s.stop, s.misread = true, s.misread || !s.src.Cut
	return len(s.q)
}

// parts returns where an identifier ends of which a first part ends at i.
func (s *Sanitiser) parts(i int) int {
	for i+1 < len(s.q) && s.q[i] == '.' {
		c := s.q[i+1]
		switch {
		case isWordStart(c) && c != '@' || isDigit(c) && s.src.Dialect == MySQL:
			for i += 2; i < len(s.q) && isWord(s.q[i]) && s.q[i] != '#'; {
				i++
			}
		case c == '"' && s.src.Dialect != MySQL || c == '`' && s.src.Dialect != PostgreSQL || c == '[' && s.src.Dialect == Standard:
			i = s.quotedEnd(i + 1)
		default:
			return i
		}
	}
	return i
}

// isComment tells whether a comment begins here.
func (s *Sanitiser) isComment() bool {
	switch s.q[s.i] {
	case '-':
		if s.peek(1) != '-' {
			return false
		}
		c := s.peek(2)
		return s.src.Dialect != MySQL || c <= ' ' // there 1--1 is arithmetic
	case '#':
		return s.src.Dialect == MySQL
	case '/':
		return s.peek(1) == '*'
	}
	return false
}

// skipComment leaves a comment out. Words that only it kept apart stay apart.
func (s *Sanitiser) skipComment() {
	before := s.i
	if s.q[s.i] != '/' {
		n := bytes.IndexByte(s.q[s.i:], '\n')
		if n < 0 {
			n = len(s.q) - s.i
		}
		s.i += n
		return
	}
	if s.enterExecutable() {
		return
	}
	end := s.commentEnd()
	content := s.q[min(before+2, len(s.q)):end]
	s.i = min(end+2, len(s.q))
	if bytes.Contains(content, []byte("='")) {
		context := bytes.Contains(content, []byte(traceparent))
		if s.comment == nil || context {
			s.comment, s.commented, s.commentAt = content, true, before
		}
		if context {
			s.contexts++
		}
	}
	if isWord(s.last()) && s.i < len(s.q) && (isWord(s.q[s.i]) || s.q[s.i] == '\'') {
		s.out = append(s.out, ' ')
	}
}

// commentEnd returns where the content of the comment at hand ends.
func (s *Sanitiser) commentEnd() int {
	nested := 1
	for i := s.i + 2; i+1 < len(s.q); i++ {
		switch {
		case s.q[i] == '*' && s.q[i+1] == '/':
			if nested--; nested == 0 {
				return i
			}
			i++
		case s.q[i] == '/' && s.q[i+1] == '*' && s.src.Dialect == PostgreSQL:
			nested++
			i++
		}
	}
	return len(s.q)
}

// enterExecutable reads the beginning of a comment whose content MySQL or MariaDB executes.
func (s *Sanitiser) enterExecutable() bool {
	n := 2
	if s.peek(n) == 'M' {
		n++
	}
	if s.src.Dialect != MySQL || s.peek(n) != '!' {
		return false
	}
	for n++; isDigit(s.peek(n)); {
		n++
	}
	s.i, s.executable = s.i+n, true
	return true
}
