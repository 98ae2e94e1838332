// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"errors"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// fuzzKeys are what a byte of a fuzzed sequence means; the rest are sizes and events of the world.
var fuzzKeys = []string{
	"1", "2", "7", "Tab", "Shift-Tab", "Enter", "Esc", "Backspace", "j", "k", "Down", "Up", "g", "G", "Home", "End", "Ctrl-D", "Ctrl-U",
	"PgDn", "PgUp", "/", "s", "S", "p", "Space", "t", "e", "c", "i", "?", "r", "[", "]", "{", "}", "<", ">", "0", "-", "x", "'", "Left",
	"Right", "Ctrl-W", "Ctrl-K", "Ctrl-P", "Ctrl-N", "Ctrl-L", "Ctrl-Z", "Delete", "日",
}

// FuzzKeys holds that no sequence of keys, sizes and answers makes the viewer panic, and that q or Ctrl-C always ends it.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x08\x05\x06\x14\x03\x02\xc8\xd0\xff"))
	f.Add([]byte{20, 38, 38, 5, 180, 181, 13, 190, 200, 210, 220, 230, 240, 250})
	f.Fuzz(func(t *testing.T, events []byte) {
		if len(events) > 300 {
			return
		}
		w := newStream(30, 500)
		d := newDesk(t, w, 80, 24)
		if len(events) > 0 && events[0]%2 == 1 {
			d.m.player = (&film{}).at(noon)
		}
		d.m.exportTo = t.TempDir()
		answer := w.answer
		rows := 30
		w.answer = func(q view.Query) (*view.Snapshot, error) {
			if q.Page == view.PageServices {
				return world(q, rows), nil
			}
			return answer(q)
		}
		for _, e := range events {
			switch key := int(e); {
			case key < len(fuzzKeys):
				d.m.key(event(fuzzKeys[key]))
			case key < 150:
				d.c = render.NewCanvas((key*7)%130, (key*3)%50)
			case key < 160:
				w.failing = []error{nil, errors.New("gone"), view.ErrGone, view.ErrBadQuery}[key%4]
			case key < 200:
				rows, w.total = (key*11)%300, w.total+key*3
			case key < 210:
				d.clock = d.clock.Add(time.Duration(key) * time.Second)
				d.m.tick()
			default:
				d.m.click(key%80, key%24, key%2 == 0)
			}
			d.refresh()
		}
		if d.m.key(event("Ctrl-C")); !d.m.quit {
			t.Error("Ctrl-C does not end it")
		}
		d.m.quit = false
		for range 3 { // out of whatever is open
			d.m.key(event("Esc"))
		}
		if d.m.key(event("q")); !d.m.quit {
			t.Error("q does not end it")
		}
	})
}
