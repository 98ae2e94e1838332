// SPDX-License-Identifier: Apache-2.0

// Package tui is the viewer of `sonde top`: it asks a view.World once in an interval and shows what it says, page by page.
//
// It knows what to show from tui/page and how from tui/render; it owns the terminal, the keys and the way between pages. It
// does not know where the world is: in this process, behind a socket, or in a file. Called by cmd/sonde.
//
// What is on the screen is a value (model), which events change one after the other: keys, answers, resizes. It is drawn after
// each change, in the same goroutine, and no lock of ours is held meanwhile. Whatever takes time (questions, exports) is done by
// other goroutines, which hand their results to the first one.
package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
)

// Config is how the viewer begins.
type Config struct {
	World    view.World // a view.Player where time can be moved
	Page     view.Page
	Sort     string // one of view.SortKeys(Page), "" for the first
	Reverse  bool
	Filter   string
	Window   time.Duration
	Interval time.Duration // between refreshes
	Theme    string        // "auto", "dark", "light", or the path of a file
	NoColor  bool
	NoMouse  bool
	ExportTo string       // directory that exports are written to
	Screen   tcell.Screen // nil: the terminal
}

// The interval between refreshes, when none is given, and the shortest.
const (
	DefaultInterval = time.Second
	leastInterval   = 50 * time.Millisecond
)

// Validate reports the first setting that cannot be. A zero Page, Window or Interval means the usual one.
func (c Config) Validate() error {
	switch {
	case c.World == nil:
		return fmt.Errorf("viewer: no world to look at")
	case c.Page != "" && view.SortKeys(c.Page) == nil:
		return fmt.Errorf("viewer: no page %q", c.Page)
	case c.Sort != "" && !slices.Contains(view.SortKeys(c.withDefaults().Page), c.Sort):
		return fmt.Errorf("viewer: %s cannot be sorted by %q: want one of %s", c.withDefaults().Page, c.Sort,
			strings.Join(view.SortKeys(c.withDefaults().Page), ", "))
	case c.Window != 0 && !slices.Contains(view.Windows, c.Window):
		return fmt.Errorf("viewer: window %s: want one of %v", c.Window, view.Windows)
	case c.Interval < 0 || c.Interval > 0 && c.Interval < leastInterval:
		return fmt.Errorf("viewer: interval %s: want %s at least", c.Interval, leastInterval)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Page == "" {
		c.Page = view.PageServices
	}
	if c.Window == 0 {
		c.Window = view.DefaultWindow
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.ExportTo == "" {
		c.ExportTo = "."
	}
	return c
}
