// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Fonts leave gaps between the characters that bars and boxes are made of, so those are drawn: these as parts of the cell that
// are filled, in eighths from the left and the top.
func filled(r rune) (x0, y0, x1, y1 float64, ok bool) {
	switch {
	case r >= '▁' && r <= '█': // lower one eighth to the full block
		return 0, 8 - float64(r-'▁'+1), 8, 8, true
	case r >= '▉' && r <= '▏': // left seven eighths to one
		return 0, 0, 8 - float64(r-'█'), 8, true
	case r == '▀':
		return 0, 0, 8, 4, true
	case r == '▐':
		return 4, 0, 8, 8, true
	case r == '▔':
		return 0, 0, 8, 1, true
	case r == '▕':
		return 7, 0, 8, 8, true
	}
	return 0, 0, 0, 0, false
}

// arms has for the lines of boxes where they reach to from the middle of the cell: left, right, up, down.
var arms = map[rune]string{
	'─': "lr", '━': "lr", '│': "ud", '┃': "ud", '┌': "rd", '┐': "ld", '└': "ru", '┘': "lu", '╭': "rd", '╮': "ld", '╰': "ru", '╯': "lu",
	'├': "rud", '┤': "lud", '┬': "lrd", '┴': "lru", '┼': "lrud", '╴': "l", '╶': "r", '╵': "u", '╷': "d",
}

// drawn tells whether a character is drawn and not written.
func drawn(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	if n != len(text) || n == 0 {
		return false
	}
	_, _, _, _, block := filled(r)
	return block || arms[r] != ""
}

// shapes draws what is drawn of a run: one path for its blocks, one for its lines.
func (p *picture) shapes(top float64, from int, run []cell) {
	fg, _ := run[0].look.colours()
	if path := blocks(top, from, run); path != "" {
		fmt.Fprintf(&p.marks, "<path%s d=\"%s\"/>\n", p.class(fmt.Sprintf("fill:#%06x", fg)), path)
	}
	if path := horizontals(top, from, run) + verticals(top, from, run); path != "" {
		fmt.Fprintf(&p.marks, "<path%s d=\"%s\"/>\n", p.class(fmt.Sprintf("stroke:#%06x", fg)), path)
	}
}

func blocks(top float64, from int, run []cell) string {
	var path strings.Builder
	for i, c := range run {
		r, _ := utf8.DecodeRuneInString(c.text)
		if x0, y0, x1, y1, ok := filled(r); ok {
			w := number((x1 - x0) / 8 * cellWidth)
			fmt.Fprintf(&path, "M%s %sh%sv%sh-%sz", number(margin+(float64(from+i)+x0/8)*cellWidth), number(top+y0/8*cellHeight), w,
				number((y1-y0)/8*cellHeight), w)
		}
	}
	return path.String()
}

// horizontals joins the lines of neighbours: a rule across the screen is one line.
func horizontals(top float64, from int, run []cell) string {
	var path strings.Builder
	half := func(h int) bool {
		r, _ := utf8.DecodeRuneInString(run[h/2].text)
		return strings.Contains(arms[r], "lr"[h%2:h%2+1])
	}
	at := func(h int) string { return number(margin + (float64(from)+float64(h)/2)*cellWidth) }
	for h := 0; h < 2*len(run); h++ {
		begin := h
		for h < 2*len(run) && half(h) {
			h++
		}
		if h > begin {
			fmt.Fprintf(&path, "M%s %sH%s", at(begin), number(top+cellHeight/2), at(h))
		}
	}
	return path.String()
}

func verticals(top float64, from int, run []cell) string {
	var path strings.Builder
	for i, c := range run {
		r, _ := utf8.DecodeRuneInString(c.text)
		y0, y1 := top+cellHeight/2, top+cellHeight/2
		if strings.Contains(arms[r], "u") {
			y0 = top
		}
		if strings.Contains(arms[r], "d") {
			y1 = top + cellHeight
		}
		if y0 < y1 {
			fmt.Fprintf(&path, "M%s %sV%s", number(margin+(float64(from+i)+0.5)*cellWidth), number(y0), number(y1))
		}
	}
	return path.String()
}
