// SPDX-License-Identifier: Apache-2.0

package sql

// maxDepth bounds the nesting of parentheses in which targets are looked for.
const maxDepth = 32

// want is what the next word is taken for.
type want uint8

const (
	wantNothing want = iota
	wantCommand      // the beginning of a statement
	wantGroup        // the same where a target is due: a SELECT, or joined tables
	wantKind         // of object: CREATE UNIQUE | INDEX
	wantTarget
	wantWord // one more word of the command: START | TRANSACTION
)

// frame is the state of the words in one pair of parentheses.
type frame struct {
	want    want
	command kw   // that is being read
	listed  bool // a comma leads to another target
	with    bool // behind WITH: the command is still to come
	used    bool // USING has led to a target
	defines bool // what follows the target is a definition, which is not executed
}

// summary collects commands and targets.
type summary struct {
	sum    []byte
	full   bool // no more fits
	frames [maxDepth]frame
	deep   frame // deeper than that
	depth  int

	previous, beforeThat kw // the words before, kwNone when they are none that matters

	statements     int
	ended          bool // by ";"
	over           bool // nothing up to the end of the statement matters
	overAll        bool // nor up to the end of the text
	account        bool // the next name is that of an account
	procedure, use span
}

func (s *summary) frame() *frame {
	if s.depth < maxDepth {
		return &s.frames[s.depth]
	}
	s.deep = frame{}
	return &s.deep
}

// begin notes that a statement has a token.
func (s *summary) begin() {
	if s.statements == 0 || s.ended {
		s.statements++
		s.ended = false
	}
}

func (s *summary) remember(k kw) { s.beforeThat, s.previous = s.previous, k }

// value notes a literal or a placeholder.
func (s *summary) value() {
	s.frame().want = wantNothing
	s.account = false
	s.remember(kwNone)
}

// punctuation notes a byte that belongs to neither a word nor a literal.
func (s *summary) punctuation(c byte) {
	f := s.frame()
	switch c {
	case ';':
		s.ended = true
		s.depth, s.over, s.account = 0, s.overAll, false
		s.frames[0] = frame{want: wantCommand}
	case '(':
		s.begin()
		s.open(f)
	case ')':
		s.depth = max(0, s.depth-1)
	case ',':
		if f.listed {
			f.want = wantTarget
		}
	default:
		s.begin()
		if f.want == wantCommand && c != '{' || f.want == wantGroup { // {call p}
			f.want = wantNothing
		}
	}
	s.remember(kwNone)
}

// open enters parentheses.
func (s *summary) open(outer *frame) {
	inner := frame{}
	switch {
	case outer.command == kwExplain: // its options
	case outer.want == wantCommand || outer.with:
		inner.want = wantCommand
	case outer.want == wantGroup || outer.want == wantTarget && (outer.listed || outer.command == kwCopy || outer.command == kwMerge):
		inner.want, inner.listed = wantGroup, outer.command != kwMerge
		outer.want = wantNothing
	case outer.want == wantTarget:
		outer.want = wantNothing
	}
	s.depth++
	if s.depth < maxDepth {
		s.frames[s.depth] = inner
	}
}

// add writes one more part.
func (s *summary) add(w []byte) span {
	space := min(len(s.sum), 1)
	if s.full || len(s.sum)+space+len(w) > MaxSummary {
		s.full = true
		return span{}
	}
	if space > 0 {
		s.sum = append(s.sum, ' ')
	}
	from := len(s.sum)
	s.sum = append(s.sum, w...)
	return span{from, len(s.sum)}
}

// target writes what a command applies to.
func (s *Sanitiser) target(w []byte) {
	f := s.frame()
	part := s.add(w)
	f.want = wantNothing
	switch f.command {
	case kwCall, kwExecute:
		if f.command == kwCall || s.src.Dialect == Standard { // elsewhere it executes a prepared statement
			s.procedure = part
		}
	case kwUse:
		s.use = part
	}
	s.over = s.over || f.defines
	s.remember(kwNone)
}

// named notes a name that can be no keyword.
func (s *Sanitiser) named(w []byte) {
	f := s.frame()
	switch {
	case s.over:
	case f.want == wantTarget && w[0] != '@', f.want == wantGroup, f.want == wantKind && f.command == kwTruncate:
		f.listed = f.listed || f.command == kwTruncate
		s.target(w)
		return
	case f.want == wantWord || f.want == wantCommand:
		f.want = wantNothing
	}
	s.remember(kwNone)
}

