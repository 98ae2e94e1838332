// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options are what the terminal is like. The zero value is one of 80 by 24 that calls itself tmux-256color.
type Options struct {
	Width, Height int      // in cells
	Term          string   // $TERM that the program sees
	Env           []string // "NAME=value", added to the few that every program needs
	Dir           string   // to start in; "" is that of this process
}

// Terminal is a terminal with a program in it. The caller must Close it. Not safe for concurrent use.
type Terminal struct {
	dir    string
	socket string
	width  int
	height int
}

// base keeps what a dead program wrote, so that its last words and its exit code can be read.
const base = `set -g remain-on-exit on
set -g remain-on-exit-format ""
set -g status off
set -g history-limit 0
set -g mouse off
set -g focus-events on
set -sg escape-time 0
set -ga terminal-overrides ",*:RGB"
`

// around runs the program and keeps its process and its exit code in files: tmux loses the code of what ends early. Who asks for
// $TMUX would find out that it is not alone in the world.
const around = `unset TMUX TMUX_PANE
sh -c 'echo $$ >"$0/pid"; exec "$@"' "$0" "$@"
echo $? >"$0/exit"`

// Start opens a terminal and runs argv in it.
func Start(o Options, argv ...string) (*Terminal, error) {
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 80, 24
	}
	if o.Term == "" {
		o.Term = "tmux-256color"
	}
	dir, err := os.MkdirTemp("", "terminal-")
	if err != nil {
		return nil, err
	}
	t := &Terminal{dir: dir, socket: filepath.Join(dir, "tmux"), width: o.Width, height: o.Height}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(base+"set -g default-terminal "+o.Term+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	args := []string{"-u", "-f", conf, "new-session", "-d", "-x", strconv.Itoa(o.Width), "-y", strconv.Itoa(o.Height)}
	for _, e := range o.Env {
		args = append(args, "-e", e)
	}
	if o.Dir != "" {
		args = append(args, "-c", o.Dir)
	}
	args = append(append(args, "--", "sh", "-c", around, dir), argv...)
	if _, err := t.tmux(args...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return t, nil
}

// tmux runs one command of tmux and returns what it prints.
func (t *Terminal) tmux(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", t.socket}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.dir, "LANG=C.UTF-8", "TERM=xterm-256color", "SHELL=/bin/sh"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", strings.Join(args[:min(len(args), 2)], " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Close ends the program, as Hangup does, and removes what the terminal left.
func (t *Terminal) Close() {
	_ = t.Hangup()
	_ = os.RemoveAll(t.dir)
}

// Hangup takes the terminal away from under the program: SIGHUP, and errors from every read and write.
func (t *Terminal) Hangup() error {
	_, err := t.tmux("kill-server")
	return err
}

// Press presses keys by tmux's names, one after the other: "j", "Enter", "C-d", "BTab", "PageDown", "Escape".
func (t *Terminal) Press(keys ...string) error {
	_, err := t.tmux(append([]string{"send-keys", "--"}, keys...)...)
	return err
}

// Type types text as it is.
func (t *Terminal) Type(text string) error {
	_, err := t.tmux("send-keys", "-l", "--", text)
	return err
}

// Send sends bytes to the program as if the terminal had made them.
func (t *Terminal) Send(b string) error {
	args := []string{"send-keys", "-H"}
	for i := range len(b) {
		args = append(args, strconv.FormatUint(uint64(b[i]), 16))
	}
	_, err := t.tmux(args...)
	return err
}

// The buttons of a mouse, as terminals number them.
const (
	LeftButton = 0
	WheelUp    = 64
	WheelDown  = 65
)

// Click presses and releases a button of the mouse at a cell, counted from 0, in the SGR encoding.
func (t *Terminal) Click(button, x, y int) error {
	press := fmt.Sprintf("\x1b[<%d;%d;%dM", button, x+1, y+1)
	if button >= WheelUp { // a wheel is not released
		return t.Send(press)
	}
	return t.Send(press + fmt.Sprintf("\x1b[<%d;%d;%dm", button, x+1, y+1))
}

// Resize gives the terminal another size.
func (t *Terminal) Resize(width, height int) error {
	_, err := t.tmux("resize-window", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height))
	if err == nil {
		t.width, t.height = width, height
	}
	return err
}

// Exit is how a program ended.
type Exit struct {
	Code   int            // as a shell tells it: 128 and the signal's number where a signal ended it
	Signal syscall.Signal // 0 when none did
}

// Wait waits until the program that Start started has ended.
func (t *Terminal) Wait(limit time.Duration) (Exit, error) {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if code, err := t.number("exit"); err == nil && t.dead() {
			e := Exit{Code: code}
			if code > 128 {
				e.Signal = syscall.Signal(code - 128)
			}
			return e, nil
		}
		if time.Now().After(end) {
			s, _ := t.Screen()
			return Exit{}, fmt.Errorf("the program still runs after %v; the screen:\n%s", limit, s)
		}
	}
}

// dead tells whether all that was written is on the screen, and nobody is left to write.
func (t *Terminal) dead() bool {
	out, err := t.tmux("display-message", "-p", "#{pane_dead}")
	return err == nil && strings.TrimSpace(out) == "1"
}

// PID is the process of the program that Start started.
func (t *Terminal) PID() (int, error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if pid, err := t.number("pid"); err == nil || time.Now().After(end) {
			return pid, err
		}
	}
}

// number reads what the shell around the program wrote.
func (t *Terminal) number(file string) (int, error) {
	b, err := os.ReadFile(filepath.Join(t.dir, file))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
