// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"strings"
	"time"

	"github.com/rivo/uniseg"
)

// Screen is what a terminal shows: its lines, without blanks at their ends.
type Screen struct {
	Width, Height int
	Lines         []string
}

// String is the screen between two rules, for messages.
func (s Screen) String() string {
	rule := strings.Repeat("~", max(s.Width, 1))
	return rule + "\n" + strings.Join(s.Lines, "\n") + "\n" + rule
}

// Contains tells whether a line of the screen holds text.
func (s Screen) Contains(text string) bool {
	_, _, found := s.Find(text)
	return found
}

// Find returns the cell where text first begins, from the top, counted from 0.
func (s Screen) Find(text string) (x, y int, found bool) {
	for y, line := range s.Lines {
		if before, _, found := strings.Cut(line, text); found {
			return uniseg.StringWidth(before), y, true
		}
	}
	return 0, 0, false
}

// Screen reads the screen.
func (t *Terminal) Screen() (Screen, error) {
	out, err := t.tmux("capture-pane", "-p")
	if err != nil {
		return Screen{}, err
	}
	s := Screen{Width: t.width, Height: t.height, Lines: strings.Split(strings.TrimSuffix(out, "\n"), "\n")}
	for i, line := range s.Lines {
		s.Lines[i] = strings.TrimRight(line, " ")
	}
	return s, nil
}

// Styled reads the screen with the escape sequences that give it its colours. Each line begins in the style that the one before
// it ended with.
func (t *Terminal) Styled() (string, error) { return t.tmux("capture-pane", "-p", "-e", "-N") }

// Await waits until the screen is as good says, and returns it. what says what is waited for, for the error, which shows the
// screen as it was at last.
func (t *Terminal) Await(limit time.Duration, what string, good func(Screen) bool) (Screen, error) {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		s, err := t.Screen()
		if err != nil {
			return s, fmt.Errorf("waiting for %s: %w", what, err)
		}
		if good(s) {
			return s, nil
		}
		if time.Now().After(end) {
			return s, fmt.Errorf("no %s within %v; the screen:\n%s", what, limit, s)
		}
	}
}

// AwaitText is Await for a text that is somewhere on the screen.
func (t *Terminal) AwaitText(limit time.Duration, text string) (Screen, error) {
	return t.Await(limit, fmt.Sprintf("%q", text), func(s Screen) bool { return s.Contains(text) })
}

// AwaitStill waits until the screen has not changed for a while.
func (t *Terminal) AwaitStill(limit, still time.Duration) (Screen, error) {
	last, since := "", time.Now()
	return t.Await(limit, "screen that stands still", func(s Screen) bool {
		if now := s.String(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= still
	})
}
