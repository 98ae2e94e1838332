// SPDX-License-Identifier: Apache-2.0

package page

import "sonde/tui/render"

// piece is a part of a Body: what is drawn into as many lines, as wide as the column that it is in.
type piece struct {
	lines int
	draw  func(c *render.Canvas)
}

// stack is pieces below each other in a column of a width. Text that is longer is folded, as far as foldLimit.
type stack struct {
	width  int
	pieces []piece
}

// foldLimit is how many lines one text takes at most: a statement of a database can be a page long.
const foldLimit = 12

func (k *stack) add(lines int, draw func(c *render.Canvas)) {
	k.pieces = append(k.pieces, piece{lines, draw})
}

// title begins a section, with a blank line in front of all but the first.
func (k *stack) title(text string) {
	if len(k.pieces) > 0 {
		k.add(1, func(*render.Canvas) {})
	}
	k.fold(text, 0, render.Title)
}

// fold adds a text in as many lines as it takes, x cells from the left, and returns the number of lines. An empty one takes one.
func (k *stack) fold(text string, x int, style render.Style) int {
	width := max(k.width-x, 1)
	lines := render.Wrap(render.Cut(text, foldLimit*width), width)
	if len(lines) > foldLimit {
		lines = append(lines[:foldLimit-1], "…")
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	for _, line := range lines {
		k.add(1, func(c *render.Canvas) { render.Left(c.Part(x, 0, c.W-x, 1), line, style) })
	}
	return len(lines)
}

// pair adds a label and, from column x on, its value.
func (k *stack) pair(label, value string, x int, style render.Style) {
	if value == "" || value == render.Unknown {
		value, style = render.Unknown, render.Dim
	}
	first := len(k.pieces)
	k.fold(value, x, style)
	draw := k.pieces[first].draw
	k.pieces[first].draw = func(c *render.Canvas) {
		render.Left(c.Part(0, 0, x-1, 1), label, render.Dim)
		draw(c)
	}
}

// fact adds a line with a label; nothing where there is no value.
func (k *stack) fact(f fact) {
	if f.value != "" {
		k.pair(f.label, f.value, factLabel, f.style)
	}
}

func (k *stack) height() int {
	lines := 0
	for _, p := range k.pieces {
		lines += p.lines
	}
	return lines
}

// draw draws all pieces from the first line of c on.
func (k *stack) draw(c *render.Canvas) {
	y := 0
	for _, p := range k.pieces {
		if part := c.Part(0, y, c.W, p.lines); part.W > 0 {
			p.draw(part)
		}
		y += p.lines
	}
}

// A Body has two columns from a width on, with a gap in between.
const (
	twoColumns = 110
	columnGap  = 3
	margin     = 1 // at the left, as tables have it
)

// columnsOf makes the stacks of a Body that is w wide: two, or twice the same where there is room for one.
func columnsOf(w int) []*stack {
	w = max(w-margin, 0)
	if w < twoColumns {
		only := &stack{width: w}
		return []*stack{only, only}
	}
	half := (w - columnGap) / 2
	return []*stack{{width: half}, {width: half}}
}

// nothing is the Body of a page that has nothing to show, and says why.
func nothing(c *render.Canvas, top int, why string) int {
	columns := columnsOf(c.W)
	columns[0].add(1, func(*render.Canvas) {})
	columns[0].fold(why, 1, render.Dim)
	return scrolled(c, top, columns)
}

// scrolled draws what columnsOf made, all from line top on, and returns how many lines the highest has.
func scrolled(c *render.Canvas, top int, columns []*stack) int {
	c = c.Part(margin, 0, c.W-margin, c.H)
	if columns[0] == columns[1] {
		columns = columns[:1]
	}
	lines := 0
	for _, k := range columns {
		lines = max(lines, k.height())
	}
	top = max(top, 0)
	if c.W <= 0 || c.H <= 0 || top >= lines {
		return lines
	}
	whole := render.NewCanvas(c.W, lines) // a piece that is seen in part is drawn as high as it is
	for i, k := range columns {
		k.draw(whole.Part(i*(k.width+columnGap), 0, k.width, whole.H))
	}
	for y := range c.H {
		for x := range c.W {
			if cell := whole.At(x, top+y); cell.Text != "" {
				c.Print(x, y, cell.Text, cell.Style)
			}
		}
	}
	return lines
}
