// SPDX-License-Identifier: Apache-2.0

package render

// Input is a line that is typed, and below it what is wrong with it or what may follow.
type Input struct {
	Label   string
	Text    string
	Cursor  int    // offset in Text, in bytes
	Hint    string // what is going on: "checking"
	Message string // what is wrong
	Choices []string
	Chosen  int // of Choices, -1 for none
}

// shownChoices is how many are listed at a time.
const shownChoices = 8

// draw prints the line at y and the rest below it, or above it where there is more room.
func (p *Input) draw(c *Canvas, y int, l *Layout) {
	line := c.Part(0, y, c.W, 1)
	line.Fill(Prompt)
	x := line.Print(1, 0, p.Label+" ", Title)
	before := p.Text[:p.Cursor]
	for before != "" && x+Width(before) >= c.W { // the cursor is always seen
		_, before = splitAt(before, 1)
	}
	line.Print(x, 0, before+p.Text[p.Cursor:], Prompt)
	l.CursorX, l.CursorY = min(x+Width(before), c.W-1), y

	lines := p.below(max(c.W-x-1, 1))
	from := y + 1
	if len(lines) > c.H-from && y > c.H-from {
		from = max(y-len(lines), 0)
	}
	for i, s := range lines {
		if under := c.Part(0, from+i, c.W, 1); from+i != y {
			under.Fill(Text)
			under.Print(x, 0, Cut(s.Text, c.W-x), s.Style)
		}
	}
}

func (p *Input) below(w int) []Span {
	var lines []Span
	if p.Hint != "" {
		lines = append(lines, Span{p.Hint, Dim})
	}
	for _, text := range Wrap(p.Message, w) {
		lines = append(lines, Span{text, Bad})
	}
	first := min(max(p.Chosen-shownChoices+1, 0), max(len(p.Choices)-shownChoices, 0))
	for i := first; i < min(first+shownChoices, len(p.Choices)); i++ {
		s := Span{"  " + p.Choices[i], Text}
		if i == p.Chosen {
			s = Span{"> " + p.Choices[i], Selected}
		}
		lines = append(lines, s)
	}
	if more := len(p.Choices) - first - shownChoices; more > 0 {
		lines = append(lines, Span{"  ...", Dim})
	}
	return lines
}
