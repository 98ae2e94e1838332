// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
)

func (d *desk) title() string { return d.m.place().page.Title }

// keyTests have for each key of the table what it does.
var keyTests = map[string]func(t *testing.T, d *desk){
	"1": func(t *testing.T, d *desk) { d.press("2", "1"); d.wantTitle("Services") },
	"2": func(t *testing.T, d *desk) { d.press("2"); d.wantTitle("Requests"); d.see("[2 Requests]") },
	"7": func(t *testing.T, d *desk) { d.press("7"); d.wantTitle("Agent"); d.see("line 1") },
	"Tab": func(t *testing.T, d *desk) {
		for _, want := range []string{"Requests", "Agent", "Services"} {
			d.press("Tab")
			d.wantTitle(want)
		}
	},
	"l":         func(t *testing.T, d *desk) { d.press("l"); d.wantTitle("Requests") },
	"Right":     func(t *testing.T, d *desk) { d.press("Right"); d.wantTitle("Requests") },
	"Shift-Tab": func(t *testing.T, d *desk) { d.press("Shift-Tab"); d.wantTitle("Agent") },
	"h":         func(t *testing.T, d *desk) { d.press("h"); d.wantTitle("Agent") },
	"Left":      func(t *testing.T, d *desk) { d.press("Left"); d.wantTitle("Agent") },
	"Enter": func(t *testing.T, d *desk) {
		d.press("j", "Enter")
		d.see("Services > Requests of service-2")
		if d.m.query().Within.Service != "service-2" {
			t.Errorf("asks for %+v", d.m.query())
		}
	},
	"Esc":       func(t *testing.T, d *desk) { d.press("j", "Enter", "Esc"); d.wantTitle("Services"); d.wantRow(1) },
	"Backspace": func(t *testing.T, d *desk) { d.press("j", "Enter", "Backspace"); d.wantTitle("Services"); d.wantRow(1) },
	"j":         func(t *testing.T, d *desk) { d.press("j", "j"); d.wantRow(2) },
	"Down":      func(t *testing.T, d *desk) { d.press("Down"); d.wantRow(1) },
	"k":         func(t *testing.T, d *desk) { d.press("j", "j", "k"); d.wantRow(1); d.press("k", "k"); d.wantRow(0) },
	"Up":        func(t *testing.T, d *desk) { d.press("Down", "Up"); d.wantRow(0) },
	"Ctrl-D":    func(t *testing.T, d *desk) { d.press("Ctrl-D"); d.wantRow(8) },
	"Ctrl-U":    func(t *testing.T, d *desk) { d.press("Ctrl-D", "Ctrl-D", "Ctrl-U"); d.wantRow(8) },
	"PgDn":      func(t *testing.T, d *desk) { d.press("PgDn"); d.wantRow(16) },
	"PgUp":      func(t *testing.T, d *desk) { d.press("PgDn", "PgDn", "PgUp"); d.wantRow(16) },
	"Ctrl-F":    func(t *testing.T, d *desk) { d.press("Ctrl-F"); d.wantRow(16) },
	"Ctrl-B":    func(t *testing.T, d *desk) { d.press("Ctrl-F", "Ctrl-B"); d.wantRow(0) },
	"g":         func(t *testing.T, d *desk) { d.press("PgDn", "g"); d.wantRow(0) },
	"Home":      func(t *testing.T, d *desk) { d.press("PgDn", "Home"); d.wantRow(0) },
	"G":         func(t *testing.T, d *desk) { d.press("G"); d.wantRow(99); d.see("service-100 ") },
	"End":       func(t *testing.T, d *desk) { d.press("End"); d.wantRow(99) },
	"/": func(t *testing.T, d *desk) {
		d.press("/")
		d.write("--port 80")
		d.press("Enter")
		if d.m.filter != "--port 80" || d.m.prompt != nil {
			t.Errorf("filter %q, prompt %v", d.m.filter, d.m.prompt)
		}
		d.see("filter --port 80")
	},
	"s": func(t *testing.T, d *desk) {
		d.press("s")
		d.see("by name", "SERVICE↑")
		d.press("s", "s", "s")
		d.see("by rate", "REQ/S↓")
	},
	"S": func(t *testing.T, d *desk) {
		d.press("S")
		d.see("REQ/S↑")
		if !d.m.query().Reverse {
			t.Error("does not ask for it")
		}
	},
	"t": func(t *testing.T, d *desk) {
		for _, want := range []time.Duration{5 * time.Minute, 15 * time.Minute, 10 * time.Second, time.Minute} {
			if d.press("t"); d.m.query().Window != want {
				t.Errorf("window %s, want %s", d.m.query().Window, want)
			}
		}
	},
	"i": func(t *testing.T, d *desk) {
		d.seeNot("about service-1")
		d.press("i")
		d.see("about service-1")
		d.press("i")
		d.seeNot("about service-1")
	},
	"r": func(t *testing.T, d *desk) {
		before := d.m.poke
		if d.press("r"); d.m.poke == before {
			t.Error("nothing is asked")
		}
	},
	"e": func(t *testing.T, d *desk) {
		d.press("e")
		d.see("Export", "JSON", "CSV")
		d.press("Esc")
		d.seeNot("CSV")
	},
	"p": func(t *testing.T, d *desk) {
		d.press("p")
		d.see("PAUSED since 12:03:00")
		if d.m.query().Frozen != 1 {
			t.Errorf("asks for %+v", d.m.query())
		}
		d.press("p")
		d.seeNot("PAUSED")
		if w := d.world.(*script).was(); w != "freeze 1; thaw 1" || d.m.query().Frozen != 0 {
			t.Errorf("the world was told %q", w)
		}
	},
	"Space": func(t *testing.T, d *desk) { d.press("Space"); d.see("PAUSED") },
	"?":     func(t *testing.T, d *desk) { d.press("?"); d.see("Pages", "what is behind the selected row") },
	"F1":    func(t *testing.T, d *desk) { d.press("F1"); d.see("Pages") },
	"Ctrl-L": func(t *testing.T, d *desk) {
		if d.press("Ctrl-L"); !d.m.redraw {
			t.Error("no wish to draw again")
		}
	},
	"Ctrl-Z": func(t *testing.T, d *desk) {
		if d.press("Ctrl-Z"); !d.m.suspend {
			t.Error("no wish to be suspended")
		}
	},
	"q":      func(t *testing.T, d *desk) { d.press("q"); d.wantQuit() },
	"Ctrl-C": func(t *testing.T, d *desk) { d.press("Ctrl-C"); d.wantQuit() },
}

