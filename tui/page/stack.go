// SPDX-License-Identifier: Apache-2.0

package page

import "sonde/tui/render"

// piece is a part of a Body: what is drawn into as many lines, as wide as the column that it is in.
type piece struct {
	lines int
	draw  func(c *render.Canvas)
}

// stack is pieces below each other.
type stack []piece

// title begins a section, with a blank line in front of all but the first.
func (k *stack) title(text string) {
	if len(*k) > 0 {
		*k = append(*k, piece{1, func(*render.Canvas) {}})
	}
	*k = append(*k, piece{1, func(c *render.Canvas) { render.Left(c, text, render.Title) }})
}

// line adds a line that f draws.
func (k *stack) line(f func(c *render.Canvas)) { *k = append(*k, piece{1, f}) }

// words adds a line of text.
func (k *stack) words(text string, style render.Style) {
	k.line(func(c *render.Canvas) { render.Left(c, text, style) })
}

// fact adds a line with a label; nothing where there is no value.
func (k *stack) fact(label, value string, style render.Style) {
	if value != "" {
		k.line(fact{label, value, style}.draw)
	}
}

func (k stack) height() int {
	lines := 0
	for _, p := range k {
		lines += p.lines
	}
	return lines
}

// draw draws all pieces from the first line of c on.
func (k stack) draw(c *render.Canvas) {
	y := 0
	for _, p := range k {
		if part := c.Part(0, y, c.W, p.lines); part.W > 0 {
			p.draw(part)
		}
		y += p.lines
	}
}

// columnGap is between two columns of a Body.
const columnGap = 3

// scrolled draws stacks beside each other, all from line top on, and returns how many lines the highest has.
func scrolled(c *render.Canvas, top int, columns ...stack) int {
	lines := 0
	for _, k := range columns {
		lines = max(lines, k.height())
	}
	top = max(top, 0)
	if c.W <= 0 || c.H <= 0 || top >= lines {
		return lines
	}
	whole := render.NewCanvas(c.W, min(lines, top+c.H))
	width := (c.W - columnGap*(len(columns)-1)) / len(columns)
	for i, k := range columns {
		k.draw(whole.Part(i*(width+columnGap), 0, width, whole.H))
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
