// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// draw draws the model over c and remembers what is where.
func (m *model) draw(c *render.Canvas) {
	defer func() {
		if p := recover(); p != nil {
			m.failed(p, c)
		}
	}()
	s := m.screen()
	m.layout = s.Draw(c)
	p := m.place()
	if p.page.Body == nil || p.snap == nil {
		if m.help == nil {
			p.top, p.lines = m.layout.Top, m.layout.PageRows
		}
		return
	}
	if most := max(m.layout.BodyLines-m.layout.PageRows, 0); m.help == nil && p.top > most { // the text became shorter
		p.top = most
		s = m.screen()
		m.layout = s.Draw(c)
	}
}

// failed shows what went wrong in a page in place of the page, so that the others can still be used.
func (m *model) failed(p any, c *render.Canvas) {
	if m.failures[m.place().page.View] != "" { // not even the message can be drawn
		panic(p)
	}
	m.fail(p)
	m.draw(c)
}

func (m *model) fail(p any) {
	m.failures[m.place().page.View] = fmt.Sprintf("This page cannot be shown, which is a mistake in sonde: %v\n%s\n\nOther pages still work.",
		p, origin(debug.Stack()))
	m.layout = render.Layout{}
}

// guard does what pages have a say in: what goes wrong there stays on the page.
func (m *model) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			m.fail(p)
		}
	}()
	f()
}

// origin is the first line of a stack behind the panic that is in this project.
func origin(stack []byte) string {
	_, after, _ := strings.Cut(string(stack), "panic(")
	for line := range strings.Lines(after) {
		if at := strings.Index(line, "/tui/"); at >= 0 && strings.HasPrefix(line, "\t") {
			place, _, _ := strings.Cut(line[at+1:], " ")
			return "at " + strings.TrimSpace(place)
		}
	}
	return ""
}

// screen says what is to be drawn.
func (m *model) screen() render.Screen {
	p := m.place()
	s := render.Screen{
		Header: m.header(), Tabs: m.tabs(), Crumb: m.crumb(), Filter: m.filter, Query: m.question(p.position()), Footer: m.hints(), Help: m.help,
		PanelWanted: m.panel, Failure: m.failures[p.page.View], Status: m.statusLine(), Top: p.top,
	}
	if m.play != nil {
		s.Playback = playback(m.play)
	}
	if m.prompt != nil {
		s.Prompt = m.prompt.input()
	}
	if m.choosing {
		s.Choice = &render.Choice{Title: "Export", Text: fmt.Sprintf("All rows of %s, as they are filtered and sorted, to a new file in %s",
			p.page.Title, m.exportTo), Lines: []render.Hint{{Key: "j", Name: "JSON"}, {Key: "c", Name: "CSV"}, {Key: "Esc", Name: "not now"}}}
	}
	if p.snap == nil {
		s.Failure = m.nothingYet()
		return s
	}
	s.Notes = p.snap.Notes
	if p.page.Body != nil {
		s.Body = func(c *render.Canvas, top int) int { return p.page.Body(c, p.snap, top) }
		return s
	}
	s.Table = p.table()
	if p.page.Panel != nil {
		s.PanelHeight = p.page.PanelHeight
		s.Panel = func(c *render.Canvas) { p.page.Panel(c, p.snap, p.selected()) }
	}
	return s
}

func (m *model) nothingYet() string {
	if m.broken != nil {
		return m.broken.Error()
	}
	return "asking ..."
}

// header is that of the last answer of this page, or of any other: the way back shows old rows for a moment, never old numbers only.
func (m *model) header() render.Header {
	s := m.newest()
	if s == nil {
		return render.Header{}
	}
	h := render.Header{
		Mode: s.Mode, Host: s.Host, Source: s.Source, Time: s.Time, Requests: s.Overview.Requests, Errors: s.Overview.Errors,
		BytesPerS: s.Overview.BytesPerS, Flows: s.Overview.Flows, Lost: s.Overview.Lost, LostRecent: s.Overview.LostRecent,
		CPU: s.Overview.CPU, Memory: s.Overview.MemoryBytes,
	}
	switch {
	case m.pause.frozen != 0:
		h.State = "PAUSED since " + m.pause.since.Format(time.TimeOnly)
	case m.pause.wanted:
		h.State = "PAUSING"
	case m.broken != nil:
		h.State = "NO ANSWER"
	}
	return h
}

func (m *model) newest() *view.Snapshot {
	if s := m.place().snap; s != nil {
		return s
	}
	var newest *view.Snapshot
	for _, p := range slices.Concat(m.stack, topPlaces(m)) {
		if p.snap != nil && (newest == nil || p.snap.Time.After(newest.Time)) {
			newest = p.snap
		}
	}
	return newest
}

