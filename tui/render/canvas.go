// SPDX-License-Identifier: Apache-2.0

// Package render draws what a viewer shows into cells: from values to characters and roles of style, and nothing else.
//
// It is pure: no terminal, no clock, no state, so that every screen can be compared with a file. A theme gives the roles their
// colours later. Called by tui/page and tui.
package render

import (
	"strings"

	"github.com/rivo/uniseg"
)

// Style is the role of a cell. What it looks like is the theme's business; roles that matter differ in more than colour
// (a mark, a word), for terminals without any.
type Style uint8

// The roles.
const (
	Text       Style = iota
	Dim              // units, separators, what is not known
	Strong           // what the eye should find first
	Title            // of a page or a panel
	Head             // of a column
	Good             // success
	Warn             // slow, incomplete, retransmitted
	Bad              // failed, lost
	Accent           // keys in the footer, sparklines
	Second           // a second series beside Accent
	Selected         // the row under the cursor; wins over the role of its cells
	Prompt           // where text is typed
	Frame            // lines around things
	StyleCount       // the number of roles, not one of them
)

// Cell is one character cell.
type Cell struct {
	Text  string // one grapheme cluster, "" is a blank or the second half of a wide one
	Style Style
}

// Canvas is a rectangle of cells. Drawing outside is cut off, never an error. For one goroutine.
type Canvas struct {
	W, H  int
	cells []Cell
	// A part of another canvas draws into its cells.
	stride int
}

// NewCanvas makes a blank canvas. A negative size is 0.
func NewCanvas(w, h int) *Canvas {
	w, h = max(w, 0), max(h, 0)
	return &Canvas{W: w, H: h, cells: make([]Cell, w*h), stride: w}
}

// Part is the rectangle of c with the given corner and size, as far as it lies within c. It shares the cells.
func (c *Canvas) Part(x, y, w, h int) *Canvas {
	x, y = min(max(x, 0), c.W), min(max(y, 0), c.H)
	w, h = min(max(w, 0), c.W-x), min(max(h, 0), c.H-y)
	if w == 0 || h == 0 {
		return &Canvas{}
	}
	return &Canvas{W: w, H: h, cells: c.cells[y*c.stride+x:], stride: c.stride}
}

// At returns the cell at x, y; a blank outside.
func (c *Canvas) At(x, y int) Cell {
	if x < 0 || y < 0 || x >= c.W || y >= c.H {
		return Cell{}
	}
	return c.cells[y*c.stride+x]
}

// Print draws s from x, y on in one line and returns the column after it. Control characters become "?"; a wide character that
// does not fit is left out.
func (c *Canvas) Print(x, y int, s string, style Style) int {
	for len(s) > 0 && x < c.W {
		cluster, rest, width, _ := uniseg.FirstGraphemeClusterInString(s, -1)
		s = rest
		if cluster[0] < ' ' || cluster[0] == 0x7f {
			cluster, width = "?", 1
		}
		if width == 0 {
			continue
		}
		if x >= 0 && y >= 0 && y < c.H && x+width <= c.W {
			c.cells[y*c.stride+x] = Cell{cluster, style}
			for i := 1; i < width; i++ {
				c.cells[y*c.stride+x+i] = Cell{"", style}
			}
		}
		x += width
	}
	return x
}

// Fill gives all cells a style and makes them blank.
func (c *Canvas) Fill(style Style) {
	for y := range c.H {
		for x := range c.W {
			c.cells[y*c.stride+x] = Cell{" ", style}
		}
	}
}

// Restyle gives the cells of a line a style and keeps their text.
func (c *Canvas) Restyle(y int, style Style) {
	if y < 0 || y >= c.H {
		return
	}
	for x := range c.W {
		c.cells[y*c.stride+x].Style = style
	}
}

// String returns the text of the canvas, lines without blanks at their ends: for goldens and for people.
func (c *Canvas) String() string {
	var b strings.Builder
	for y := range c.H {
		line := ""
		for x := 0; x < c.W; x++ {
			t := c.cells[y*c.stride+x].Text
			if t == "" {
				t = " "
			}
			line += t
			x += max(uniseg.StringWidth(t)-1, 0)
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}
