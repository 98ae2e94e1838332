// SPDX-License-Identifier: Apache-2.0

package render

// Column is a column of a Table.
type Column struct {
	Title    string
	Min, Max int // width in cells, as in page.Column
	Right    bool
	Drop     int
	Arrow    string // behind the title of the column that rows are sorted by
}

// Table is a scrolled list of rows.
type Table struct {
	Columns []Column
	Rows    int
	Top     int // first row to show; corrected so that the cursor is seen and no room is left
	Cursor  int // -1: none
	Cell    func(c *Canvas, column, row int)
	Mark    func(row int) Style // Text, Warn or Bad; nil: Text
	Empty   string              // in place of rows when there are none
}

// Shown is where a table was drawn, for the mouse and for pages of rows.
type Shown struct {
	Heads    []Area // of Columns, in their order; empty for those that were left out
	Top      int    // row in the first line
	FirstY   int
	PageRows int // lines for rows
}

// place is a column in its place.
type place struct{ column, x, w int }

// gutter is the column that marks rows: "!" for bad ones, "~" for those to look at, without the need of colour.
const gutter = 1

// layout says which columns are shown, where, and how wide. It depends on the width alone, so that nothing jumps.
func layout(columns []Column, w int) []place {
	gap := 1
	if w >= 100 {
		gap = 2
	}
	shown := make([]bool, len(columns))
	for i := range columns {
		shown[i] = true
	}
	left := w - gutter
	for {
		need, drop := -gap, -1
		for i, c := range columns {
			if !shown[i] {
				continue
			}
			need += c.Min + gap
			if c.Drop > 0 && (drop < 0 || c.Drop >= columns[drop].Drop) {
				drop = i
			}
		}
		if need <= left || drop < 0 {
			left -= need
			break
		}
		shown[drop] = false
	}
	widths := widen(columns, shown, left)
	var places []place
	x := gutter
	for i := range columns {
		if shown[i] {
			places = append(places, place{i, x, widths[i]})
			x += widths[i] + gap
		}
	}
	return places
}

// widen gives what is left to columns that can take it, in equal parts.
func widen(columns []Column, shown []bool, left int) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = c.Min
	}
	for left > 0 {
		given := false
		for i, c := range columns {
			if left > 0 && shown[i] && widths[i] < c.Max {
				widths[i]++
				left--
				given = true
			}
		}
		if !given {
			break
		}
	}
	return widths
}

// Draw draws the head and as many rows as fit below it.
func (t *Table) Draw(c *Canvas) Shown {
	places := layout(t.Columns, c.W)
	s := Shown{Heads: t.drawHead(c, places), FirstY: 1, PageRows: max(c.H-1, 0)}
	if t.Rows <= 0 {
		drawEmpty(c.Part(0, 1, c.W, c.H-1), t.Empty)
		return s
	}
	s.Top = t.scroll(s.PageRows)
	for y := 0; y < s.PageRows && s.Top+y < t.Rows; y++ {
		t.drawRow(c.Part(0, 1+y, c.W, 1), places, s.Top+y)
	}
	return s
}

// scroll moves Top as little as it takes to see the cursor.
func (t *Table) scroll(lines int) int {
	top := t.Top
	if t.Cursor >= 0 {
		top = min(max(top, t.Cursor-lines+1), t.Cursor)
	}
	return max(min(top, t.Rows-lines), 0)
}

func (t *Table) drawHead(c *Canvas, places []place) []Area {
	areas := make([]Area, len(t.Columns))
	c.Part(0, 0, c.W, 1).Fill(Head)
	for _, p := range places {
		column := t.Columns[p.column]
		title := column.Title + column.Arrow
		part := c.Part(p.x, 0, p.w, 1)
		x := 0
		if column.Right {
			x = max(p.w-Width(title), 0)
		}
		style := Head
		if column.Arrow != "" {
			style = Strong
			if x == 0 && Width(title) > p.w { // the arrow tells more than the last letters
				part.PrintSpans(0, 0, Span{column.Arrow, style}, Span{column.Title, style})
				areas[p.column] = Area{0, p.x, p.x + p.w}
				continue
			}
		}
		part.Print(x, 0, title, style)
		areas[p.column] = Area{0, p.x, p.x + p.w}
	}
	return areas
}

func (t *Table) drawRow(c *Canvas, places []place, row int) {
	mark := Text
	if t.Mark != nil {
		mark = t.Mark(row)
	}
	for _, p := range places {
		part := c.Part(p.x, 0, p.w, 1)
		if part.W > 0 {
			t.Cell(part, p.column, row)
		}
	}
	switch mark {
	case Bad:
		c.Print(0, 0, "!", Bad)
	case Warn:
		c.Print(0, 0, "~", Warn)
	}
	if mark == Bad || mark == Warn {
		c.replace(Text, mark)
	}
	if row == t.Cursor {
		c.Restyle(0, Selected)
		if mark != Bad && mark != Warn {
			c.Print(0, 0, ">", Selected)
		}
	}
}

// replace gives characters of one style another one, and leaves the room between them alone.
func (c *Canvas) replace(from, to Style) {
	for y := range c.H {
		for x := range c.W {
			if cell := &c.cells[y*c.stride+x]; cell.Style == from && cell.Text != " " && cell.Text != "" {
				cell.Style = to
			}
		}
	}
}

func drawEmpty(c *Canvas, text string) {
	y := min(1, max(c.H-1, 0))
	for _, line := range Wrap(text, c.W-4) {
		c.Print(2, y, line, Dim)
		y++
	}
}
