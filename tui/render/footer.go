// SPDX-License-Identifier: Apache-2.0

package render

import "strings"

// Hint is a key and what it does, in a word.
type Hint struct{ Key, Name string }

// drawHints prints those that fit, the first ones first. The last one is always shown where the line has room for any.
func drawHints(c *Canvas, y int, hints []Hint) {
	if len(hints) == 0 {
		return
	}
	last := hints[len(hints)-1]
	room := c.W - 1 - hintWidth(last)
	x := 1
	for _, h := range hints[:len(hints)-1] {
		if x+hintWidth(h)+2 > room {
			continue
		}
		x = drawHint(c, x, y, h) + 2
	}
	drawHint(c, x, y, last)
}

func hintWidth(h Hint) int { return Width(h.Key) + 1 + Width(h.Name) }

func drawHint(c *Canvas, x, y int, h Hint) int {
	return c.PrintSpans(x, y, Span{h.Key, Accent}, Span{" ", Text}, Span{h.Name, Text})
}

// HelpLine is one line of the help page: keys and what they do. Without keys it is a title.
type HelpLine struct{ Keys, Text string }

// Help is the page of keys.
type Help struct {
	Lines []HelpLine
	Top   int
}

// helpKeys is the width of the column of keys.
const helpKeys = 18

// draw returns how many lines there are in all.
func (h *Help) draw(c *Canvas) int {
	y := -h.Top
	for _, line := range h.Lines {
		switch {
		case line.Keys == "" && line.Text == "":
			y++
		case line.Keys == "":
			c.Print(1, y, Cut(line.Text, c.W-1), Title)
			y++
		default:
			c.Print(2, y, Cut(line.Keys, helpKeys-1), Accent)
			text := Wrap(line.Text, c.W-helpKeys-4)
			for i, part := range text {
				c.Print(helpKeys+3, y+i, part, Text)
			}
			y += max(len(text), 1)
		}
	}
	return y + h.Top
}

// Choice asks for one of a few things, in the middle of the screen.
type Choice struct {
	Title string
	Lines []Hint
	Text  string // below the title
}

func (ch *Choice) draw(c *Canvas) {
	text := Wrap(ch.Text, min(60, c.W-6))
	w := Width(ch.Title)
	for _, line := range text {
		w = max(w, Width(line))
	}
	for _, h := range ch.Lines {
		w = max(w, hintWidth(h)+2)
	}
	w = min(w+4, c.W)
	h := min(len(text)+len(ch.Lines)+4, c.H)
	box := c.Part((c.W-w)/2, (c.H-h)/2, w, h)
	box.Fill(Text)
	drawBox(box)
	box.Print(2, 0, " "+ch.Title+" ", Title)
	y := 1
	for _, line := range text {
		box.Print(2, y, line, Text)
		y++
	}
	y++
	for _, hint := range ch.Lines {
		drawHint(box, 3, y, hint)
		y++
	}
}

func drawBox(c *Canvas) {
	if c.W < 2 || c.H < 2 {
		return
	}
	across := strings.Repeat("─", c.W-2)
	c.Print(0, 0, "┌"+across+"┐", Frame)
	c.Print(0, c.H-1, "└"+across+"┘", Frame)
	for y := 1; y < c.H-1; y++ {
		c.Print(0, y, "│", Frame)
		c.Print(c.W-1, y, "│", Frame)
	}
}
