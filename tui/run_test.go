// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
)

// show is a running viewer on a simulated screen.
type show struct {
	t      *testing.T
	screen *sizedScreen
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, c Config, width, height int) *show {
	t.Helper()
	return startPages(t, c, testPages(), width, height)
}

func startPages(t *testing.T, c Config, pages []*page.Page, width, height int) *show {
	t.Helper()
	screen := tcell.NewSimulationScreen("UTF-8")
	sized := &sizedScreen{SimulationScreen: screen, w: width, h: height}
	ctx, cancel := context.WithCancel(t.Context())
	s := &show{t, sized, cancel, make(chan error, 1)}
	c.Screen = sized
	if c.Interval == 0 {
		c.Interval = leastInterval
	}
	go func() { s.ended <- run(ctx, c, pages) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			t.Error("it does not end")
		}
	})
	return s
}

// sizedScreen has its size from the start, where tcell's begins with 80x25, and can be read while it is drawn.
type sizedScreen struct {
	tcell.SimulationScreen
	w, h int

	mu   sync.Mutex
	text string
}

func (s *sizedScreen) Show() {
	s.SimulationScreen.Show()
	cells, w, h := s.GetContents()
	var b strings.Builder
	for y := range h {
		line := ""
		for x := range w {
			if at := y*w + x; at < len(cells) {
				line += string(cells[at].Runes)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	s.mu.Lock()
	s.text = b.String()
	s.mu.Unlock()
}

func (s *sizedScreen) Init() error {
	err := s.SimulationScreen.Init()
	s.SetSize(s.w, s.h)
	return err
}

func (s *show) text() string {
	s.screen.mu.Lock()
	defer s.screen.mu.Unlock()
	return s.screen.text
}

func (s *show) see(want string) {
	s.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		text := s.text()
		if strings.Contains(text, want) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the screen does not show %q:\n%s", want, text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *show) press(keys ...string) {
	for _, k := range keys {
		ev := event(k)
		s.screen.InjectKey(ev.Key(), ev.Rune(), ev.Modifiers())
	}
}

func (s *show) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(8 * time.Second):
		buf := make([]byte, 1<<16)
		s.t.Fatalf("it does not end:\n%s", buf[:runtime.Stack(buf, true)])
		return nil
	}
}

func TestRunShowsWhatTheWorldSaysAndEndsWithQ(t *testing.T) {
	s := start(t, Config{World: steady(30)}, 80, 24)
	s.see("service-17")
	s.press("j", "Enter")
	s.see("Services > Requests of service-2")
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestRunAsksOnceInAnIntervalAndAtOnceForANewPage(t *testing.T) {
	w := steady(30)
	s := start(t, Config{World: w, Interval: time.Hour}, 80, 24)
	s.see("service-1")
	s.press("2")
	s.see("GET /orders/30") // not in an hour
	time.Sleep(100 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) > 3 { // one for each page, one more may have been overtaken
		t.Errorf("asked %d times", len(w.asked))
	}
}

// slow is a world whose answers take long, and which may not heed its context.
type slow struct {
	script
	stubborn bool
	hold     chan struct{}
	mu       sync.Mutex
	now, top int
}

func (w *slow) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	w.mu.Lock()
	w.now++
	w.top = max(w.top, w.now)
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.now--; w.mu.Unlock() }()
	if w.stubborn {
		<-w.hold
		return world(q, 3), nil
	}
	select {
	case <-w.hold:
		return world(q, 3), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestKeysWorkWhileTheWorldHangs(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		w := &slow{hold: make(chan struct{}), stubborn: stubborn}
		s := start(t, Config{World: w}, 80, 24)
		s.see("asking")
		s.press("2")
		s.see("[2 Requests]")
		s.press("?")
		s.see("what is behind")
		begin := time.Now()
		s.press("x", "q")
		if err := s.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*farewell {
			t.Errorf("it took %s to end", took)
		}
		close(w.hold)
		w.mu.Lock()
		if w.top != 1 {
			t.Errorf("%d questions were on their way at a time", w.top)
		}
		w.mu.Unlock()
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := start(t, Config{World: steady(3)}, 80, 24)
	s.see("service-3")
	s.cancel()
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestRunEndsWhenTheTerminalIsGone(t *testing.T) {
	s := start(t, Config{World: steady(3)}, 80, 24)
	s.see("service-3")
	_ = s.screen.PostEvent(tcell.NewEventError(errors.New("read /dev/tty: input/output error")))
	err := s.end()
	if !errors.Is(err, errTerminalGone) || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("ended with %v", err)
	}
}

func TestPanicOfTheWorldIsShownAndTheViewerGoesOn(t *testing.T) {
	w := &script{answer: func(view.Query) (*view.Snapshot, error) { panic("index out of range") }}
	s := start(t, Config{World: w}, 80, 24)
	s.see("mistake in sonde: index out of range")
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestFrozenWorldIsLetGoAtTheEnd(t *testing.T) {
	w := steady(3)
	s := start(t, Config{World: w}, 80, 24)
	s.see("service-3")
	s.press("p")
	s.see("PAUSED")
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
	if w.was() != "freeze 1; thaw 1" {
		t.Errorf("the world was told %q", w.was())
	}
}

func TestPausedViewAsksNothingMore(t *testing.T) {
	w := steady(3)
	s := start(t, Config{World: w}, 80, 24)
	s.see("service-3")
	s.press("p")
	s.see("PAUSED")
	time.Sleep(2 * leastInterval)
	count := func() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.asked) }
	before := count()
	time.Sleep(10 * leastInterval)
	if n := count() - before; n > 0 {
		t.Errorf("asked %d times about a world that stands still", n)
	}
}

func TestMouseSelectsSortsOpensAndScrolls(t *testing.T) {
	s := start(t, Config{World: steady(100)}, 80, 24)
	s.see("service-17")
	click := func(x, y int) {
		s.screen.InjectMouse(x, y, tcell.ButtonPrimary, tcell.ModNone)
		s.screen.InjectMouse(x, y, tcell.ButtonNone, tcell.ModNone)
		time.Sleep(600 * time.Millisecond) // longer than between the clicks of a double one
	}
	click(10, 7)
	s.see("rows 3/100")
	click(3, 4)
	s.see("SERVICE↑")
	click(3, 4)
	s.see("SERVICE↓")
	s.screen.InjectMouse(10, 10, tcell.WheelDown, tcell.ModNone)
	s.see("rows 6/100")
	for range 2 {
		s.screen.InjectMouse(10, 7, tcell.ButtonPrimary, tcell.ModNone)
		s.screen.InjectMouse(10, 7, tcell.ButtonNone, tcell.ModNone)
	}
	s.see("Services > Requests of service-3")
	click(27, 2)
	s.see("[7 Agent]")
}

func TestResizeStormNeverBreaksTheScreen(t *testing.T) {
	w := newStream(1000, 50_000)
	s := start(t, Config{World: w, Page: view.PageRequests}, 80, 24)
	s.see("GET /orders/1000")
	random := rand.New(rand.NewPCG(1, 2))
	keys := []string{"j", "k", "G", "g", "1", "2", "7", "Tab", "PgDn", "Enter", "Esc", "?", "x", "i", "s", "t", "/", "Esc"}
	for range 1000 {
		s.screen.SetSize(1+random.IntN(200), 1+random.IntN(70))
		s.press(keys[random.IntN(len(keys))])
		if random.IntN(10) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.screen.SetSize(80, 24)
	s.press("Esc", "Esc", "1")
	s.see("[1 Services]")
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		s := start(t, Config{World: steady(3)}, 80, 24)
		s.see("service-3")
		s.press("q")
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines more than before:\n%s", n-before, buf[:runtime.Stack(buf, true)])
	}
}

func TestConfigThatCannotBeIsRefusedBeforeTheTerminalIsTaken(t *testing.T) {
	w := steady(1)
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "no world"},
		{Config{World: w, Page: "nowhere"}, `no page "nowhere"`},
		{Config{World: w, Window: time.Hour}, "window 1h0m0s: want one of"},
		{Config{World: w, Interval: time.Millisecond}, "interval 1ms: want 50ms"},
		{Config{World: w, Theme: "pink"}, `theme "pink": want auto, dark, light or the path`},
	} {
		c.config.Screen = refusing{t: t}
		if err := Run(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}

type refusing struct {
	tcell.Screen
	t *testing.T
}

func (r refusing) Init() error { r.t.Error("the terminal was taken"); return nil }

// TestDrawingMayWaitForTheWorld: a page that needs a lock of the world while it is drawn gets it, as nothing that draws or asks
// holds another one meanwhile.
func TestDrawingMayWaitForTheWorld(t *testing.T) {
	var lock sync.Mutex
	w := steady(30)
	answer := w.answer
	w.answer = func(q view.Query) (*view.Snapshot, error) {
		lock.Lock()
		defer lock.Unlock()
		time.Sleep(time.Millisecond)
		return answer(q)
	}
	pages := testPages()
	cell := pages[0].Columns[0].Cell
	pages[0].Columns[0].Cell = func(c *render.Canvas, s *view.Snapshot, row int) {
		lock.Lock()
		defer lock.Unlock()
		cell(c, s, row)
	}
	s := startPages(t, Config{World: w}, pages, 80, 24)
	s.see("service-17")
	for _, key := range []string{"j", "j", "t", "2", "1", "p", "p"} {
		s.press(key)
		time.Sleep(10 * time.Millisecond)
	}
	s.see("rows 3/30")
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}
