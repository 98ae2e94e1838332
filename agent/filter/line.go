// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// LineError says what is wrong with a line, and where.
type LineError struct {
	At  int // offset in bytes of the word that is meant
	Err error

	column int
}

// Error begins with the column, counted in characters from 1.
func (e *LineError) Error() string { return fmt.Sprintf("column %d: %v", e.column, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

func lineError(line string, at int, err error) error {
	return &LineError{at, err, utf8.RuneCountInString(line[:at]) + 1}
}

// ParseLine reads a filter that is written in one line, as in a prompt: the flags of `sonde observe` with --flag value or
// --flag=value, --not, and bare words, which are values of --text. 'Single' and "double" quotes and a backslash keep blanks in
// a value, as in a shell. The empty line lets everything pass.
//
// The error is a *LineError where a word is to blame, and names what is accepted; a combination that matches nothing has no
// place. What is returned without an error compiles.
func ParseLine(line string) (Config, error) {
	tokens, err := split(line)
	if err != nil {
		return Config{}, err
	}
	var p lineParser
	for i := 0; i < len(tokens); i++ {
		used, err := p.take(tokens[i:])
		if err != nil {
			return Config{}, lineError(line, tokens[i].from, err)
		}
		i += used
	}
	c, err := p.arguments.Config()
	if err != nil {
		return Config{}, lineError(line, p.not, err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

type lineParser struct {
	arguments Arguments
	not       int // offset of the last --not
}

// take adds what the first of tokens says, and returns how many of those behind it belong to it.
func (p *lineParser) take(tokens []token) (int, error) {
	first := tokens[0]
	name, flag := strings.CutPrefix(first.text, "--")
	switch {
	case first.text == "--not" && p.arguments.not:
		return 0, errNotTwice
	case first.text == "--not":
		p.not = first.from
		p.arguments.Not()
		return 0, nil
	case !flag && strings.HasPrefix(first.text, "-"):
		return 0, fmt.Errorf("%q: flags begin with two dashes; for a text that begins with one write --text=%s", first.text, quoted(first.text))
	case !flag:
		return 0, p.set(kindText, first.text)
	}
	name, value, given := strings.Cut(name, "=")
	k, ok := kindOf(name)
	if !ok {
		return 0, unknownFlag(name)
	}
	if given {
		return 0, p.set(k, value)
	}
	if len(tokens) == 1 {
		return 0, fmt.Errorf("--%s needs a value: accepted are %s", name, flags[k].Accepts)
	}
	return 1, p.set(k, tokens[1].text)
}

// set also refuses what only Compile would, as long as it is known where it was written.
func (p *lineParser) set(k kind, value string) error {
	var alone Terms
	if err := alone.set(k, value); err != nil {
		return err
	}
	if _, err := compile(alone); err != nil {
		return err
	}
	return p.arguments.Set(flags[k].Name, value)
}

func unknownFlag(name string) error {
	if name == "not" {
		return errors.New("--not takes no value: it reverses the filter after it")
	}
	names := []string{"--not"}
	for k := range kindCount {
		names = append(names, "--"+flags[k].Name)
	}
	return fmt.Errorf("--%s is no filter: accepted are %s", name, strings.Join(names, ", "))
}

// token is a word of a line.
type token struct {
	text     string // without quotes and backslashes
	from, to int    // where it stands, in bytes
}

// split cuts a line at blanks, as a shell does.
func split(line string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(line); {
		if isBlank(line[i]) {
			i++
			continue
		}
		t := token{from: i}
		var err error
		if t.text, t.to, err = word(line, i); err != nil {
			return append(tokens, t), lineError(line, t.to, err)
		}
		tokens = append(tokens, t)
		i = t.to
	}
	return tokens, nil
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// word reads the word at i. At an error, end is where the fault is, and text what can be read all the same.
func word(line string, i int) (text string, end int, err error) {
	var b []byte
	for i < len(line) && !isBlank(line[i]) {
		switch c := line[i]; c {
		case '\'', '"':
			closed := i + 1
			for closed < len(line) && line[closed] != c {
				if c == '"' && isEscape(line[closed:]) {
					closed++
				}
				b = append(b, line[closed])
				closed++
			}
			if closed == len(line) {
				return string(b), i, fmt.Errorf("the quote %c is not closed", c)
			}
			i = closed + 1
		case '\\':
			if i+1 == len(line) {
				return string(b), i, errors.New(`a backslash stands at the end: write \\ for one`)
			}
			b = append(b, line[i+1])
			i += 2
		default:
			b = append(b, c)
			i++
		}
	}
	return string(b), i, nil
}

// isEscape tells whether a backslash between double quotes takes the meaning of what follows, as in a shell: "\d" is a
// regular expression.
func isEscape(s string) bool { return len(s) > 1 && s[0] == '\\' && (s[1] == '"' || s[1] == '\\') }

// FormatLine writes a Config so that ParseLine reads the same one, provided that no value has a comma, or blanks at its ends,
// where that cannot be written (in all kinds but paths and texts).
func FormatLine(c Config) string {
	var b strings.Builder
	writeTerms(&b, "", &c.Allow)
	writeTerms(&b, "--not ", &c.Deny)
	return b.String()
}

func writeTerms(b *strings.Builder, not string, t *Terms) {
	for k := range kindCount {
		values := flags[k].values(t)
		if len(values) == 0 {
			continue
		}
		if !flags[k].whole {
			values = []string{strings.Join(values, ",")}
		}
		for _, v := range values {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(not)
			switch {
			case k != kindText:
				b.WriteString("--" + flags[k].Name + " ")
			case strings.HasPrefix(v, "-"):
				b.WriteString("--" + flags[k].Name + "=")
			}
			b.WriteString(quoted(v))
		}
	}
}

// quoted writes a word so that it stays one, as plainly as that is possible.
func quoted(s string) string {
	switch {
	case s != "" && !strings.ContainsAny(s, " \t\n\v\f\r'\"\\"):
		return s
	case !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
