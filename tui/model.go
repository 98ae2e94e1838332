// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
)

// model is everything that the screen shows and keys change. It is for the goroutine of the event loop alone, does nothing that
// takes time, and has its clock from outside: the same events always make the same screen.
type model struct {
	pages    []*page.Page
	bindings []binding
	player   view.Player // nil unless time can be moved
	now      func() time.Time

	stack    []*place // the last one is shown, Esc leads to the one before
	tops     map[view.Page]*place
	window   time.Duration
	filter   string
	exportTo string

	pause  pause
	play   *view.Playback // as last told
	seek   time.Time      // where the last seek key went to, until it is there
	seekAt time.Time

	panel    render.Panel
	layout   render.Layout // of the last draw
	status   status
	broken   error // why the world does not answer, nil when it does
	prompt   *prompt
	choosing bool // the format of an export
	help     *render.Help
	values   map[string][]string // of filter flags, for completion
	past     []string            // filters that were applied

	todo     []job
	quit     bool
	poke     int  // counts wishes to refresh at once
	suspend  bool // wish to stop until SIGCONT
	redraw   bool // wish to send every cell again
	failures map[view.Page]string
}

// status is a line of text that goes away by itself.
type status struct {
	text  string
	style render.Style
	until time.Time
}

// statusTime is how long a status line stays.
const statusTime = 8 * time.Second

// job is work for another goroutine. Jobs of one queue are done one after the other. then runs in the event loop.
type job struct {
	queue queue
	do    func(ctx context.Context, w view.World) (then func(*model))
}

type queue uint8

const (
	queueControl queue = iota // pausing, seeking, freezing: their order matters
	queueValues               // completion
	queueExport
	queueCount
)

func newModel(c Config, pages []*page.Page, now func() time.Time) (*model, error) {
	m := &model{
		pages: pages, bindings: bindings(pages), now: now, tops: map[view.Page]*place{}, window: c.Window, filter: c.Filter, exportTo: c.ExportTo,
		values: map[string][]string{}, failures: map[view.Page]string{},
	}
	m.player, _ = c.World.(view.Player)
	for _, p := range pages {
		if p.View == c.Page {
			m.stack = []*place{m.topOf(p)}
			m.place().sort, m.place().reverse = c.Sort, c.Reverse
		}
	}
	if m.stack == nil {
		return nil, fmt.Errorf("viewer: no page %q", c.Page)
	}
	return m, nil
}

// topOf is the place of a page that is opened by its digit; it keeps its order and its cursor between visits.
func (m *model) topOf(p *page.Page) *place {
	if m.tops[p.View] == nil {
		m.tops[p.View] = &place{page: p}
	}
	return m.tops[p.View]
}

func (m *model) place() *place { return m.stack[len(m.stack)-1] }

// query is what is asked now.
func (m *model) query() view.Query {
	p := m.place()
	return view.Query{
		Page: p.page.View, Window: m.window, Filter: m.filter, Sort: p.sort, Reverse: p.reverse,
		Limit: p.limit(), Within: p.within, Frozen: m.pause.frozen,
	}
}

// answer is what a question came to.
type answer struct {
	asked view.Query
	snap  *view.Snapshot
	err   error
}

// take shows an answer, unless another question was asked meanwhile.
func (m *model) take(a answer) {
	p := m.place()
	if now := m.query(); !sameRows(a.asked, now) {
		return
	}
	switch {
	case errors.Is(a.err, view.ErrGone):
		m.pause = pause{}
		m.say(render.Warn, "the paused view is gone, as nobody looked at it for too long: this is live again")
	case errors.Is(a.err, view.ErrBadQuery):
		m.broken = a.err
	case a.err != nil:
		m.broken = fmt.Errorf("agent does not answer: %w, trying again", a.err)
	case a.snap == nil || a.snap.Page != p.page.View:
		m.broken = fmt.Errorf("agent does not answer: it spoke of page %q, trying again", pageOf(a.snap))
	default:
		m.broken = nil
		delete(m.failures, p.page.View)
		m.play = a.snap.Playback
		m.guard(func() { p.accept(a.snap, a.asked) })
	}
}

func pageOf(s *view.Snapshot) view.Page {
	if s == nil {
		return ""
	}
	return s.Page
}

// late says that an answer takes long.
func (m *model) late(since time.Duration) {
	m.broken = fmt.Errorf("agent does not answer for %s, still waiting", since.Round(time.Second))
}

func (m *model) say(style render.Style, format string, args ...any) {
	m.status = status{fmt.Sprintf(format, args...), style, m.now().Add(statusTime)}
}

// later gives work to another goroutine.
func (m *model) later(q queue, do func(ctx context.Context, w view.World) (then func(*model))) {
	m.todo = append(m.todo, job{q, do})
}

// open shows a page that has a key, as it was left.
func (m *model) open(p *page.Page) {
	m.stack = []*place{m.topOf(p)}
}

func (m *model) openKey(key rune) {
	for _, p := range m.pages {
		if p.Key != 0 && p.Key == key {
			m.open(p)
		}
	}
}

// turn opens the page that is by steps further in the menu.
func (m *model) turn(by int) {
	var menu []*page.Page
	at := 0
	for _, p := range m.pages {
		if p.Key == 0 {
			continue
		}
		if p == m.stack[0].page {
			at = len(menu)
		}
		menu = append(menu, p)
	}
	if len(menu) > 0 {
		m.open(menu[(at+by+len(menu))%len(menu)])
	}
}

// mostDeep bounds the way back: pages can lead to each other in circles.
const mostDeep = 32

// behind is what the row under the cursor leads to.
func (m *model) behind() (to *page.Page, scope view.Scope, ok bool) {
	p := m.place()
	row := p.selected()
	if p.page.Enter == nil || p.snap == nil || m.failures[p.page.View] != "" || row < 0 && p.page.Body == nil {
		return nil, view.Scope{}, false
	}
	name, scope, ok := p.page.Enter(p.snap, row, p.within)
	if !ok {
		return nil, view.Scope{}, false
	}
	for _, target := range m.pages {
		if target.View == name {
			return target, scope, true
		}
	}
	return nil, view.Scope{}, false
}

func (m *model) enterable() bool {
	_, _, ok := m.behind()
	return ok && len(m.stack) < mostDeep
}

// enter opens what is behind the row under the cursor.
func (m *model) enter() {
	if to, scope, ok := m.behind(); ok && len(m.stack) < mostDeep {
		m.stack = append(m.stack, &place{page: to, within: scope})
	}
}

func (m *model) back() {
	if len(m.stack) > 1 {
		m.stack = m.stack[:len(m.stack)-1]
	}
}
