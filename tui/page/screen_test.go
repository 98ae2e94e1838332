// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"

	"sonde/agent/view"
	"sonde/tui/render"
)

// screen draws a page as simply as can be: what is above, the table, the panel.
func screen(p *Page, s *view.Snapshot, w, h, selected int) *render.Canvas {
	c := render.NewCanvas(w, h)
	if p.Arrange != nil {
		p.Arrange(s)
	}
	if p.Body != nil && p.Rows(s) > 0 {
		p.Body(c, s, 0)
		return c
	}
	tableHeight := max(h-p.PanelHeight, 1)
	rows := p.Rows(s)
	if rows == 0 {
		for y, line := range strings.Split(p.Empty(s), "\n") {
			c.Print(0, y, line, render.Text)
		}
	}
	widths := columnWidths(p.Columns, w)
	x := 0
	for i, column := range p.Columns {
		if widths[i] == 0 {
			continue
		}
		title := c.Part(x, 0, widths[i], 1)
		if rows > 0 && column.Right {
			render.Right(title, column.Title, render.Head)
		} else if rows > 0 {
			render.Left(title, column.Title, render.Head)
		}
		for row := range min(rows, tableHeight-1) {
			column.Cell(c.Part(x, row+1, widths[i], 1), s, row)
		}
		x += widths[i] + 1
	}
	if p.Panel != nil && h > p.PanelHeight {
		p.Panel(c.Part(0, tableHeight, w, p.PanelHeight), s, selected)
	}
	return c
}

// columnWidths leaves out columns until the rest fits, and shares what is left among those that take more.
func columnWidths(columns []Column, w int) []int {
	widths := make([]int, len(columns))
	total := -1
	for i, column := range columns {
		widths[i] = column.Min
		total += column.Min + 1
	}
	for total > w {
		last := -1
		for i, column := range columns {
			if widths[i] > 0 && column.Drop > 0 && (last < 0 || column.Drop > columns[last].Drop) {
				last = i
			}
		}
		if last < 0 {
			return widths
		}
		total -= widths[last] + 1
		widths[last] = 0
	}
	for grown := true; grown && total < w; {
		grown = false
		for i, column := range columns {
			if widths[i] > 0 && widths[i] < column.Max && total < w {
				widths[i]++
				total++
				grown = true
			}
		}
	}
	return widths
}
