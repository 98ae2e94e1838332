// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// Sizes of the picture, in pixels. A cell is as wide as a character of most monospaced fonts at that size; textLength makes up
// for the others.
const (
	fontSize   = 14
	cellWidth  = 8.4
	cellHeight = 18
	baseline   = 13.5 // of text, below the top of its cell
	margin     = 14
	corner     = 8
)

const (
	paper = 0x11151c
	ink   = 0xc8ced8
)

// basic are the sixteen colours that a terminal has by name, on a dark ground.
var basic = [16]int32{
	0x1b2029, 0xe06c75, 0x8fbf7f, 0xd8b36a, 0x6fa8dc, 0xb58bd6, 0x5fb3b3, 0xc8ced8,
	0x6b7484, 0xf08a92, 0xa8d69a, 0xebcb8b, 0x8cc1f0, 0xcfa6ee, 0x7fd1d1, 0xf2f5f9,
}

// colour is the red, green and blue of a colour of a look.
func colour(c, otherwise int32) int32 {
	switch {
	case c == plain:
		return otherwise
	case c&rgb != 0:
		return c &^ rgb
	case c < 16:
		return basic[c]
	case c >= 232:
		return (8 + 10*(c-232)) * 0x010101
	}
	level := func(n int32) int32 {
		if n == 0 {
			return 0
		}
		return 55 + 40*n
	}
	c -= 16
	return level(c/36)<<16 | level(c/6%6)<<8 | level(c%6)
}

// colours are what a look is drawn with.
func (l look) colours() (fg, bg int32) {
	fg, bg = colour(l.fg, ink), colour(l.bg, paper)
	if l.turn {
		fg, bg = bg, fg
	}
	if l.dim {
		mix := func(shift int32) int32 { return ((fg>>shift&0xff)*11 + (bg>>shift&0xff)*9) / 20 << shift }
		fg = mix(16) | mix(8) | mix(0)
	}
	return fg, bg
}

// picture collects the parts of the SVG.
type picture struct {
	grounds, marks, words strings.Builder
	classes               map[string]string // rules of CSS to their class
	order                 []string          // rules in the order of their first use
}

// svg draws lines of cells as a picture of width cells. It is the same for the same cells, and holds nothing of the machine.
func svg(title string, width int, lines [][]cell) string {
	p := &picture{classes: map[string]string{}}
	for y, row := range lines {
		p.line(float64(y*cellHeight+margin), row)
	}
	w, h := number(float64(width)*cellWidth+2*margin), number(float64(len(lines)*cellHeight+2*margin))
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img">`+"\n", w, h, w, h)
	fmt.Fprintf(&out, "<title>%s</title>\n<style>\n", escape(title))
	fmt.Fprintf(&out, "text{font:%dpx ui-monospace,'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre;fill:#%06x}\n", fontSize, ink)
	for i, rule := range p.order {
		fmt.Fprintf(&out, ".%s{%s}\n", className(i), rule)
	}
	fmt.Fprintf(&out, "</style>\n<rect width=\"%s\" height=\"%s\" rx=\"%d\" fill=\"#%06x\"/>\n", w, h, corner, paper)
	out.WriteString(p.grounds.String() + p.marks.String() + p.words.String() + "</svg>\n")
	return out.String()
}

func className(i int) string { return "c" + strconv.Itoa(i) }

func (p *picture) class(rule string) string {
	if rule == "" {
		return ""
	}
	if p.classes[rule] == "" {
		p.classes[rule] = className(len(p.order))
		p.order = append(p.order, rule)
	}
	return ` class="` + p.classes[rule] + `"`
}

// line draws one line in runs of cells that look alike.
func (p *picture) line(top float64, row []cell) {
	for from := 0; from < len(row); {
		to := from + 1
		for to < len(row) && row[to].look == row[from].look {
			to++
		}
		p.ground(top, from, to, row[from].look)
		p.shapes(top, from, row[from:to])
		p.text(top, from, row[from:to])
		from = to
	}
}

func (p *picture) ground(top float64, from, to int, l look) {
	if _, bg := l.colours(); bg != paper {
		fmt.Fprintf(&p.grounds, "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\" fill=\"#%06x\"/>\n",
			column(from), number(top), number(float64(to-from)*cellWidth), cellHeight, bg)
	}
}

// text writes the words of a run. Pieces are parted at two blanks, so that a font of another width shifts nothing.
func (p *picture) text(top float64, from int, run []cell) {
	style := ""
	if fg, _ := run[0].look.colours(); fg != ink {
		style = fmt.Sprintf("fill:#%06x", fg)
	}
	for _, s := range []struct {
		on   bool
		rule string
	}{
		{run[0].look.bold, "font-weight:700"},
		{run[0].look.italic, "font-style:italic"},
		{run[0].look.underline, "text-decoration:underline"},
		{run[0].look.strike, "text-decoration:line-through"},
	} {
		if s.on {
			style = strings.TrimPrefix(style+";"+s.rule, ";")
		}
	}
	for i := 0; i < len(run); {
		if unwritten(run[i]) {
			i++
			continue
		}
		end, words := i, ""
		for end < len(run) && !drawn(run[end].text) && (run[end].text != " " || end+1 < len(run) && !unwritten(run[end+1])) {
			words += run[end].text
			end++
		}
		fmt.Fprintf(&p.words, "<text x=\"%s\" y=\"%s\"%s textLength=\"%s\">%s</text>\n", column(from+i), number(top+baseline),
			p.class(style), number(float64(end-i)*cellWidth), escape(words))
		i = end
	}
}

// unwritten is a cell that no text is needed for: a blank, or one that is drawn.
func unwritten(c cell) bool { return c.text == " " || c.text == "" || drawn(c.text) }

func column(x int) string { return number(margin + float64(x)*cellWidth) }

// number writes a length with at most two decimals.
func number(f float64) string { return strconv.FormatFloat(float64(int64(f*100+0.5))/100, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
