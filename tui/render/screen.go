// SPDX-License-Identifier: Apache-2.0

package render

import "fmt"

// The smallest terminal that is drawn in full.
const (
	LeastWidth  = 40
	LeastHeight = 8
)

// roomy is the height from which a panel is shown unasked.
const roomy = 30

// Screen is everything that is on a screen, as values. The functions are called while it is drawn, by the same goroutine.
type Screen struct {
	Header   Header
	Playback *Playback // nil unless a file is played
	Tabs     []Tab
	Crumb    []Span // where we are
	Filter   string // what rows are kept; cut off where the line is too short
	Query    []Span // what else is asked: order, window; at the right of the same line

	Table *Table
	Body  func(c *Canvas, top int) (lines int) // in place of Table
	Top   int                                  // first line of Body

	Panel       func(c *Canvas)
	PanelHeight int
	PanelWanted Panel

	Notes  []string
	Every  bool // note has its line; else one has, and there is always room for it
	Status Span // in place of the notes
	Footer []Hint

	Prompt  *Input
	Choice  *Choice
	Help    *Help
	Failure string // in place of everything below the header, when a page could not be drawn
}

// Panel says whether the user wants the panel below the table.
type Panel uint8

// What may be wanted.
const (
	PanelAuto Panel = iota // where there is room
	PanelOn
	PanelOff
)

// Layout is what was drawn where, for the mouse and for keys that move by pages.
type Layout struct {
	Tabs      []Area
	Heads     []Area // of the columns of the table
	FirstY    int    // line of the first row, or of Body
	PageRows  int    // lines for rows, or for Body
	Top       int    // first row or line that is shown
	BodyLines int    // that Body has in all
	Panel     bool   // that it is shown
	CursorX   int    // where text is typed, -1 for nowhere
	CursorY   int
}

// Draw draws s over all of c.
func (s *Screen) Draw(c *Canvas) Layout {
	c.Fill(Text)
	l := Layout{CursorX: -1, FirstY: -1}
	if c.W < LeastWidth || c.H < LeastHeight {
		s.drawSmall(c, &l)
		return l
	}
	y := s.drawTop(c, &l)
	bottom := c.H - s.drawBottom(c)
	middle := c.Part(0, y, c.W, bottom-y)
	switch {
	case s.Help != nil:
		l.BodyLines = s.Help.draw(middle)
		l.FirstY, l.PageRows, l.Top = y, middle.H, s.Help.Top
	default:
		s.drawMiddle(middle, y, &l)
	}
	s.drawStatus(c)
	if s.Prompt != nil { // over what is below it
		s.Prompt.draw(c, y-1, &l)
	}
	if s.Choice != nil {
		s.Choice.draw(c)
	}
	return l
}

// drawSmall prints what fits and what is wrong.
func (s *Screen) drawSmall(c *Canvas, l *Layout) {
	if s.Prompt != nil {
		s.Prompt.draw(c, c.H-1, l)
		return
	}
	y := 0
	if c.H >= 3 && c.W >= LeastWidth/2 && s.Table != nil {
		y = c.H - 1
		shown := s.Table.Draw(c.Part(0, 0, c.W, y))
		l.FirstY = shown.FirstY
		l.Top, l.PageRows = shown.Top, shown.PageRows
	}
	c.Print(0, y, Cut(fmt.Sprintf("too small: %dx%d of %dx%d", c.W, c.H, LeastWidth, LeastHeight), c.W), Warn)
}

// drawTop draws what is above the table, the less the lower the terminal is, and returns the line after it.
func (s *Screen) drawTop(c *Canvas, l *Layout) int {
	y := 0
	if c.H >= 16 {
		s.Header.drawTitle(c, y)
		y++
	}
	s.Header.drawNumbers(c, y)
	y++
	if c.H >= 10 {
		l.Tabs = drawTabs(c, y, s.Tabs)
		y++
	}
	if s.Playback != nil {
		s.Playback.draw(c, y)
		y++
	}
	s.drawCrumb(c, y)
	return y + 1
}

