// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

func open(t *testing.T, o Options, argv ...string) *Terminal {
	t.Helper()
	for _, program := range []string{"tmux", argv[0]} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	term, err := Start(o, argv...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	return term
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestProgramSeesTheTerminalThatWasAskedFor(t *testing.T) {
	term := open(t, Options{Width: 100, Height: 30, Term: "xterm-256color", Env: []string{"COLOUR=blue"}},
		"sh", "-c", `stty size; echo "$TERM,$COLOUR,$TMUX"; exit 3`)
	exit, err := term.Wait(patience)
	must(t, err)
	if exit != (Exit{Code: 3}) {
		t.Errorf("ended with %+v", exit)
	}
	s, err := term.Screen()
	must(t, err)
	if got := strings.Join(s.Lines[:2], "|"); got != "30 100|xterm-256color,blue," || len(s.Lines) != 30 {
		t.Errorf("%q in %d lines", got, len(s.Lines))
	}
}

func TestKeysReachTheProgramAndTheScreenShowsWhatItMakesOfThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	must(t, os.WriteFile(file, []byte(b.String()), 0o600))
	term := open(t, Options{Width: 40, Height: 10}, "less", file)
	_, err := term.AwaitText(patience, "line 8")
	must(t, err)
	must(t, term.Press("G"))
	_, err = term.AwaitText(patience, "line 99")
	must(t, err)
	must(t, term.Press("g"))
	must(t, term.Type("/line 42\n"))
	s, err := term.Await(patience, "line 42 at the top", func(s Screen) bool { return s.Lines[0] == "line 42" })
	must(t, err)
	if x, y, found := s.Find("43"); !found || x != 5 || y != 1 {
		t.Errorf("43 is found at %d, %d: %v", x, y, found)
	}
	must(t, term.Resize(40, 5))
	_, err = term.Await(patience, "four lines", func(s Screen) bool { return len(s.Lines) == 5 && s.Lines[3] == "line 45" })
	must(t, err)
	must(t, term.Press("q"))
	exit, err := term.Wait(patience)
	if must(t, err); exit.Code != 0 {
		t.Errorf("less ended with %+v", exit)
	}
}

func TestAwaitShowsTheScreenWhenItGivesUp(t *testing.T) {
	term := open(t, Options{}, "sh", "-c", "echo here I am; sleep 60")
	_, err := term.AwaitText(300*time.Millisecond, "somebody else")
	if err == nil || !strings.Contains(err.Error(), "here I am") || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("says %v", err)
	}
}

func TestMouseArrivesAsTheSequencesThatTerminalsSend(t *testing.T) {
	term := open(t, Options{}, "sh", "-c", "stty raw -echo; dd bs=1 count=18 2>/dev/null | od -An -c -w32")
	time.Sleep(300 * time.Millisecond) // until the line discipline is raw
	must(t, term.Click(LeftButton, 4, 2))
	_, err := term.AwaitText(patience, `033   [   <   0   ;   5   ;   3   M 033   [   <   0   ;   5   ;   3   m`)
	must(t, err)
}

func TestProgramEndsWithItsTerminal(t *testing.T) {
	term := open(t, Options{}, "sleep", "60")
	pid, err := term.PID()
	must(t, err)
	must(t, term.Hangup())
	for end := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the program lives on")
		}
	}
}

func TestSignalThatEndedTheProgramIsTold(t *testing.T) {
	term := open(t, Options{}, "sh", "-c", "kill -9 $$")
	exit, err := term.Wait(patience)
	if must(t, err); exit != (Exit{Code: 137, Signal: syscall.SIGKILL}) {
		t.Errorf("ended with %+v", exit)
	}
}

// TestModesTellWhatAProgramLeavesBehind has a shell whose line discipline nobody else touches, unlike that of bash.
func TestModesTellWhatAProgramLeavesBehind(t *testing.T) {
	term := open(t, Options{Env: []string{"PS1=ready> "}}, "sh", "-i")
	_, err := term.AwaitText(patience, "ready>")
	must(t, err)
	before, err := term.Modes()
	must(t, err)
	if !before.Cursor || before.Alternate || before.Mouse {
		t.Errorf("a new terminal has %+v", before)
	}
	for _, c := range []struct {
		name, command string
		changed       func(*Modes)
	}{
		{"the alternate screen", `printf '\033[?1049h'`, func(m *Modes) { m.Alternate = true }},
		{"and a hidden cursor", `printf '\033[?25l'`, func(m *Modes) { m.Cursor = false }},
		{"and the mouse", `printf '\033[?1002h\033[?1006h'`, func(m *Modes) { m.Mouse = true }},
		{"and the keypad", `printf '\033[?1h'`, func(m *Modes) { m.Keypad = true }},
	} {
		want, err := term.Modes()
		must(t, err)
		c.changed(&want)
		must(t, term.Type(c.command+"\n"))
		if err := awaitModes(term, want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	must(t, term.Type(`printf '\033[?1049l\033[?25h\033[?1006l\033[?1002l\033[?1l'; stty -echo; echo done`+"\n"))
	_, err = term.AwaitText(patience, "done")
	must(t, err)
	after, err := term.Modes()
	if must(t, err); after == before {
		t.Error("a terminal without echo is said to be as it was")
	}
	after.Settings = before.Settings
	if after != before {
		t.Errorf("all is put back but echo: %+v, was %+v", after, before)
	}
}

func awaitModes(term *Terminal, want Modes) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got, err := term.Modes()
		if err != nil || got == want {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%+v, want %+v", got, want)
		}
	}
}