func topPlaces(m *model) []*place {
	var all []*place
	for _, p := range m.pages {
		if top := m.tops[p.View]; top != nil {
			all = append(all, top)
		}
	}
	return all
}

func playback(p *view.Playback) *render.Playback {
	state := "playing"
	switch {
	case p.Seeking:
		state = "seeking"
	case p.Ended:
		state = "ended"
	case p.Paused:
		state = "paused"
	}
	return &render.Playback{State: state, Speed: p.Speed, Start: p.Start, Position: p.Position, End: p.End, Error: p.Error}
}

func (m *model) tabs() []render.Tab {
	var tabs []render.Tab
	for _, p := range m.pages {
		if p.Key != 0 {
			tabs = append(tabs, render.Tab{Key: p.Key, Title: p.Title, Current: p == m.stack[0].page})
		}
	}
	return tabs
}

// crumb is the way from the page of the menu to here.
func (m *model) crumb() []render.Span {
	var spans []render.Span
	for i, p := range m.stack {
		if i > 0 {
			spans = append(spans, render.Span{Text: " > ", Style: render.Dim})
		}
		style := render.Text
		if i == len(m.stack)-1 {
			style = render.Title
		}
		spans = append(spans, render.Span{Text: p.page.Title, Style: style})
		if p.page.Crumb != nil && i == len(m.stack)-1 {
			if of := p.page.Crumb(p.within); of != "" {
				spans = append(spans, render.Span{Text: " of ", Style: render.Dim}, render.Span{Text: of, Style: render.Strong})
			}
		}
	}
	return spans
}

// question says what is asked, so that nobody takes part of the rows for all of them. rows is how many there are.
func (m *model) question(rows string) []render.Span {
	p := m.place()
	var spans []render.Span
	add := func(label, text string, style render.Style) {
		if len(spans) > 0 {
			spans = append(spans, render.Span{Text: "  ", Style: render.Text})
		}
		spans = append(spans, render.Span{Text: label, Style: render.Dim}, render.Span{Text: text, Style: style})
	}
	if p.held {
		add("", "held, g follows", render.Warn)
	}
	if p.snap != nil && p.page.Body == nil {
		add("rows ", rows, render.Text)
	}
	if key := p.sortKey(); key != "" && p.page.Body == nil {
		add("by ", key, render.Text)
	}
	add("last ", m.span(p.snap), render.Text)
	return spans
}

// position says where in how many rows the cursor is.
func (p *place) position() string {
	if p.rows() == 0 {
		return "0"
	}
	return fmt.Sprintf("%d/%d", p.selected()+1, p.total())
}

// span is the window, and how much of it the rows stand for where that is less.
func (m *model) span(s *view.Snapshot) string {
	text := short(m.window)
	if s != nil && s.Covered > 0 && s.Covered < s.Window-time.Second && s.Window == m.window {
		text += " (" + short(s.Covered.Truncate(time.Second)) + ")"
	}
	return text
}

func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}

func (m *model) statusLine() render.Span {
	switch {
	case m.status.text != "":
		return render.Span{Text: m.status.text, Style: m.status.style}
	case m.broken != nil:
		return render.Span{Text: m.broken.Error(), Style: render.Bad}
	}
	return render.Span{}
}

func (p *prompt) input() *render.Input {
	in := &render.Input{Label: "filter:", Text: p.text, Cursor: p.cursor, Message: p.message, Chosen: p.chosen}
	if p.checking {
		in.Hint = "checking"
	}
	for _, c := range p.choices {
		line := c.text
		if c.about != "" {
			line = fmt.Sprintf("%-16s %s", c.text, c.about)
		}
		in.Choices = append(in.Choices, line)
	}
	return in
}

// table is the page's table with the snapshot behind it.
func (p *place) table() *render.Table {
	t := &render.Table{
		Rows: p.rows(), Top: p.top, Cursor: p.selected(),
		Cell: func(c *render.Canvas, column, row int) { p.page.Columns[column].Cell(c, p.snap, row) },
	}
	for _, c := range p.page.Columns {
		column := render.Column{Title: c.Title, Min: c.Min, Max: c.Max, Right: c.Right, Drop: c.Drop}
		if c.Sort != "" && c.Sort == p.sortKey() {
			column.Arrow = p.arrow()
		}
		t.Columns = append(t.Columns, column)
	}
	if p.page.Mark != nil {
		t.Mark = func(row int) render.Style { return p.page.Mark(p.snap, row) }
	}
	if p.page.Empty != nil {
		t.Empty = p.page.Empty(p.snap)
	}
	return t
}

// names rise in their natural order, numbers and times fall.
var rising = map[string]bool{"name": true, "operation": true, "service": true, "server": true, "client": true, "state": true, "pid": true}

func (p *place) arrow() string {
	if rising[p.sortKey()] != p.reverse {
		return "↑"
	}
	return "↓"
}
