// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/testbed/terminal"
)

// childVariable makes this test binary a viewer, which says at its end how it ended.
const childVariable = "SONDE_TUI_TEST_CHILD"

func child(kind string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pages := testPages()
	if kind == "panic" {
		pages[1].Crumb = func(view.Scope) string { panic("a crumb too much") }
	}
	err := run(ctx, Config{World: steady(100), Theme: "dark"}, pages)
	fmt.Printf("ended with: %v\n", err)
	if err != nil {
		return 1
	}
	return 0
}

type stage struct {
	*terminal.Terminal
	t *testing.T
}

// openStage starts a viewer in a real terminal, behind a shell command that is given with %s for the program.
func openStage(t *testing.T, kind, command string, env ...string) *stage {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("needs tmux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("env %s=%s %s", childVariable, kind, self)
	term, err := terminal.Start(terminal.Options{Env: env}, "sh", "-c", fmt.Sprintf(command, program))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	return &stage{term, t}
}

func (s *stage) see(text string) {
	s.t.Helper()
	if _, err := s.AwaitText(5*time.Second, text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) press(keys ...string) {
	s.t.Helper()
	if err := s.Press(keys...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) modes() terminal.Modes {
	s.t.Helper()
	modes, err := s.Modes()
	if err != nil {
		s.t.Fatal(err)
	}
	return modes
}

func TestTerminalIsRestored(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		end        func(s *stage)
		want       string
	}{
		{"q", "steady", func(s *stage) { s.press("q") }, "ended with: <nil>"},
		{"Ctrl-C", "steady", func(s *stage) { s.press("C-c") }, "ended with: <nil>"},
		{"SIGTERM", "steady", func(s *stage) { s.signal(syscall.SIGTERM) }, "ended with: <nil>"},
		{"SIGHUP", "steady", func(s *stage) { s.signal(syscall.SIGHUP) }, "ended with: viewer: the terminal is gone: hangup"},
		{"panic", "panic", func(s *stage) { s.press("2") }, "ended with: viewer: mistake in sonde: a crumb too much at tui/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openStage(t, c.kind, "echo waiting; read go; %s; sleep 5")
			s.see("waiting")
			time.Sleep(300 * time.Millisecond) // tmux sets up the terminal beside the program
			before := s.modes()
			s.press("Enter")
			s.see("service-17")
			if within := s.modes(); !within.Alternate || within.Cursor || !within.Mouse {
				t.Errorf("modes within: %+v", within)
			}
			c.end(s)
			s.see(c.want)
			if after := s.modes(); after != before {
				t.Errorf("modes after: %+v\nbefore: %+v", after, before)
			}
		})
	}
}

// signal sends to the viewer, which is a child of the shell that the terminal started.
func (s *stage) signal(sig syscall.Signal) {
	s.t.Helper()
	shell, err := s.PID()
	if err != nil {
		s.t.Fatal(err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
	if err != nil {
		s.t.Skip(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(children), &pid); err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

func TestViewerEndsWithItsTerminal(t *testing.T) {
	s := openStage(t, "steady", "exec %s")
	s.see("service-17")
	pid, err := s.PID()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := s.Hangup(); err != nil {
		t.Fatal(err)
	}
	for runs(pid) {
		if time.Since(begin) > 5*time.Second {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("it lives on without a terminal")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("ended %s after its terminal", time.Since(begin).Round(time.Millisecond))
}

// runs says whether a process does, which one that nobody has waited for does not.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestViewerCanBeSuspended(t *testing.T) {
	s := openStage(t, "steady", "PS1='shell: ' VIEWER='%s' exec bash --norc --noprofile -i")
	s.see("shell:")
	before := s.modes()
	if err := s.Type("$VIEWER\n"); err != nil {
		t.Fatal(err)
	}
	s.see("service-17")
	s.press("j", "C-z")
	s.see("Stopped")
	if modes := s.modes(); modes.Alternate || modes.Mouse || !modes.Cursor {
		t.Errorf("modes while it is stopped: %+v", modes)
	}
	if err := s.Type("echo $((40+2)) in the shell\n"); err != nil {
		t.Fatal(err)
	}
	s.see("42 in the shell")
	if err := s.Type("fg\n"); err != nil {
		t.Fatal(err)
	}
	s.see("rows 2/100")
	s.press("k")
	s.see("rows 1/100")
	s.press("q")
	s.see("ended with: <nil>")
	if after := s.modes(); after.Settings != before.Settings || after.Alternate {
		t.Errorf("modes after: %+v\nbefore: %+v", after, before)
	}
}

func TestSuspendWithoutAShellGoesOn(t *testing.T) {
	s := openStage(t, "steady", "exec setsid -c -w %s")
	s.see("service-17")
	s.press("C-z")
	time.Sleep(2 * notStopped)
	s.press("j")
	s.see("rows 2/100")
}

func TestRedrawRepairsTheScreen(t *testing.T) {
	s := openStage(t, "steady", "exec %s")
	s.see("service-17")
	good, err := s.AwaitStill(5*time.Second, 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := s.PID()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	_, _ = out.WriteString("\x1b[10;1Hgarbage of another program\x1b[K")
	_ = out.Close()
	s.see("garbage")
	s.press("C-l")
	if _, err := s.Await(5*time.Second, "repaired screen", func(now terminal.Screen) bool { return now.String() == good.String() }); err != nil {
		t.Error(err)
	}
}

func TestScreenFollowsItsTerminal(t *testing.T) {
	s := openStage(t, "steady", "exec %s")
	for _, size := range [][2]int{{120, 40}, {40, 10}, {20, 5}, {80, 24}} {
		if err := s.Resize(size[0], size[1]); err != nil {
			t.Fatal(err)
		}
		want := "q quit"
		if size[0] < 40 {
			want = "too small"
		}
		s.see(want)
	}
	s.see("service-17")
}

func TestLocaleOfTheShellIsHeeded(t *testing.T) {
	for _, c := range []struct {
		env  string
		want string
	}{{"LC_ALL=C", "REQ/S."}, // the arrow of the line drawing characters, as tmux writes it
		{"LC_ALL=C.UTF-8", "REQ/S↓"},
	} {
		s := openStage(t, "steady", "exec env "+c.env+" %s")
		s.see(c.want)
	}
	s := openStage(t, "steady", "exec env -u LC_ALL -u LC_CTYPE -u LANG %s")
	s.see("REQ/S↓")
}

func TestLinesAreNarrowInEastAsianLocales(t *testing.T) {
	s := openStage(t, "steady", "exec env LC_ALL=ja_JP.UTF-8 %s")
	s.see("REQ/S↓  ERRORS")
	s.press("i")
	s.see(strings.Repeat("─", 80))
	s.see(" about service-1")
}

// TestOnlyWhatChangesIsSent: over a slow line, a screen that stands still must be silent.
func TestOnlyWhatChangesIsSent(t *testing.T) {
	s := openStage(t, "steady", "exec %s")
	s.see("service-17")
	if _, err := s.AwaitStill(5*time.Second, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	pid, err := s.PID()
	if err != nil {
		t.Fatal(err)
	}
	before := written(t, pid)
	time.Sleep(2500 * time.Millisecond) // two or three refreshes
	if n := written(t, pid) - before; n > 100 {
		t.Errorf("%d bytes were sent while nothing changed", n)
	}
	before = written(t, pid)
	s.press("j")
	s.see("rows 2/100")
	if n := written(t, pid) - before; n > 2000 { // two rows in other colours, one number
		t.Errorf("%d bytes were sent for a step down", n)
	}
}

// written is what a process has written so far, in bytes.
func written(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n
		}
	}
	t.Skip("the kernel does not count what is written")
	return 0
}
