// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"time"
)

// Format is the shape of the output.
type Format uint8

// Compact is one line of words for each event, Table is columns under a header.
const (
	Compact Format = iota
	Table
)

// Config says how lines look. The zero value is compact, without colour, of any width, in local time.
type Config struct {
	Format Format
	Colour bool // ANSI colours; set it for terminals only
	// Width is the terminal's width in columns, to which table lines are cut; 0 cuts nothing. Compact lines are never
	// cut.
	Width int
	// Align pads the fields of compact lines to the widest so far, within limits: for people, not for programs.
	Align    bool
	Location *time.Location // nil is local time
}

// Validate tells what is wrong with c in words for the user.
func (c Config) Validate() error {
	if c.Format > Table {
		return fmt.Errorf("unknown text format %d", c.Format)
	}
	if c.Width < 0 {
		return fmt.Errorf("width of the terminal is %d columns, want 0 (no limit) or more", c.Width)
	}
	return nil
}

func (c Config) location() *time.Location {
	if c.Location == nil {
		return time.Local
	}
	return c.Location
}
