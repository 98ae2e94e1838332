// SPDX-License-Identifier: Apache-2.0

// Package tui is the viewer of `sonde top`: it asks a view.World once in an interval and shows what it says, page by page.
//
// It knows what to show from tui/page and how from tui/render; it owns the terminal, the keys and the way between pages. It
// does not know where the world is: in this process, behind a socket, or in a file. Called by cmd/sonde.
package tui

import (
	"context"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"sonde/agent/view"
)

// Config is how the viewer begins.
type Config struct {
	World    view.World // a view.Player where time can be moved
	Page     view.Page
	Filter   string
	Window   time.Duration
	Interval time.Duration // between refreshes
	Theme    string        // "auto", "dark", "light", or the path of a file
	NoColor  bool
	NoMouse  bool
	ExportTo string       // directory that exports are written to
	Screen   tcell.Screen // nil: the terminal
}

// Run shows the world until the user leaves (nil), ctx is done, or the terminal is gone. The terminal is restored in any case.
func Run(ctx context.Context, c Config) error {
	_ = tview.NewApplication()
	return nil
}