// filmTests are the keys that are there while a file is played: the world is told what is said here.
var filmTests = map[string]string{
	"[": "seek 12:04:50", "]": "seek 12:05:10", "{": "seek 12:04:00", "}": "seek 12:06:00", "<": "speed 0.5", ">": "speed 2", "0": "seek 12:00:00",
}

func (d *desk) wantTitle(want string) {
	d.t.Helper()
	if d.title() != want {
		d.t.Errorf("on page %s, want %s", d.title(), want)
	}
}

func (d *desk) wantRow(want int) {
	d.t.Helper()
	if got := d.m.place().selected(); got != want {
		d.t.Errorf("row %d is selected, want %d", got, want)
	}
}

func (d *desk) wantQuit() {
	d.t.Helper()
	if !d.m.quit {
		d.t.Error("it goes on")
	}
}

func TestEveryKeyOfTheTableDoesWhatItSays(t *testing.T) {
	for _, b := range bindings(testPages()) {
		for _, key := range b.Keys {
			test, told := keyTests[key], filmTests[key]
			if test == nil && told == "" {
				t.Errorf("no test for %s", key)
			}
			if test != nil {
				t.Run(key, func(t *testing.T) { test(t, newDesk(t, steady(100), 80, 24)) })
			}
			if told != "" {
				t.Run(key+" of a file", func(t *testing.T) {
					f := (&film{}).at(noon.Add(5 * time.Minute))
					d := newDesk(t, f, 80, 24)
					d.press(key)
					if got := f.was(); got != told {
						t.Errorf("the player was told %q, want %q", got, told)
					}
				})
			}
		}
	}
}

func TestKeysOfAFileDoNothingLive(t *testing.T) {
	for key := range filmTests {
		d := newDesk(t, steady(3), 80, 24)
		d.press(key)
		if len(d.m.todo) > 0 || d.world.(*script).was() != "" {
			t.Errorf("%s does something", key)
		}
	}
}

