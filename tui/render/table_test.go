// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var columns = []Column{
	{Title: "NAME", Min: 10, Max: 20},
	{Title: "RATE", Min: 6, Right: true},
	{Title: "SPARK", Min: 8, Max: 16, Drop: 2},
	{Title: "COST", Min: 6, Right: true, Drop: 1},
}

func TestColumnsFitTheWidth(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string // title:width
	}{
		{200, "NAME:20 RATE:6 SPARK:16 COST:6"},
		{60, "NAME:20 RATE:6 SPARK:16 COST:6"},
		{44, "NAME:15 RATE:6 SPARK:13 COST:6"},
		{34, "NAME:10 RATE:6 SPARK:8 COST:6"},
		{33, "NAME:18 RATE:6 COST:6"},
		{25, "NAME:10 RATE:6 COST:6"},
		{24, "NAME:16 RATE:6"},
		{18, "NAME:10 RATE:6"},
		{5, "NAME:10 RATE:6"}, // cut off, never dropped
		{0, "NAME:10 RATE:6"},
	} {
		var got []string
		for _, p := range layout(columns, c.width) {
			got = append(got, fmt.Sprintf("%s:%d", columns[p.column].Title, p.w))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%d wide: %s, want %s", c.width, s, c.want)
		}
	}
}

func TestColumnsNeverOverlap(t *testing.T) {
	for width := range 150 {
		end := 0
		for _, p := range layout(columns, width) {
			if p.x < end+1 {
				t.Fatalf("%d wide: a column begins at %d, the one before ends at %d", width, p.x, end)
			}
			end = p.x + p.w
		}
	}
}

func numbers(rows, top, cursor int) *Table {
	return &Table{
		Columns: []Column{{Title: "N", Min: 8}}, Rows: rows, Top: top, Cursor: cursor,
		Cell: func(c *Canvas, _, row int) { c.Print(0, 0, fmt.Sprint("row ", row), Text) },
	}
}

func TestCursorIsAlwaysSeenAndNoRoomIsLeft(t *testing.T) {
	for _, c := range []struct{ rows, top, cursor, height, want int }{
		{100, 0, 0, 10, 0}, {100, 0, 8, 10, 0}, {100, 0, 9, 10, 1}, {100, 50, 20, 10, 20}, {100, 50, 55, 10, 50}, {100, 95, 99, 10, 91},
		{5, 3, 4, 10, 0}, {100, 95, -1, 10, 91}, {100, -5, -1, 10, 0}, {1, 0, 0, 1, 0}, {100, 3, 50, 2, 50},
	} {
		canvas := NewCanvas(20, c.height)
		got := numbers(c.rows, c.top, c.cursor).Draw(canvas)
		if got.Top != c.want {
			t.Errorf("%+v: top %d", c, got.Top)
		}
		if c.cursor >= 0 && c.height > 1 && !strings.Contains(canvas.String(), fmt.Sprintf("row %d", c.cursor)) {
			t.Errorf("%+v: the cursor is not seen:\n%s", c, canvas)
		}
	}
}

func TestSelectedRowWinsOverTheRolesOfItsCells(t *testing.T) {
	table := numbers(3, 0, 1)
	table.Mark = func(row int) Style { return []Style{Text, Bad, Warn}[row] }
	c := NewCanvas(12, 4)
	table.Draw(c)
	for x := range c.W {
		if c.At(x, 2).Style != Selected {
			t.Fatalf("cell %d has role %d", x, c.At(x, 2).Style)
		}
	}
	if c.At(0, 2).Text != "!" || c.At(0, 3).Text != "~" || c.At(1, 3).Style != Warn || c.At(10, 3).Style != Text {
		t.Errorf("marks:\n%s", c)
	}
}

func TestCellsStayWithinTheirColumns(t *testing.T) {
	table := &Table{
		Columns: []Column{{Title: "A", Min: 3}, {Title: "B", Min: 3}}, Rows: 1, Cursor: -1,
		Cell: func(c *Canvas, _, _ int) { c.Print(-2, 0, "0123456789", Text); c.Print(0, 1, "below", Text) },
	}
	c := NewCanvas(20, 4)
	table.Draw(c)
	if got, want := c.String(), " A   B\n 234 234\n\n\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestArrowOfTheSortedColumnIsSeenInANarrowOne(t *testing.T) {
	table := numbers(1, 0, 0)
	table.Columns = []Column{{Title: "LATENCY", Min: 5, Arrow: "↓"}}
	c := NewCanvas(7, 2)
	table.Draw(c)
	if !strings.HasPrefix(c.String(), " ↓LATE") {
		t.Errorf("%q", c.String())
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, nil}, {"x", 0, nil}, {"a b c", 3, []string{"a b", "c"}}, {"one two", 20, []string{"one two"}},
		{"a\n\nb", 5, []string{"a", "", "b"}}, {"abcdefgh", 3, []string{"abc", "def", "gh"}}, {"a bcdefg h", 3, []string{"a", "bcd", "efg", "h"}},
		{"日本語", 4, []string{"日本", "語"}}, {"日本", 1, []string{"日", "本"}},
	} {
		if got := Wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// FuzzWrap holds that no line is too wide and no letter is lost.
func FuzzWrap(f *testing.F) {
	f.Add("some words of a\nnote", 7)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 2 || width > 200 || len(text) > 1000 {
			return
		}
		lines := Wrap(text, width)
		for _, line := range lines {
			if Width(line) > width {
				t.Errorf("%q is wider than %d", line, width)
			}
		}
		if got, want := strings.Join(strings.Fields(strings.Join(lines, "")), ""), strings.Join(strings.Fields(text), ""); got != want {
			t.Errorf("%q became %q", want, got)
		}
	})
}

// FuzzScreen holds that no size makes a screen panic, and that what is told of its layout lies within it.
func FuzzScreen(f *testing.F) {
	f.Add(80, 24, 10, 3, true)
	f.Fuzz(func(t *testing.T, w, h, rows, cursor int, extra bool) {
		w, h = w%300, h%100
		s := Screen{
			Header: Header{Mode: "live", Host: "web", Lost: 3}, Tabs: []Tab{{'1', "Services", true}, {'2', "Requests", false}},
			Crumb: []Span{{"Services", Title}}, Query: []Span{{"by rate", Text}}, Notes: []string{"one", "two"},
			Footer: []Hint{{"q", "quit"}, {"?", "help"}}, Table: numbers(rows%1000, cursor%50, cursor%1000),
			Panel: func(c *Canvas) { c.Print(0, 0, "panel", Text) }, PanelHeight: rows % 20, PanelWanted: Panel(uint(cursor) % 3),
		}
		if extra {
			s.Prompt = &Input{Label: "filter:", Text: "--port 80", Cursor: 5, Choices: []string{"a", "b"}, Chosen: 1, Message: "what is wrong"}
			s.Choice = &Choice{Title: "Export", Text: "where to", Lines: []Hint{{"j", "JSON"}}}
			s.Playback = &Playback{State: "playing", Speed: 2}
			s.Status = Span{"a status that is rather long", Warn}
		}
		c := NewCanvas(w, h)
		l := s.Draw(c)
		if l.CursorX >= max(c.W, 1) || l.CursorY >= max(c.H, 1) || l.FirstY > c.H || l.PageRows < 0 || l.Top < 0 {
			t.Errorf("%dx%d: %+v", c.W, c.H, l)
		}
	})
}
