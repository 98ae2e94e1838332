// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sonde/agent/model"
	"sonde/agent/units"
)

// Look says how a table looks. The zero value is without colour, of any width, in local time.
type Look struct {
	Colour   bool           // ANSI colours; set it for terminals only
	Width    int            // of the terminal in columns; 0 is no limit
	Title    bool           // a line above with the time that the table is of
	Location *time.Location // nil is local time
}

const (
	dim   = "\x1b[2m"
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	reset = "\x1b[0m"
)

// measure is a column of numbers.
type measure struct {
	title string
	add   func(b []byte, r *Report, g *Group) []byte
}

var measures = []measure{
	{"COUNT", func(b []byte, _ *Report, g *Group) []byte { return strconv.AppendUint(b, g.Count, 10) }},
	{"RATE", func(b []byte, r *Report, g *Group) []byte {
		rate := r.Rate(g)
		if rate == 0 || math.IsInf(rate, 0) {
			return append(b, '-')
		}
		return append(strconv.AppendFloat(b, rate, 'f', 2, 64), "/s"...)
	}},
	{errorsTitle, func(b []byte, _ *Report, g *Group) []byte { return strconv.AppendUint(b, g.Errors, 10) }},
	{"P50", quantile(0.5)},
	{"P95", quantile(0.95)},
	{"P99", quantile(0.99)},
	{"MAX", func(b []byte, _ *Report, g *Group) []byte { return appendDuration(b, g, g.Durations.Max()) }},
	{"BYTES", func(b []byte, _ *Report, g *Group) []byte { return units.AppendSize(b, g.Bytes) }},
}

const errorsTitle = "ERRORS"

// dropOrder are the columns that a narrow terminal goes without, first those that say the least.
var dropOrder = []string{"BYTES", "P50", "P99", "RATE", "MAX", "P95", errorsTitle}

const gap = "  "

// leastKey is the width to which keys are cut before columns are left out, and leastCut that of the narrowest terminals.
const (
	leastKey = 14
	leastCut = 4
)

func quantile(q float64) func([]byte, *Report, *Group) []byte {
	return func(b []byte, _ *Report, g *Group) []byte { return appendDuration(b, g, g.Durations.Quantile(q)) }
}

func appendDuration(b []byte, g *Group, d time.Duration) []byte {
	if g.Durations.Count() == 0 {
		return append(b, '-')
	}
	return units.AppendDuration(b, d, 1)
}

// table is a report as rows of text.
type table struct {
	titles []string
	rows   [][]string
	keys   int // how many columns are keys: cut where they must be, aligned to the left
	widths []int
}

// WriteTable writes the groups under a header, "(other)" and the total last. clock turns time since boot into wall time.
func (r *Report) WriteTable(out io.Writer, clock model.Clock, look Look) error {
	t := r.table()
	t.fit(look.Width)
	var b []byte
	if look.Title {
		b = r.appendTitle(b, clock, look)
	}
	b = tinted(b, look.Colour, dim, t.line(t.titles))
	for i, row := range t.rows {
		line := t.line(row)
		switch {
		case i == len(t.rows)-1:
			b = tinted(b, look.Colour, bold, line)
		case r.Other != nil && i == len(t.rows)-2:
			b = tinted(b, look.Colour, dim, line)
		default:
			b = t.appendMarked(b, row, line, look.Colour)
		}
	}
	_, err := out.Write(b)
	return err
}

func (r *Report) appendTitle(b []byte, clock model.Clock, look Look) []byte {
	location := look.Location
	if location == nil {
		location = time.Local
	}
	text := clock.Wall(r.From).In(location).Format("15:04:05") + " to " + clock.Wall(r.To).In(location).Format("15:04:05")
	return tinted(b, look.Colour, dim, text)
}

func tinted(b []byte, colours bool, tint, line string) []byte {
	if !colours {
		return append(append(b, line...), '\n')
	}
	return append(append(append(append(b, tint...), line...), reset...), '\n')
}