func TestPauseOfAFileStopsThePlaying(t *testing.T) {
	f := (&film{}).at(noon.Add(time.Minute))
	d := newDesk(t, f, 80, 24)
	d.press("p")
	if got := f.was(); got != "pause true" {
		t.Errorf("the player was told %q", got)
	}
}

func TestSeekKeysAddUpWithinOneRefresh(t *testing.T) {
	f := (&film{}).at(noon.Add(5 * time.Minute))
	d := newDesk(t, f, 80, 24)
	d.press("]", "]", "]")
	if got := f.was(); got != "seek 12:05:10; seek 12:05:20; seek 12:05:30" {
		t.Errorf("the player was told %q", got)
	}
	d.clock = d.clock.Add(time.Minute)
	d.press("}", "}", "}", "}", "}", "}")
	if got := f.was(); !strings.HasSuffix(got, "seek 12:10:00; seek 12:10:00") {
		t.Errorf("went behind the end: %q", got)
	}
}

func TestSpeedEndsAtAsFastAsPossible(t *testing.T) {
	f := (&film{}).at(noon)
	d := newDesk(t, f, 80, 24)
	for range 12 {
		d.m.key(event(">"))
	}
	if d.m.play.Speed != 0 {
		t.Errorf("speed %g", d.m.play.Speed)
	}
	d.m.key(event("<"))
	if d.m.play.Speed != 60 {
		t.Errorf("speed %g", d.m.play.Speed)
	}
	for _, odd := range []struct {
		from float64
		key  string
		to   float64
	}{{3, ">", 5}, {3, "<", 2}, {1000, ">", 0}, {0.01, "<", 0.1}} {
		d.m.play = &view.Playback{Speed: odd.from}
		d.m.key(event(odd.key))
		if d.m.play.Speed != odd.to {
			t.Errorf("from %g %s leads to %g, want %g", odd.from, odd.key, d.m.play.Speed, odd.to)
		}
	}
}

func TestKeyNamesAreUniqueWhereTheyMeanSomething(t *testing.T) {
	for _, player := range []bool{false, true} {
		m := newDesk(t, steady(3), 80, 24).m
		if player {
			m.player = &film{}
		}
		seen := map[string]string{}
		for _, b := range m.bindings {
			if b.when != nil && !b.when(m) {
				continue
			}
			for _, k := range b.Keys {
				if seen[k] != "" {
					t.Errorf("%s is %s and %s", k, seen[k], b.Name)
				}
				seen[k] = b.Name
			}
		}
	}
}

func TestKeysAreDocumented(t *testing.T) {
	for _, k := range Keys() {
		if len(k.Keys) == 0 && len(page.All()) > 0 || k.Name == "" || k.Help == "" || k.Group == "" {
			t.Errorf("%+v", k)
		}
	}
}

func TestHelpAndFooterAreTheTable(t *testing.T) {
	d := newDesk(t, steady(3), 120, 60)
	screen := d.press("?")
	for _, b := range d.m.bindings {
		if line := render.Wrap(b.Help, 90)[0]; !strings.Contains(screen, line) {
			t.Errorf("help says nothing of %v: %q", b.Keys, line)
		}
	}
	d.press("Esc")
	for _, h := range d.m.hints() {
		if !slices.ContainsFunc(d.m.bindings, func(b binding) bool { return b.Keys[0] == h.Key && b.Name == h.Name }) {
			t.Errorf("hint %+v is not in the table", h)
		}
		d.see(h.Key + " " + h.Name)
	}
}

func TestHelpScrollsAndCloses(t *testing.T) {
	d := newDesk(t, steady(3), 80, 24)
	top := d.press("?")
	if end := d.press("G"); end == top {
		t.Fatal("it does not scroll")
	}
	d.see("wheel")
	d.press("g")
	d.see("open a page")
	d.press("x")
	d.see("service-1")
	if d.m.quit {
		t.Error("it ended")
	}
}

func TestEscAndAKeyAtOnceAreBoth(t *testing.T) {
	d := newDesk(t, steady(3), 80, 24)
	d.press("?")
	d.m.key(tcell.NewEventKey(tcell.KeyRune, '2', tcell.ModAlt))
	d.refresh()
	d.wantTitle("Requests")
	d.see("GET /orders/3")
}
