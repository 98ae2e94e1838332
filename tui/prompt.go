// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"sonde/agent/filter"
	"sonde/agent/view"
)

// prompt is the line that a filter is typed into.
type prompt struct {
	text     string
	cursor   int    // offset in bytes, at the begin of a character
	message  string // why the world refused text
	checking bool
	choices  []choice
	chosen   int // of choices, -1 for none
	recalled int // how far back in past filters, 0 for the text itself
}

// choice is what may be typed next.
type choice struct{ text, about string }

// mostTyped bounds the line, mostPast how many filters are remembered.
const (
	mostTyped = 1000
	mostPast  = 50
)

// ask opens the prompt with the present filter.
func (m *model) ask() {
	m.prompt = &prompt{text: m.filter, cursor: len(m.filter), chosen: -1}
	m.values = map[string][]string{} // names come and go
	m.complete()
}

func (m *model) promptKey(name string, r rune) {
	p := m.prompt
	switch name {
	case "Esc":
		m.prompt = nil
		return
	case "Enter":
		if p.chosen < 0 {
			m.check()
			return
		}
		p.accept()
	case "Tab":
		if p.chosen < 0 && len(p.choices) > 0 {
			p.chosen = 0
		}
		p.accept()
	case "Down", "Up", "Shift-Tab":
		p.choose(name)
		return
	case "Ctrl-P", "Ctrl-N":
		p.recall(m.past, map[string]int{"Ctrl-P": 1, "Ctrl-N": -1}[name])
	default:
		if !p.edit(name, r) {
			return
		}
	}
	p.message = ""
	m.complete()
}

// edit changes the line as a shell does. It says whether the key was one of these.
func (p *prompt) edit(name string, r rune) bool {
	switch name {
	case "Left", "Ctrl-B":
		p.cursor = p.before()
	case "Right", "Ctrl-F":
		p.cursor = p.after()
	case "Home", "Ctrl-A":
		p.cursor = 0
	case "End", "Ctrl-E":
		p.cursor = len(p.text)
	case "Backspace":
		p.remove(p.before(), p.cursor)
	case "Delete", "Ctrl-D":
		p.remove(p.cursor, p.after())
	case "Ctrl-U":
		p.remove(0, p.cursor)
	case "Ctrl-K":
		p.remove(p.cursor, len(p.text))
	case "Ctrl-W":
		p.remove(strings.LastIndexByte(strings.TrimRight(p.text[:p.cursor], " "), ' ')+1, p.cursor)
	case "Space":
		p.insert(" ")
	default:
		if utf8.RuneCountInString(name) != 1 || !unicode.IsPrint(r) {
			return false
		}
		p.insert(string(r))
	}
	return true
}

func (p *prompt) insert(s string) {
	if len(p.text)+len(s) <= mostTyped {
		p.text = p.text[:p.cursor] + s + p.text[p.cursor:]
		p.cursor += len(s)
	}
}

func (p *prompt) remove(from, to int) {
	p.text, p.cursor = p.text[:from]+p.text[to:], from
}

// before and after are the offsets of the characters beside the cursor.
func (p *prompt) before() int {
	at, rest := 0, p.text[:p.cursor]
	for rest != "" {
		cluster, after, _, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		if after == "" {
			break
		}
		at, rest = at+len(cluster), after
	}
	return at
}

func (p *prompt) after() int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(p.text[p.cursor:], -1)
	return p.cursor + len(cluster)
}

func (p *prompt) choose(name string) {
	if len(p.choices) == 0 {
		return
	}
	by := 1
	if name != "Down" {
		by = -1
	}
	p.chosen = max(min(p.chosen+by, len(p.choices)-1), -1)
}

func (p *prompt) recall(past []string, by int) {
	p.recalled = max(min(p.recalled+by, len(past)), 0)
	p.text = ""
	if p.recalled > 0 {
		p.text = past[len(past)-p.recalled]
	}
	p.cursor = len(p.text)
}