func (r *Report) table() *table {
	t := &table{keys: len(r.By)}
	for _, name := range r.By {
		t.titles = append(t.titles, strings.ToUpper(name))
	}
	for _, m := range measures {
		t.titles = append(t.titles, m.title)
	}
	for _, g := range r.Groups {
		t.rows = append(t.rows, r.row(g, ""))
	}
	if r.Other != nil {
		t.rows = append(t.rows, r.row(r.Other, "(other)"))
	}
	t.rows = append(t.rows, r.row(r.Total, "(total)"))
	return t
}

// row is the text of each cell. name stands for the values of what is no group of its own.
func (r *Report) row(g *Group, name string) []string {
	var cells []string
	for i := range r.By {
		switch {
		case name == "":
			cells = append(cells, string(appendWords(nil, g.Values[i])))
		case i == 0:
			cells = append(cells, name)
		default:
			cells = append(cells, "")
		}
	}
	for _, m := range measures {
		cells = append(cells, string(m.add(nil, r, g)))
	}
	return cells
}

// appendWords adds a value as printable ASCII, with its blanks: "SELECT orders".
func appendWords(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			b = append(b, ' ')
		}
		if word != "" {
			b = units.AppendEscaped(b, word)
		}
	}
	return b
}

// fit makes the table as wide as its cells and no wider than the terminal: keys are cut, then columns left out, then keys cut
// to nearly nothing.
func (t *table) fit(width int) {
	t.measure()
	if width == 0 {
		return
	}
	t.cut(width, leastKey)
	for _, title := range dropOrder {
		if t.width() <= width {
			return
		}
		t.drop(title)
		t.measure()
		t.cut(width, leastKey)
	}
	t.cut(width, leastCut)
}

func (t *table) measure() {
	t.widths = make([]int, len(t.titles))
	for _, row := range append([][]string{t.titles}, t.rows...) {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], len(cell))
		}
	}
}

func (t *table) width() int {
	n := len(gap) * (len(t.widths) - 1)
	for _, w := range t.widths {
		n += w
	}
	return n
}

// cut narrows the widest keys, down to least.
func (t *table) cut(width, least int) {
	for t.width() > width {
		widest := 0
		for i := range t.keys {
			if t.widths[i] > t.widths[widest] {
				widest = i
			}
		}
		if t.widths[widest] <= least {
			return
		}
		t.widths[widest]--
	}
}

func (t *table) drop(title string) {
	for at, s := range t.titles {
		if at < t.keys || s != title {
			continue
		}
		t.titles = append(t.titles[:at:at], t.titles[at+1:]...)
		for i, row := range t.rows {
			t.rows[i] = append(row[:at:at], row[at+1:]...)
		}
		return
	}
}

// line joins cells to a line.
func (t *table) line(row []string) string {
	var b strings.Builder
	for i, cell := range row {
		if i > 0 {
			b.WriteString(gap)
		}
		if len(cell) > t.widths[i] {
			cell = cell[:t.widths[i]-1] + "…" // cells are ASCII
		}
		pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
		if i < t.keys {
			b.WriteString(cell + pad)
		} else {
			b.WriteString(pad + cell)
		}
	}
	return b.String()
}

// appendMarked adds the line of a row with its errors in red.
func (t *table) appendMarked(b []byte, row []string, line string, colours bool) []byte {
	end := 0
	for i, title := range t.titles {
		end += t.widths[i]
		if colours && i >= t.keys && title == errorsTitle && row[i] != "0" {
			end += len(line) - utf8.RuneCountInString(line) // what is cut is in front of the numbers
			from := end - len(row[i])
			return append(b, line[:from]+red+line[from:end]+reset+line[end:]+"\n"...)
		}
		end += len(gap)
	}
	return append(append(b, line...), '\n')
}
