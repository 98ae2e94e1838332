// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/gdamore/tcell/v2"

	"sonde/tui/render"
	"sonde/tui/theme"
)

// errTerminalGone is why Run returns when nobody can see it any more.
var errTerminalGone = errors.New("the terminal is gone")

// tty is a tcell screen with the manners that tview expects of it.
type tty struct {
	tcell.Screen
	once   sync.Once
	failed error
	lost   func(error) // called when the terminal cannot be read any more
}

// openTerminal takes the terminal over, or screen where that is given. The caller must call Fini.
func openTerminal(screen tcell.Screen, lost func(error)) (*tty, error) {
	if screen == nil {
		assumeUTF8()
		var err error
		if screen, err = tcell.NewScreen(); err != nil {
			screen, err = likeXterm(err)
		}
		if err != nil {
			return nil, fmt.Errorf("viewer: no terminal: %w (sonde top needs one; sonde observe does not)", err)
		}
	}
	t := &tty{Screen: screen, lost: lost}
	if err := t.Init(); err != nil {
		return nil, fmt.Errorf("viewer: terminal: %w", err)
	}
	for r, instead := range fallbacks {
		t.RegisterRuneFallback(r, instead)
	}
	return t, nil
}

// likeXterm is for a terminal that this machine has no description of, as a server that one comes to from a newer terminal: nearly
// all do what xterm does. Where $TERM is not set, there is none, and cause says so.
func likeXterm(cause error) (tcell.Screen, error) {
	name := "xterm-256color"
	switch term := os.Getenv("TERM"); {
	case term == "":
		return nil, cause
	case strings.Contains(term, "16color"):
		name = "xterm"
	}
	description, err := tcell.LookupTerminfo(name)
	if err != nil {
		return nil, cause
	}
	return tcell.NewTerminfoScreenFromTtyTerminfo(nil, description)
}

// fallbacks are for terminals that are set to show ASCII alone. tcell has those of lines itself.
var fallbacks = map[rune]string{
	'▁': "_", '▂': "_", '▃': "-", '▄': "-", '▅': "=", '▆': "=", '▇': "#", '█': "#", '▏': "|", '▎': "|", '▍': "|", '▌': "|", '▋': "#",
	'▊': "#", '▉': "#", '↑': "^", '↓': "v", '→': ">", '←': "<", '…': "~", '━': "=", '·': ".", '▐': "|", '░': ".", '▒': ":", '▓': "#",
	'╴': "-", '╶': "-", '╸': "=", '╺': "=",
}

// assumeUTF8 is for shells without any locale, as sudo and containers make them: their terminals are no older than others.
// A locale that says C or anything else is believed.
func assumeUTF8() {
	if os.Getenv("LC_ALL") == "" && os.Getenv("LC_CTYPE") == "" && os.Getenv("LANG") == "" {
		_ = os.Setenv("LC_CTYPE", "C.UTF-8")
	}
}

// Init is called by us and by tview.
func (t *tty) Init() error {
	t.once.Do(func() { t.failed = t.Screen.Init() })
	return t.failed
}

// Clear does nothing: every cell is drawn each time, and one that was blank in between counts as changed and is sent again.
func (t *tty) Clear() {}

// PollEvent keeps from tview that the terminal is gone, for which it would leave everything as it is at once.
func (t *tty) PollEvent() tcell.Event {
	for {
		event := t.Screen.PollEvent()
		gone, ok := event.(*tcell.EventError)
		if !ok {
			return event
		}
		t.lost(fmt.Errorf("%w: %w", errTerminalGone, gone))
	}
}

// blit draws c with the looks of a theme.
func blit(screen tcell.Screen, c *render.Canvas, styles *[render.StyleCount]tcell.Style) {
	for y := range c.H {
		for x := range c.W {
			cell := c.At(x, y)
			main, rest := ' ', []rune(nil)
			if cell.Text != "" {
				main, rest = runesOf(cell.Text)
			}
			screen.SetContent(x, y, main, rest, styles[min(cell.Style, render.StyleCount-1)])
		}
	}
}

func runesOf(cluster string) (rune, []rune) {
	if len(cluster) == 1 {
		return rune(cluster[0]), nil
	}
	runes := []rune(cluster)
	return runes[0], runes[1:]
}

func stylesOf(t *theme.Theme) *[render.StyleCount]tcell.Style {
	var styles [render.StyleCount]tcell.Style
	for role := range render.StyleCount {
		styles[role] = t.Style(role)
	}
	return &styles
}
