// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(childVariable); kind != "" {
		os.Exit(child(kind))
	}
	for _, name := range []string{"NO_COLOR", "COLORFGBG", "COLORTERM"} {
		_ = os.Unsetenv(name)
	}
	_ = os.Setenv("TERM", "xterm-256color")
	os.Exit(m.Run())
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// script is a world that answers by a function and remembers what it was told.
type script struct {
	answer func(q view.Query) (*view.Snapshot, error)
	values []string

	mu      sync.Mutex
	asked   []view.Query
	told    []string
	frozen  uint64
	failing error
}

func (s *script) Snapshot(_ context.Context, q view.Query) (*view.Snapshot, error) {
	s.mu.Lock()
	s.asked = append(s.asked, q)
	failing := s.failing
	s.mu.Unlock()
	if failing != nil {
		return nil, failing
	}
	return s.answer(q)
}

func (s *script) tell(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, args...))
	return nil
}

func (s *script) was() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.told, "; ")
}

func (s *script) Freeze(context.Context) (uint64, error) {
	s.mu.Lock()
	s.frozen++
	n := s.frozen
	s.mu.Unlock()
	return n, s.tell("freeze %d", n)
}

func (s *script) Thaw(_ context.Context, n uint64) error { return s.tell("thaw %d", n) }

func (s *script) Values(_ context.Context, flag string) ([]string, error) {
	return s.values, s.tell("values %s", flag)
}

// film is a script whose time can be moved.
type film struct{ script }

func (f *film) Pause(paused bool) error     { return f.tell("pause %t", paused) }
func (f *film) Speed(factor float64) error  { return f.tell("speed %g", factor) }
func (f *film) Seek(to time.Time) error     { return f.tell("seek %s", to.Format(time.TimeOnly)) }
func (f *film) at(position time.Time) *film { f.answer = playing(position); return f }

func playing(position time.Time) func(view.Query) (*view.Snapshot, error) {
	return func(q view.Query) (*view.Snapshot, error) {
		s := world(q, 5)
		s.Mode, s.Source = "recording", "night.sonde"
		s.Playback = &view.Playback{Speed: 1, Start: noon, Position: position, End: noon.Add(10 * time.Minute)}
		return s, nil
	}
}

// steady answers with n rows of any page.
func steady(n int) *script {
	return &script{answer: func(q view.Query) (*view.Snapshot, error) { return world(q, n), nil }}
}

func world(q view.Query, n int) *view.Snapshot {
	s := &view.Snapshot{
		Page: q.Page, Time: noon.Add(3 * time.Minute), Window: q.Window, Covered: q.Window, Mode: "live", Host: "web-1", Rows: n,
		Overview: view.Overview{Requests: 1234.5, Errors: 3.2, Flows: 812, BytesPerS: 1.25e6, CPU: 0.021, MemoryBytes: 48_300_000},
	}
	held := n
	if q.Limit > 0 {
		held = min(n, q.Limit)
	}
	for i := range held {
		switch q.Page {
		case view.PageServices:
			s.Services = append(s.Services, view.Service{
				Name: fmt.Sprintf("service-%d", i+1), Protocols: []string{"http"}, Processes: i,
				In: view.RED{Rate: float64(1000 - i), Errors: uint64(i % 3), P50: time.Duration(i+1) * time.Millisecond},
			})
		case view.PageRequests:
			s.Requests = append(s.Requests, request(uint64(n-i)))
		}
	}
	return s
}

func request(id uint64) view.Request {
	r := view.Request{ID: id, Time: noon, Target: fmt.Sprintf("GET /orders/%d", id), Status: "200", Outcome: "ok", Duration: time.Millisecond}
	if id%4 == 0 {
		r.Status, r.Outcome = "500", "error"
	}
	return r
}