// quotedTarget tells whether a string with that content is the name of a table, as some databases allow.
func (s *summary) quotedTarget(content []byte) bool {
	f := s.frame()
	if f.want != wantTarget || !f.listed || s.over || len(content) == 0 || len(content) > 64 {
		return false
	}
	for _, c := range content {
		if !isWord(c) && c != ' ' && c != '.' {
			return false
		}
	}
	return true
}

// maskName tells whether the word at hand is the name of an account.
func (s *summary) maskName(k kw) bool {
	if !s.account || k == kwIf || k == kwNot || k == kwExists {
		return false
	}
	s.account = false
	return true
}

// keyword notes an unquoted word.
func (s *Sanitiser) keyword(k kw, w []byte) {
	f := s.frame()
	switch {
	case s.over || s.depth >= maxDepth:
	case k == kwSelect:
		s.command(f, k, w)
	case f.want == wantTarget:
		if !precedesTarget(f.command, k) && w[0] != '@' {
			s.target(w)
			return
		}
	case f.want == wantCommand || f.with && k.isChange():
		s.commandWord(f, k, w)
	case f.want == wantGroup:
		s.groupWord(f, k, w)
	case f.want == wantKind:
		s.kind(f, k, w)
	case f.want == wantWord:
		s.add(w)
		f.want = wantNothing
	default:
		s.clause(f, k)
	}
	s.remember(k)
}

// commandWord takes the first word of a statement.
func (s *Sanitiser) commandWord(f *frame, k kw, w []byte) {
	switch {
	case k == kwWith:
		f.with, f.want = true, wantNothing
	case f.command == kwExplain && (k == kwVerbose || k == kwAnalyze):
	case k == kwDeclare && s.src.Dialect == Standard: // a variable, more often than a cursor
		f.want = wantNothing
	case k.isCommand():
		s.command(f, k, w)
	default:
		f.want = wantNothing
	}
}

// groupWord takes the first word in parentheses where a table is due.
func (s *Sanitiser) groupWord(f *frame, k kw, w []byte) {
	switch k {
	case kwWith:
		f.with, f.want, f.listed = true, wantNothing, false
	case kwValues:
		*f = frame{}
	case kwOnly:
	default:
		s.target(w)
	}
}

// command begins a command.
func (s *Sanitiser) command(f *frame, k kw, w []byte) {
	*f = frame{command: k}
	s.add(w)
	switch k {
	case kwInsert, kwMerge, kwCall, kwExecute, kwUse, kwVacuum, kwAnalyze, kwCopy:
		f.want = wantTarget
		if k == kwAnalyze {
			f.command = kwVacuum
		}
	case kwUpdate:
		f.want, f.listed = wantTarget, true
	case kwDelete:
		if s.src.Dialect != MySQL { // there what comes before FROM is named again behind it
			f.want, f.listed = wantTarget, true
		}
	case kwCreate, kwAlter, kwDrop, kwTruncate:
		f.want = wantKind
	case kwStart:
		f.want = wantWord
	case kwExplain:
		f.want = wantCommand
	case kwGrant:
		s.over = true
	}
}

// kind takes the kind of object that a CREATE, ALTER, DROP or TRUNCATE is about.
func (s *Sanitiser) kind(f *frame, k kw, w []byte) {
	switch {
	case k == kwUser:
		s.add(w)
		s.over, s.account = true, true
	case k.isObject():
		s.add(w)
		f.want, f.listed = wantTarget, f.command == kwDrop || f.command == kwTruncate
		f.defines = f.command == kwAlter || f.command == kwCreate && k != kwTable
		s.overAll = k == kwRoutine && f.defines && s.src.Dialect != PostgreSQL
	case f.command == kwTruncate && k != kwOnly:
		f.listed = true
		s.target(w)
	}
}

// clause follows the words inside of a command.
func (s *Sanitiser) clause(f *frame, k kw) {
	switch k {
	case kwFrom:
		distinct := s.previous == kwDistinct && s.beforeThat != kwSelect // IS DISTINCT FROM
		if !distinct && (f.command == kwSelect || f.command == kwUpdate || f.command == kwDelete) {
			f.want, f.listed = wantTarget, true
		}
	case kwJoin:
		if f.command != kwNone || f.listed {
			f.want, f.listed = wantTarget, true
		}
	case kwInto:
		if f.command == kwSelect && s.src.Dialect != MySQL { // there it fills variables and files
			f.want = wantTarget
		}
	case kwUsing:
		if (f.command == kwDelete || f.command == kwMerge) && !f.used {
			f.want, f.used, f.listed = wantTarget, true, true
		}
	case kwEndOfList, kwSet, kwValues:
		f.listed = false
	case kwAs:
		if f.command == kwPrepare {
			f.want = wantCommand
		}
	}
}