func (s *Screen) drawCrumb(c *Canvas, y int) {
	state := s.Query
	if c.H < 16 && s.Header.State != "" { // the line that has it is not shown
		state = append([]Span{{s.Header.State, Warn}, {"  ", Text}}, state...)
	}
	right := min(width(state), c.W-12)
	printCut(c.Part(c.W-right-1, y, right, 1), state)
	left := c.Part(1, y, c.W-right-4, 1)
	if s.Filter != "" {
		filter := []Span{{"filter ", Dim}, {s.Filter, Warn}}
		w := min(width(filter), max(left.W-width(s.Crumb)-2, left.W/2))
		printCut(left.Part(left.W-w, 0, w, 1), filter)
		left = left.Part(0, 0, left.W-w-2, 1)
	}
	printCut(left, s.Crumb)
}

// printCut prints spans into the first line of c; the one that does not fit ends in "…", the ones after it are left out.
func printCut(c *Canvas, spans []Span) {
	x := 0
	for _, s := range spans {
		if x >= c.W {
			return
		}
		text := Cut(s.Text, c.W-x)
		x = c.Print(x, 0, text, s.Style)
		if text != s.Text {
			return
		}
	}
}

// drawBottom draws notes and keys and returns how many lines they take.
func (s *Screen) drawBottom(c *Canvas) int {
	if s.Every {
		for i, note := range s.Notes {
			c.Print(1, c.H-len(s.Notes)+i, Cut(note, c.W-2), Warn)
		}
		return len(s.Notes)
	}
	drawHints(c, c.H-1, s.Footer)
	if c.H < 12 {
		return 1
	}
	switch {
	case s.Status.Text != "": // comes over the lowest rows, as long as it may be
	case len(s.Notes) > 0:
		more := ""
		if len(s.Notes) > 1 {
			more = fmt.Sprintf(" (+%d, see ?)", len(s.Notes)-1)
		}
		x := c.Print(1, c.H-2, Cut(s.Notes[0], c.W-2-len(more)), Warn)
		c.Print(x, c.H-2, more, Dim)
	}
	return 2
}

// mostStatus is how many lines a status takes at most.
const mostStatus = 4

// drawStatus prints what happened in full: half a path is none. It covers rows, so that nothing moves.
func (s *Screen) drawStatus(c *Canvas) {
	lines := Wrap(s.Status.Text, c.W-2)
	lines = lines[:min(len(lines), mostStatus, c.H-2)]
	y := c.H - 1 - len(lines)
	if c.H < 12 {
		y++
	}
	for i, line := range lines {
		c.Part(0, y+i, c.W, 1).Fill(Text)
		c.Print(1, y+i, line, s.Status.Style)
	}
}

func (s *Screen) drawMiddle(c *Canvas, y int, l *Layout) {
	l.FirstY = y
	if s.Failure != "" {
		drawEmpty(c, s.Failure)
		return
	}
	if s.Body != nil {
		l.PageRows, l.Top = c.H, s.Top
		l.BodyLines = s.Body(c, s.Top)
		return
	}
	if s.Table == nil {
		return
	}
	h := s.panelLines(c.H, y)
	l.Panel = h > 0
	shown := s.Table.Draw(c.Part(0, 0, c.W, c.H-h))
	for _, head := range shown.Heads {
		head.Y += y
		l.Heads = append(l.Heads, head)
	}
	l.FirstY, l.PageRows, l.Top = y+shown.FirstY, shown.PageRows, shown.Top
	if h > 0 {
		drawLine(c, c.H-h)
		s.Panel(c.Part(1, c.H-h+1, c.W-2, h-1))
	}
}

// panelLines is how many lines the panel gets of those in the middle, its upper border included. above is how many there are over
// the middle; with the two at the bottom they make the terminal.
func (s *Screen) panelLines(middle, above int) int {
	if s.Panel == nil || s.PanelHeight <= 0 || s.PanelWanted == PanelOff {
		return 0
	}
	if s.PanelWanted == PanelAuto && above+middle+2 < roomy {
		return 0
	}
	h := min(s.PanelHeight+1, middle/2)
	if h < 3 {
		return 0
	}
	return h
}

func drawLine(c *Canvas, y int) {
	for x := range c.W {
		c.Print(x, y, "─", Frame)
	}
}