// word is the part of the line that is being typed: from and to in p.text, and the flag that it is a value of, "" for none.
func (p *prompt) word() (from, to int, flag string) {
	from = strings.LastIndexByte(p.text[:p.cursor], ' ') + 1
	to = p.cursor
	word := p.text[from:to]
	if name, _, found := strings.Cut(word, "="); found && strings.HasPrefix(name, "--") {
		from += len(name) + 1
		flag = name[2:]
	} else if fields := strings.Fields(p.text[:from]); len(fields) > 0 {
		before, isFlag := strings.CutPrefix(fields[len(fields)-1], "--")
		if isFlag && before != "not" && !strings.Contains(before, "=") && !strings.HasPrefix(word, "-") {
			flag = before
		}
	}
	if flag != "" { // several values have commas between them
		from += strings.LastIndexByte(p.text[from:to], ',') + 1
	}
	return from, to, flag
}

// accept puts the chosen completion into the line.
func (p *prompt) accept() {
	if p.chosen < 0 || p.chosen >= len(p.choices) {
		return
	}
	from, to, _ := p.word()
	choice := p.choices[p.chosen].text
	p.remove(from, to)
	p.insert(choice + " ")
}

// mostChoices bounds the list of completions.
const mostChoices = 200

// complete lists what may be typed next: flags, or values of one.
func (m *model) complete() {
	p := m.prompt
	p.choices, p.chosen = nil, -1
	from, to, flag := p.word()
	typed := p.text[from:to]
	if flag != "" {
		for _, v := range m.valuesOf(flag) {
			if strings.HasPrefix(v, typed) && v != typed && len(p.choices) < mostChoices {
				p.choices = append(p.choices, choice{text: quoted(v)})
			}
		}
		return
	}
	if typed != "" && typed[0] != '-' {
		return
	}
	for _, f := range append(filter.Flags(), filter.Flag{Name: "not", Usage: "exclude what the next flag keeps"}) {
		if name := "--" + f.Name; strings.HasPrefix(name, typed) && name != typed {
			p.choices = append(p.choices, choice{name, f.Usage})
		}
	}
}

// quoted is a value as it must be written in a line.
func quoted(v string) string {
	if strings.ContainsAny(v, " \"'\\") {
		return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
	}
	return v
}

// valuesOf returns the values that a flag may be given, those that the traffic has once the world has told them.
func (m *model) valuesOf(flag string) []string { return filter.Values(flag, m.told) }

// told returns what the world says of a flag, nothing until it has.
func (m *model) told(flag string) []string {
	values, asked := m.values[flag]
	if !asked {
		m.values[flag] = nil
		m.later(queueValues, func(ctx context.Context, w view.World) func(*model) {
			values, err := w.Values(ctx, flag)
			if err != nil {
				return nil // without completion one can type
			}
			return func(m *model) {
				m.values[flag] = values
				if m.prompt != nil {
					m.complete()
				}
			}
		})
	}
	return values
}

// check has the world look at the filter before it is applied, so that the text can still be corrected.
func (m *model) check() {
	p := m.prompt
	text := strings.TrimSpace(p.text)
	if text == "" || text == m.filter {
		m.apply(text)
		return
	}
	if p.checking {
		return
	}
	p.checking, p.message = true, ""
	q := m.query()
	q.Filter, q.Limit = text, 1
	m.later(queueValues, func(ctx context.Context, w view.World) func(*model) {
		_, err := w.Snapshot(ctx, q)
		return func(m *model) { m.checked(p, text, err) }
	})
}

func (m *model) checked(p *prompt, text string, err error) {
	if p != m.prompt { // it was closed meanwhile
		return
	}
	p.checking = false
	switch {
	case strings.TrimSpace(p.text) != text: // typed on meanwhile
	case err != nil:
		p.message = strings.TrimPrefix(err.Error(), view.ErrBadQuery.Error()+": ")
		p.choices, p.chosen = nil, -1
	default:
		m.apply(text)
	}
}

// apply filters by text, or shows all again.
func (m *model) apply(text string) {
	if text != "" {
		m.past = append(slices.DeleteFunc(m.past, func(s string) bool { return s == text }), text)
		m.past = m.past[max(len(m.past)-mostPast, 0):]
	}
	m.filter, m.prompt, m.broken = text, nil, nil
}

// paste puts text into the prompt where that is open.
func (m *model) paste(text string) {
	if m.prompt == nil {
		return
	}
	m.prompt.insert(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	m.prompt.message = ""
	m.complete()
}
