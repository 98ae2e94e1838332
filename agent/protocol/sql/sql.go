// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"bytes"
	"hash/maphash"
	"unicode/utf8"

	"sonde/agent/model"
)

// MaxSummary bounds a summary, in bytes.
const MaxSummary = 255

// Dialect is a way of writing literals, identifiers and comments.
type Dialect uint8

// Standard is for what is not known better: "", “ and [] hold identifiers, $tag$ strings, and a backslash is a backslash.
const (
	Standard   Dialect = iota
	PostgreSQL         // "" holds identifiers, /* */ nests, a backslash escapes in E strings alone
	MySQL              // "" holds strings, `` identifiers, # begins a comment, a backslash escapes
)

// Source says what is known of a text.
type Source struct {
	Dialect  Dialect
	Prepared bool // it is the text of a prepared statement
	Cut      bool // it is the beginning of a longer one

	// OtherEscapes says that the session has turned around what a backslash in a string means: standard_conforming_strings is off
	// (PostgreSQL), or NO_BACKSLASH_ESCAPES is on (MySQL).
	OtherEscapes bool
}

// Statement is what may be told of a text.
type Statement struct {
	Text       string // at most model.MaxText bytes of valid UTF-8
	Summary    string // "" when no command was recognised
	Cut        bool   // Text is not all of it
	Parameters bool   // it has placeholders
	Statements int    // how many there are, separated by ";"
	Procedure  string // that a CALL or EXECUTE names, "" when there is none
	Use        string // database that a USE selects, without quotes

	// Comment is the content of the comment that carries key='value' pairs in the way of SQL commenter, nil when there is
	// none, or several have trace context. It points into the query.
	Comment []byte
}

// Limits of the strings that are kept for the next use: the same few statements pass all the time.
const (
	tableSets   = 256 // a power of two
	tableWays   = 4
	tableString = 1024 // bytes of a string; a longer one is allocated each time
)

// Sanitiser reads SQL text. The zero value is not ready: use New.
type Sanitiser struct {
	seed  maphash.Seed
	table [tableSets][tableWays]string

	lexer
	summary
}

// New makes a Sanitiser.
func New() *Sanitiser { return &Sanitiser{seed: maphash.MakeSeed()} }

// Read sanitises and summarises query, which it does not keep.
func (s *Sanitiser) Read(query []byte, src Source) Statement {
	s.begins(query, src)
	for s.i < len(s.q) && !s.stop {
		s.token()
	}
	if s.misread {
		s.retreat()
	}
	st := Statement{Cut: src.Cut || s.misread, Parameters: s.parameters, Statements: s.statements}
	if s.contexts <= 1 && !s.misread {
		st.Comment = s.comment
	}
	text := s.out
	if src.Prepared && s.parameters && !src.Cut && !s.misread {
		text = s.asSent()
	} else if s.commented {
		text = bytes.TrimRight(text, " \t\r\n")
	}
	st.Text, st.Cut = s.text(text, st.Cut)
	st.Summary = s.Intern(s.valid(s.sum, MaxSummary))
	s.names(&st)
	return st
}

func (s *Sanitiser) begins(query []byte, src Source) {
	s.lexer = lexer{q: query, src: src, out: s.out[:0], plain: -1}
	s.summary = summary{sum: s.sum[:0]}
	s.frames[0].want = wantCommand
}

// asSent returns the query without its SQL commenter comment.
func (s *Sanitiser) asSent() []byte {
	from, to := s.aside()
	before, behind := bytes.TrimRight(s.q[:from], " \t\r\n"), bytes.TrimLeft(s.q[to:], " \t\r\n")
	switch {
	case from == to:
		return s.q
	case len(behind) == 0:
		return before
	case len(before) == 0:
		return behind
	}
	s.out = append(append(append(s.out[:0], before...), ' '), behind...)
	return s.out
}

// aside returns where the SQL commenter comment begins and ends; it has no length when there is none.
func (s *Sanitiser) aside() (from, to int) {
	if s.comment == nil {
		return len(s.q), len(s.q)
	}
	return s.commentAt, min(len(s.q), s.commentAt+len("/*")+len(s.comment)+len("*/"))
}

// retreat takes back what was written behind the first string that may have been misread.
func (s *Sanitiser) retreat() {
	at := s.plain
	if s.doubted {
		at, s.sum = s.doubt.out, s.sum[:s.doubt.sum]
	} else if at >= 0 {
		s.sum = s.sum[:s.plainSum]
	}
	if at >= 0 && at < len(s.out) {
		s.out = append(s.out[:at], '?')
	}
	s.procedure, s.use = span{}, span{}
}

// text cuts b to what is kept, on a rune boundary.
func (s *Sanitiser) text(b []byte, cut bool) (string, bool) {
	valid := s.valid(b, model.MaxText)
	return s.Intern(valid), cut || len(b) > model.MaxText
}

// valid returns the first limit bytes of b, whole runes of UTF-8 only.
func (s *Sanitiser) valid(b []byte, limit int) []byte {
	if len(b) > limit {
		n := limit
		for n > limit-utf8.UTFMax && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	if utf8.Valid(b) {
		return b
	}
	b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	if len(b) > limit {
		return s.valid(b, limit)
	}
	return b
}

// names cuts the names of a procedure and of a database out of the summary.
func (s *Sanitiser) names(st *Statement) {
	if p := s.procedure; p.to > p.from && p.to <= len(st.Summary) {
		st.Procedure = st.Summary[p.from:p.to]
	}
	if u := s.use; u.to > u.from && u.to <= len(st.Summary) {
		st.Use = unquote(st.Summary[u.from:u.to])
	}
}

func unquote(name string) string {
	if n := len(name); n > 2 && (name[0] == '`' || name[0] == '"') && name[n-1] == name[0] {
		return name[1 : n-1]
	}
	return name
}

// Intern returns b as a string, without allocating when the same bytes came lately. A flood of new strings pushes out old
// ones and costs no more than their copies. Parsers use it for the names on their connections too.
func (s *Sanitiser) Intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > tableString {
		return string(b)
	}
	set := &s.table[maphash.Bytes(s.seed, b)%tableSets]
	for i := range set {
		if set[i] == string(b) {
			return set[i]
		}
	}
	copy(set[1:], set[:])
	set[0] = string(b)
	return set[0]
}