// testPages are simpler than those of tui/page, so that they show what this package does.
func testPages() []*page.Page {
	text := func(f func(s *view.Snapshot, row int) string) func(*render.Canvas, *view.Snapshot, int) {
		return func(c *render.Canvas, s *view.Snapshot, row int) { c.Print(0, 0, f(s, row), render.Text) }
	}
	number := func(f func(s *view.Snapshot, row int) string) func(*render.Canvas, *view.Snapshot, int) {
		return func(c *render.Canvas, s *view.Snapshot, row int) { render.Right(c, f(s, row), render.Strong) }
	}
	services := &page.Page{
		View: view.PageServices, Title: "Services", Key: '1', PanelHeight: 6,
		Columns: []page.Column{
			{Title: "SERVICE", Sort: "name", Min: 12, Max: 40, Cell: text(func(s *view.Snapshot, r int) string { return s.Services[r].Name })},
			{Title: "PROTOCOLS", Min: 10, Max: 20, Drop: 2, Cell: text(func(s *view.Snapshot, r int) string { return strings.Join(s.Services[r].Protocols, ",") })},
			{Title: "REQ/S", Sort: "rate", Min: 8, Right: true, Cell: number(func(s *view.Snapshot, r int) string { return render.Rate(s.Services[r].In.Rate) })},
			{Title: "ERRORS", Sort: "errors", Min: 7, Right: true, Cell: number(func(s *view.Snapshot, r int) string { return strconv.FormatUint(s.Services[r].In.Errors, 10) })},
			{Title: "P50", Sort: "p50", Min: 8, Right: true, Cell: number(func(s *view.Snapshot, r int) string { return render.Duration(s.Services[r].In.P50) })},
			{Title: "PROCESSES", Min: 30, Drop: 1, Right: true, Cell: number(func(s *view.Snapshot, r int) string { return strconv.Itoa(s.Services[r].Processes) })},
		},
		Rows: func(s *view.Snapshot) int { return len(s.Services) },
		ID:   func(s *view.Snapshot, r int) string { return s.Services[r].Name },
		Mark: func(s *view.Snapshot, r int) render.Style {
			return []render.Style{render.Text, render.Warn, render.Bad}[s.Services[r].In.Errors%3]
		},
		Panel: func(c *render.Canvas, s *view.Snapshot, row int) {
			if row >= 0 {
				c.Print(0, 0, "about "+s.Services[row].Name, render.Title)
			}
		},
		Enter: func(s *view.Snapshot, row int, w view.Scope) (view.Page, view.Scope, bool) {
			w.Service = s.Services[row].Name
			return view.PageRequests, w, true
		},
		Empty: func(*view.Snapshot) string { return "No service was seen yet.\nIs there any traffic?" },
	}
	requests := &page.Page{
		View: view.PageRequests, Title: "Requests", Key: '2',
		Columns: []page.Column{
			{Title: "STATUS", Sort: "status", Min: 6, Cell: text(func(s *view.Snapshot, r int) string { return s.Requests[r].Status })},
			{Title: "TARGET", Sort: "time", Min: 20, Max: 60, Cell: text(func(s *view.Snapshot, r int) string { return s.Requests[r].Target })},
		},
		Rows:  func(s *view.Snapshot) int { return len(s.Requests) },
		ID:    func(s *view.Snapshot, r int) string { return strconv.FormatUint(s.Requests[r].ID, 10) },
		Crumb: func(w view.Scope) string { return w.Service },
		Enter: func(*view.Snapshot, int, view.Scope) (view.Page, view.Scope, bool) { return "", view.Scope{}, false },
	}
	agent := &page.Page{
		View: view.PageAgent, Title: "Agent", Key: '7',
		Body: func(c *render.Canvas, _ *view.Snapshot, top int) int {
			for i := range 50 {
				c.Print(1, i-top, fmt.Sprintf("line %d", i+1), render.Text)
			}
			return 50
		},
	}
	return []*page.Page{services, requests, agent}
}

// desk is a model with a world that answers at once, and a canvas.
type desk struct {
	t     testing.TB
	m     *model
	world view.World
	c     *render.Canvas
	clock time.Time
}

func newDesk(t testing.TB, w view.World, width, height int) *desk {
	d := &desk{t: t, world: w, c: render.NewCanvas(width, height), clock: noon}
	c := Config{World: w, ExportTo: t.TempDir()}.withDefaults()
	var err error
	if d.m, err = newModel(c, testPages(), func() time.Time { return d.clock }); err != nil {
		t.Fatal(err)
	}
	d.draw()
	d.refresh()
	return d
}

func (d *desk) draw() string {
	d.m.draw(d.c)
	return d.c.String()
}

// refresh does what the goroutines of a viewer do: jobs, a question, its answer, a drawing.
func (d *desk) refresh() string {
	for len(d.m.todo) > 0 {
		j := d.m.todo[0]
		d.m.todo = d.m.todo[1:]
		if then := j.do(context.Background(), d.world); then != nil {
			then(d.m)
		}
	}
	q := d.m.query()
	s, err := d.world.Snapshot(context.Background(), q)
	d.m.take(answer{q, s, err})
	return d.draw()
}

var specialKeys = func() map[string]tcell.Key {
	m := map[string]tcell.Key{}
	for k, name := range names {
		m[name] = k
	}
	return m
}()

func event(key string) *tcell.EventKey {
	switch k, special := specialKeys[key]; {
	case special:
		return tcell.NewEventKey(k, 0, tcell.ModNone)
	case key == "Space":
		return tcell.NewEventKey(tcell.KeyRune, ' ', tcell.ModNone)
	case strings.HasPrefix(key, "Ctrl-"):
		return tcell.NewEventKey(tcell.KeyCtrlA+tcell.Key(key[5]-'A'), 0, tcell.ModCtrl)
	default:
		return tcell.NewEventKey(tcell.KeyRune, []rune(key)[0], tcell.ModNone)
	}
}

// press presses keys, and lets the world answer after each.
func (d *desk) press(keys ...string) string {
	for _, k := range keys {
		d.m.key(event(k))
		d.refresh()
	}
	return d.draw()
}

func (d *desk) write(text string) {
	for _, r := range text {
		d.m.key(tcell.NewEventKey(tcell.KeyRune, r, tcell.ModNone))
	}
	d.refresh()
}

func (d *desk) see(want ...string) {
	d.t.Helper()
	screen := d.draw()
	for _, w := range want {
		if !strings.Contains(screen, w) {
			d.t.Fatalf("the screen does not show %q:\n%s", w, screen)
		}
	}
}

func (d *desk) seeNot(want string) {
	d.t.Helper()
	if screen := d.draw(); strings.Contains(screen, want) {
		d.t.Fatalf("the screen shows %q:\n%s", want, screen)
	}
}

// selected is the text of the line under the cursor.
func (d *desk) selected() (y int, text string) {
	d.t.Helper()
	d.draw()
	for y := range d.c.H {
		if d.c.At(d.c.W-1, y).Style == render.Selected {
			return y, strings.TrimSpace(d.c.Part(0, y, d.c.W, 1).String())
		}
	}
	return -1, ""
}
