// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
)

// DeepFlowLine is one message as DeepFlow's .result files tell it.
//
// Fields has what can be told by name: of a struct in a field by "field.inner", of a list its text. Some(x) is x, and what is
// None or null is absent. A field that is an enum with values has the variant's name, and the values as "field.0" or
// "field.inner". What stands behind the struct ("is_http: true") is in it as well.
type DeepFlowLine struct {
	Kind   string // name of the struct, "" for JSON and for lines that are neither
	Fields map[string]string
	Text   string // the line as it is
}

// ReadDeepFlow reads a .result file, one message a line. Empty lines are left out; lines that are no message have no Fields.
func ReadDeepFlow(path string) ([]DeepFlowLine, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []DeepFlowLine
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, parseDeepFlow(line))
		}
	}
	return lines, nil
}

func parseDeepFlow(line string) DeepFlowLine {
	l := DeepFlowLine{Text: line, Fields: map[string]string{}}
	var rest string
	if strings.HasPrefix(line, "{") {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var v map[string]any
		if d.Decode(&v) != nil {
			return l
		}
		flatten(l.Fields, "", v)
		rest = line[d.InputOffset():]
	} else {
		p := debugText{text: line, fields: l.Fields}
		if !p.value("") {
			return DeepFlowLine{Text: line, Fields: map[string]string{}}
		}
		l.Kind = l.Fields[""]
		delete(l.Fields, "")
		rest = line[p.at:]
	}
	words := strings.Fields(rest) // "headers_offset: 0 is_dns: true"
	for i := 0; i+1 < len(words); i++ {
		if name, ok := strings.CutSuffix(words[i], ":"); ok {
			l.Fields[name] = words[i+1]
		}
	}
	return l
}

// flatten adds what JSON holds.
func flatten(fields map[string]string, name string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, inner := range v {
			flatten(fields, join(name, k), inner)
		}
	case string:
		fields[name] = v
	default:
		text, err := json.Marshal(v)
		if err == nil {
			fields[name] = string(text)
		}
	}
}

func join(outer, inner string) string {
	if outer == "" {
		return inner
	}
	return outer + "." + inner
}

// debugText reads what Rust's {:?} writes.
type debugText struct {
	text   string
	at     int
	fields map[string]string
}

func (p *debugText) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// next takes a character if it comes next.
func (p *debugText) next(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word takes a name or a number.
func (p *debugText) word() string {
	p.space()
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" ,:()[]{}\"", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

// value takes a value and puts it under a name. It reports whether there is one.
func (p *debugText) value(name string) bool {
	p.space()
	if p.at >= len(p.text) {
		return false
	}
	switch p.text[p.at] {
	case '"':
		s, ok := p.quoted()
		p.fields[name] = s
		return ok
	case '[', '{':
		return p.list(name)
	}
	word := p.word()
	switch {
	case word == "":
		return p.text[p.at] == '(' && p.next('(') && p.tuple(name)
	case p.next('('):
		if word != "Some" {
			p.fields[name] = word
			return p.tuple(name)
		}
		return p.value(name) && p.next(')')
	case p.next('{'):
		p.fields[name] = word
		return p.structure(name)
	case word != "None":
		p.fields[name] = word
	}
	return true
}

func (p *debugText) structure(name string) bool {
	for !p.next('}') {
		field := p.word()
		if field == "" || !p.next(':') || !p.value(join(name, field)) {
			return false
		}
		p.next(',')
	}
	return true
}

// tuple takes the values of a tuple. That of a variant named like the struct in it, Info(Info { .. }), is the struct's.
func (p *debugText) tuple(name string) bool {
	for i := 0; !p.next(')'); i++ {
		p.space()
		from := p.at
		inner := join(name, strconv.Itoa(i))
		if strings.HasPrefix(p.text[from:], p.fields[name]+" {") {
			inner = name
		}
		if !p.value(inner) || p.at == from {
			return false
		}
		p.next(',')
	}
	return true
}

// list takes a list or a map as its text.
func (p *debugText) list(name string) bool {
	from, depth := p.at, 0
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case '"':
			if _, ok := p.quoted(); !ok {
				return false
			}
			continue
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		}
		if p.at++; depth == 0 {
			p.fields[name] = p.text[from:p.at]
			return true
		}
	}
	return false
}

// quoted takes a string. Rust's escapes are those of Go, but for \u{..} and \'.
func (p *debugText) quoted() (string, bool) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return b.String(), true
		case '\\':
			if !p.escape(&b) {
				return "", false
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func (p *debugText) escape(b *strings.Builder) bool {
	if p.at++; p.at >= len(p.text) {
		return false
	}
	switch c := p.text[p.at]; c {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '0':
		b.WriteByte(0)
	case 'u':
		hex, _, ok := strings.Cut(strings.TrimPrefix(p.text[p.at:], "u{"), "}")
		r, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil {
			return false
		}
		b.WriteRune(rune(r))
		p.at += len(hex) + 2
	default:
		b.WriteByte(c)
	}
	return true
}
