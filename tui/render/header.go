// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is text in one style.
type Span struct {
	Text  string
	Style Style
}

// PrintSpans prints spans one after the other and returns the column after the last one.
func (c *Canvas) PrintSpans(x, y int, spans ...Span) int {
	for _, s := range spans {
		x = c.Print(x, y, s.Text, s.Style)
	}
	return x
}

func width(spans []Span) int {
	n := 0
	for _, s := range spans {
		n += Width(s.Text)
	}
	return n
}

// Header says what is looked at and how it is doing: the same two lines above each page.
type Header struct {
	Mode, Host, Source string // as in view.Snapshot; Mode "" means that nothing is known yet
	Time               time.Time
	State              string // "PAUSED since 12:03:10", "" for nothing unusual

	Requests, Errors, BytesPerS float64 // a second
	Flows                       int
	Lost, LostRecent            uint64
	CPU                         float64 // cores
	Memory                      uint64  // bytes
}

// modeWords are what a mode is called, and what joins that with the name of a host.
var modeWords = map[string][2]string{
	"live": {"live", " on "}, "attached": {"agent", " on "}, "recording": {"recording", " of "}, "capture": {"capture", " of "},
}

func (h *Header) drawTitle(c *Canvas, y int) {
	clock := "--:--:--"
	if !h.Time.IsZero() {
		clock = h.Time.Format("2006-01-02 15:04:05")
	}
	right := []Span{{clock, Strong}, {" ", Text}}
	if h.State != "" {
		right = append([]Span{{" " + h.State + " ", Warn}, {" ", Text}}, right...)
	}
	limit := max(c.W-width(right)-1, 0)
	left := c.Part(0, y, limit, 1)
	x := left.PrintSpans(0, 0, Span{" sonde ", Title}, Span{" ", Text})
	switch {
	case h.Mode == "":
		left.Print(x, 0, "no answer yet", Dim)
	default:
		words, known := modeWords[h.Mode]
		if !known {
			words = [2]string{h.Mode, " "}
		}
		x = left.Print(x, 0, words[0], Dim)
		if h.Host != "" {
			x = left.PrintSpans(x, 0, Span{words[1], Dim}, Span{h.Host, Strong})
		}
		if h.Source != "" {
			left.Print(x+2, 0, Cut(h.Source, left.W-x-2), Dim)
		}
	}
	c.PrintSpans(max(c.W-width(right), 0), y, right...)
}

// drawNumbers prints what fits, the most important first. Fields keep their width while their values change.
func (h *Header) drawNumbers(c *Canvas, y int) {
	if h.Mode == "" {
		return
	}
	failed, lost := Dim, Dim
	if h.Errors > 0 {
		failed = Bad
	}
	if h.Lost > 0 {
		lost = Bad
	}
	fields := [][]Span{
		{{fmt.Sprintf("%7s", strings.TrimSpace(Rate(h.Requests))), Strong}, {" req/s", Dim}},
		{{fmt.Sprintf("%6s", strings.TrimSpace(Rate(h.Errors))), failed}, {" err/s", failed}},
		h.lost(lost, c.W),
		{{fmt.Sprintf("%5d", h.Flows), Text}, {" flows", Dim}},
		{{fmt.Sprintf("%7s", SizeRate(h.BytesPerS)), Text}, {"/s", Dim}},
	}
	if h.CPU > 0 || h.Memory > 0 { // there is an agent
		fields = append(fields, []Span{{"cpu", Dim}, {fmt.Sprintf("%7s", Cores(h.CPU)), Text}, {fmt.Sprintf("%8s", Size(h.Memory)), Text}})
	}
	x := 0
	for _, f := range fields {
		if x > 0 && x+2+width(f) > c.W {
			return
		}
		if x > 0 {
			x += 2
		}
		x = c.PrintSpans(x, y, f...)
	}
}

func (h *Header) lost(style Style, room int) []Span {
	s := []Span{{"lost", style}, {fmt.Sprintf("%3s", Count(h.Lost)), style}}
	if h.LostRecent > 0 && room >= 60 {
		s = append(s, Span{" (now!)", Bad})
	}
	return s
}

// Playback is the line that says where a file is.
type Playback struct {
	State                string  // "playing", "paused", "ended", "seeking"
	Speed                float64 // 0: as fast as possible
	Start, Position, End time.Time
	Error                string
}

func (p *Playback) draw(c *Canvas, y int) {
	speed := "as fast as possible"
	if p.Speed > 0 {
		speed = "x" + strconv.FormatFloat(p.Speed, 'f', -1, 64)
	}
	style := Strong
	if p.State == "paused" || p.State == "ended" {
		style = Warn
	}
	left := []Span{{fmt.Sprintf(" %-8s", p.State), style}, {" " + speed + "  ", Text}, {clockOf(p.Position), Strong}, {" ", Text}}
	right := []Span{{" ", Text}, {"of " + span(p.Position.Sub(p.Start)) + " / " + span(p.End.Sub(p.Start)), Dim}, {" ", Text}}
	if p.End.IsZero() {
		right = []Span{{" ", Text}, {span(p.Position.Sub(p.Start)) + " since its start, its end is not known yet", Dim}}
	}
	if p.Error != "" {
		right = []Span{{" ", Text}, {"ends early: " + p.Error, Bad}}
	}
	x := c.PrintSpans(0, y, left...)
	bar := c.W - x - width(right)
	if bar >= 4 && p.End.After(p.Start) {
		drawBar(c, x, y, bar, float64(p.Position.Sub(p.Start))/float64(p.End.Sub(p.Start)))
		x += bar
	}
	c.PrintSpans(x, y, right...)
}

func drawBar(c *Canvas, x, y, w int, done float64) {
	full := int(min(max(done, 0), 1)*float64(w) + 0.5)
	for i := range w {
		switch {
		case i < full:
			c.Print(x+i, y, "━", Accent)
		default:
			c.Print(x+i, y, "─", Frame)
		}
	}
}

func clockOf(t time.Time) string {
	if t.IsZero() {
		return "--:--:--"
	}
	return t.Format("15:04:05")
}

func span(d time.Duration) string {
	if d < 0 {
		return "-"
	}
	return d.Truncate(time.Second).String()
}

// Tab is one page in the menu.
type Tab struct {
	Key     rune
	Title   string
	Current bool
}

// Area is a part of a line, for the mouse.
type Area struct{ Y, From, To int }

// Holds says whether a cell lies in it.
func (a Area) Holds(x, y int) bool { return y == a.Y && x >= a.From && x < a.To }

// drawTabs marks the current one by brackets, not by style alone. Where titles do not fit, digits are left.
func drawTabs(c *Canvas, y int, tabs []Tab) []Area {
	full := 0
	for _, t := range tabs {
		full += Width(t.Title) + 4
	}
	areas := make([]Area, 0, len(tabs))
	x := 0
	for _, t := range tabs {
		text := string(t.Key)
		if full <= c.W || t.Current {
			text += " " + t.Title
		}
		from := x
		if t.Current {
			x = c.PrintSpans(x, y, Span{"[", Strong}, Span{text, Title}, Span{"]", Strong})
		} else {
			key, title := text[:len(string(t.Key))], text[len(string(t.Key)):]
			x = c.PrintSpans(x, y, Span{" ", Text}, Span{key, Accent}, Span{title, Text}, Span{" ", Text})
		}
		areas = append(areas, Area{y, from, x})
	}
	return areas
}
