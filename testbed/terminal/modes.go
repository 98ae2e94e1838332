// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"os/exec"
	"strings"
)

// Modes are what a program can change about a terminal and must put back before it ends. They can be compared.
type Modes struct {
	Alternate bool // the alternate screen is shown
	Cursor    bool // the cursor is visible
	Mouse     bool // clicks are told to the program
	Keypad    bool // cursor keys or keypad send the sequences for applications
	Insert    bool
	Wrap      bool
	Settings  string // of the line discipline: echo, line editing, signals; as stty -g prints them
}

// Modes asks the terminal and the kernel.
func (t *Terminal) Modes() (Modes, error) {
	out, err := t.tmux("display-message", "-p",
		"#{alternate_on}#{cursor_flag}#{mouse_any_flag}#{keypad_flag}#{keypad_cursor_flag}#{insert_flag}#{wrap_flag} #{pane_tty}")
	if err != nil {
		return Modes{}, err
	}
	flags, tty, _ := strings.Cut(strings.TrimSpace(out), " ")
	if len(flags) != 7 {
		return Modes{}, fmt.Errorf("tmux says %q of the modes", out)
	}
	settings, err := exec.Command("stty", "-g", "-F", tty).CombinedOutput()
	if err != nil {
		return Modes{}, fmt.Errorf("stty: %w: %s", err, settings)
	}
	on := func(i int) bool { return flags[i] == '1' }
	return Modes{
		Alternate: on(0), Cursor: on(1), Mouse: on(2), Keypad: on(3) || on(4), Insert: on(5), Wrap: on(6),
		Settings: strings.TrimSpace(string(settings)),
	}, nil
}
