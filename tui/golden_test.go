// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
	"sonde/testbed/reviewed"
	"sonde/tui/theme"
)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	reviewed.Compare(t, path, got)
}

// troubled is a world in which something of everything goes wrong.
func troubled() *script {
	return &script{answer: func(q view.Query) (*view.Snapshot, error) {
		s := world(q, 40)
		s.Covered = 20 * time.Second
		s.Overview.Lost, s.Overview.LostRecent = 12, 3
		s.Notes = []string{"12 records were lost: the ring buffer was full", "3 processes are not observed"}
		return s, nil
	}}
}

func TestScreensAreAsTheyWere(t *testing.T) {
	sizes := [][2]int{{80, 24}, {120, 40}, {40, 10}, {40, 8}, {60, 12}, {39, 8}, {10, 2}, {1, 1}}
	for _, size := range sizes {
		name := fmt.Sprintf("%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, troubled(), size[0], size[1])
			d.press("j", "j")
			golden(t, name, d.draw())
		})
	}
}

func TestStatesAreAsTheyWere(t *testing.T) {
	states := []struct {
		name string
		keys string
		prep func(d *desk)
	}{
		{name: "help", keys: "?"},
		{name: "export", keys: "e"},
		{name: "prompt", keys: "/ - - p"},
		{name: "paused", keys: "p"},
		{name: "entered", keys: "j Enter j"},
		{name: "panel", keys: "j i"},
		{name: "body", keys: "7 PgDn"},
		{name: "filtered", keys: "/ n g i n x Enter s s S"},
	}
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			d := newDesk(t, troubled(), 80, 24)
			d.m.exportTo = "somewhere"
			d.press(strings.Fields(s.keys)...)
			golden(t, s.name, d.draw())
		})
	}
	t.Run("playing", func(t *testing.T) {
		golden(t, "playing", newDesk(t, (&film{}).at(noon.Add(150*time.Second)), 80, 24).draw())
	})
	t.Run("empty", func(t *testing.T) { golden(t, "empty", newDesk(t, steady(0), 80, 24).draw()) })
}

// TestThemesAreAsTheyWere shows the looks of a screen as tcell has them: a letter for each look, and what the letters stand for.
func TestThemesAreAsTheyWere(t *testing.T) {
	for _, c := range []struct {
		name, theme string
		terminal    theme.Terminal
	}{
		{"theme-dark", "dark", theme.Terminal{Colors: 1 << 24}},
		{"theme-dark-16", "dark", theme.Terminal{Colors: 16}},
		{"theme-light", "light", theme.Terminal{Colors: 256}},
		{"theme-light-16", "auto", theme.Terminal{Colors: 16, ColorFGBG: "0;15"}},
		{"theme-none", "dark", theme.Terminal{Colors: 256, NoColor: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			looks, err := theme.For(c.theme, c.terminal)
			if err != nil {
				t.Fatal(err)
			}
			d := newDesk(t, troubled(), 60, 12)
			d.press("j", "j", "j")
			d.m.say(4, "twelve records were lost")
			d.draw()
			screen := tcell.NewSimulationScreen("UTF-8")
			if err := screen.Init(); err != nil {
				t.Fatal(err)
			}
			defer screen.Fini()
			screen.SetSize(60, 12)
			blit(screen, d.c, stylesOf(looks))
			screen.Show()
			golden(t, c.name, looksOf(screen))
		})
	}
}

func looksOf(screen tcell.SimulationScreen) string {
	cells, w, h := screen.GetContents()
	letters := map[string]byte{}
	var legend []string
	var b bytes.Buffer
	for y := range h {
		var text, looks strings.Builder
		for x := range w {
			cell := cells[y*w+x]
			fg, bg, attributes := cell.Style.Decompose()
			look := fmt.Sprintf("%s on %s%s", colorOf(fg), colorOf(bg), attributesOf(attributes))
			if letters[look] == 0 {
				letters[look] = byte('a' + len(letters))
				legend = append(legend, fmt.Sprintf("%c: %s", letters[look], look))
			}
			text.WriteString(string(cell.Runes))
			looks.WriteByte(letters[look])
		}
		fmt.Fprintf(&b, "%s|\n%s\n", text.String(), looks.String())
	}
	return b.String() + strings.Join(legend, "\n") + "\n"
}

// colorOf is the number of a colour: tcell has two names for some.
func colorOf(c tcell.Color) string {
	switch {
	case c == tcell.ColorDefault:
		return "default"
	case c.IsRGB():
		return fmt.Sprintf("#%06x", c.Hex())
	default:
		return fmt.Sprint("palette ", int(c&^tcell.ColorValid))
	}
}

func attributesOf(mask tcell.AttrMask) string {
	s := ""
	for _, a := range []struct {
		bit  tcell.AttrMask
		name string
	}{{tcell.AttrBold, "bold"}, {tcell.AttrDim, "dim"}, {tcell.AttrUnderline, "underline"}, {tcell.AttrReverse, "reverse"}} {
		if mask&a.bit != 0 {
			s += " " + a.name
		}
	}
	return s
}

func TestWithoutColourNothingIsToldByStyleAlone(t *testing.T) {
	d := newDesk(t, troubled(), 80, 24)
	d.press("j")
	for _, want := range []string{"[1 Services]", "~service-2", "!service-3", "REQ/S↓", "lost 12 (now!)"} {
		d.see(want)
	}
}

func TestOncePrintsOnePage(t *testing.T) {
	for _, c := range []struct {
		name          string
		config        Config
		width, height int
	}{
		{"once", Config{NoColor: true}, 80, 0},
		{"once-colour", Config{Theme: "dark"}, 60, 12},
		{"once-body", Config{NoColor: true, Page: view.PageAgent}, 80, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			c.config.World = troubled()
			if err := once(t.Context(), c.config, testPages(), &b, c.width, c.height); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, strings.ReplaceAll(b.String(), "\x1b", "^"))
		})
	}
}

func TestOnceFailsWhereTheWorldDoes(t *testing.T) {
	w := steady(1)
	w.failing = view.ErrBadQuery
	var b bytes.Buffer
	if err := once(t.Context(), Config{World: w}, testPages(), &b, 80, 24); err == nil || b.Len() > 0 {
		t.Errorf("error %v, printed %q", err, b.String())
	}
}
