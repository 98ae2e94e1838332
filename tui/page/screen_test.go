// SPDX-License-Identifier: Apache-2.0

package page

import (
	"sonde/agent/view"
	"sonde/tui/render"
)

// screen draws what a page has to say: its table or body, and its panel below.
func screen(p *Page, s *view.Snapshot, w, h, selected int) *render.Canvas {
	c := render.NewCanvas(w, h)
	if p.Arrange != nil {
		p.Arrange(s)
	}
	if p.Body != nil {
		p.Body(c, s, 0)
		return c
	}
	t := render.Table{
		Rows: p.Rows(s), Cursor: selected, Empty: p.Empty(s),
		Cell: func(c *render.Canvas, column, row int) { p.Columns[column].Cell(c, s, row) },
		Mark: func(row int) render.Style { return p.Mark(s, row) },
	}
	for _, column := range p.Columns {
		t.Columns = append(t.Columns, render.Column{Title: column.Title, Min: column.Min, Max: column.Max, Right: column.Right, Drop: column.Drop})
	}
	t.Draw(c.Part(0, 0, w, max(h-p.PanelHeight, 1)))
	if p.Panel != nil && t.Rows > 0 {
		p.Panel(c.Part(0, h-p.PanelHeight, w, p.PanelHeight), s, selected)
	}
	return c
}
