// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
	"sonde/tui/theme"
)

// Once writes one page to w, as Run would show it now but without keys and cursor. It is width cells wide and height lines high;
// with a height of 0 it has as many lines as it takes for the rows of one answer. Colours are left out with NoColor, which a
// caller sets where w is no terminal. It fails where the world does not answer.
func Once(ctx context.Context, c Config, w io.Writer, width, height int) error {
	return once(ctx, c, page.All(), w, width, height)
}

func once(ctx context.Context, c Config, pages []*page.Page, w io.Writer, width, height int) error {
	c, m, err := begin(c, pages)
	if err != nil {
		return err
	}
	depth := depthOf(os.Getenv("COLORTERM"), os.Getenv("TERM"))
	looks, err := theme.For(c.Theme, theme.Terminal{Colors: depth, ColorFGBG: os.Getenv("COLORFGBG")})
	if err != nil {
		return fmt.Errorf("viewer: %w", err)
	}
	q := m.query()
	if height > view.DefaultLimit {
		q.Limit = min(height, view.MaxLimit)
	}
	s, err := c.World.Snapshot(ctx, q)
	if err != nil {
		return fmt.Errorf("viewer: %w", err)
	}
	m.take(answer{m.query(), s, nil})
	if m.broken != nil {
		return fmt.Errorf("viewer: %w", m.broken)
	}
	canvas := m.still(width, height)
	if failure := m.failures[c.Page]; failure != "" {
		return errors.New(failure)
	}
	if c.NoColor {
		_, err = io.WriteString(w, canvas.String())
	} else {
		_, err = io.WriteString(w, colored(canvas, looks, depth))
	}
	return err
}

// still draws the screen without what is there for keys.
func (m *model) still(width, height int) *render.Canvas {
	s := m.screen()
	s.Every, s.Query = true, m.question(strconv.Itoa(m.place().total()))
	if s.Table != nil {
		s.Table.Cursor = -1
	}
	if height <= 0 {
		height = 6 + len(s.Notes)
		switch {
		case s.Body != nil:
			height += s.Body(render.NewCanvas(width, 1), 0)
		case s.Table != nil:
			height += max(s.Table.Rows, 6)
		}
		height = max(height, 16) // less would leave out the title
		s.PanelWanted = render.PanelOff
	}
	c := render.NewCanvas(width, height)
	m.guard(func() { s.Draw(c) })
	return c
}

// depthOf guesses how many colours whoever reads a text can show, from the variables that terminals set.
func depthOf(colorterm, term string) int {
	switch {
	case colorterm == "truecolor" || colorterm == "24bit":
		return 1 << 24
	case strings.Contains(term, "256"):
		return 256
	default:
		return 16
	}
}

// colored is the text of c with the sequences of ECMA-48 8.3.117 (SGR).
func colored(c *render.Canvas, looks *theme.Theme, depth int) string {
	var b strings.Builder
	for y := range c.H {
		writeLine(&b, c, y, looks, depth)
	}
	return b.String()
}

func writeLine(b *strings.Builder, c *render.Canvas, y int, looks *theme.Theme, depth int) {
	last := -1 // cell that can be seen
	for x := range c.W {
		if cell := c.At(x, y); cell.Text != "" && cell.Text != " " || looks[cell.Style].Paints() {
			last = x
		}
	}
	const none = render.StyleCount
	now := none
	for x := 0; x <= last; x++ {
		cell := c.At(x, y)
		if cell.Style != now {
			now = cell.Style
			b.WriteString(looks[now].SGR(depth))
		}
		if cell.Text == "" {
			cell.Text = " "
		}
		b.WriteString(cell.Text)
		x += max(uniseg.StringWidth(cell.Text)-1, 0)
	}
	if now != none {
		b.WriteString("\x1b[0m")
	}
	b.WriteByte('\n')
}
