// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/testbed/apps"
	"sonde/testbed/terminal"
)

// shelled is a shell in a terminal, and sonde as its child: so the terminal can be compared with what it was before.
type shelled struct {
	*viewer
	bin   string
	shell int
	line  string // that starts sonde
	modes terminal.Modes
}

// shelled opens a shell that keeps its hands off the line discipline, unlike bash.
func (l *lab) shelled(t *testing.T, args ...string) *shelled {
	t.Helper()
	dir, err := l.Dir("exports-")
	if err != nil {
		t.Fatal(err)
	}
	term, err := terminal.Start(terminal.Options{Width: 100, Height: 30, Term: "xterm-256color", Env: []string{"PS1=ready> "}}, "sh", "-i")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	s := &shelled{viewer: &viewer{term, t, dir}, bin: l.bin}
	s.line = strings.Join(slices.Concat([]string{l.bin, "top", "--local", "--interval", "300ms", "--export-dir", dir}, args), " ")
	s.shows("ready>")
	s.shell, err = term.PID()
	s.check(err)
	s.modes, err = term.Modes()
	s.check(err)
	return s
}

// begin runs sonde in the shell and returns its process.
func (s *shelled) begin(variables string) int {
	s.t.Helper()
	s.check(s.Type(variables + s.line + "; echo ended with $?\n"))
	s.shows("req/s")
	return child(s.t, s.shell, filepath.Base(s.bin))
}

// ended waits for the end of sonde and expects its exit code, and the terminal as it was.
func (s *shelled) ended(code int) {
	s.t.Helper()
	s.shows(fmt.Sprintf("ended with %d", code))
	s.restored()
	s.check(s.Type("clear\n"))
	s.await("empty screen", func(sc terminal.Screen) bool { return !sc.Contains("ended") })
}

func (s *shelled) restored() {
	s.t.Helper()
	after, err := s.Modes()
	s.check(err)
	if after != s.modes {
		s.t.Errorf("the terminal was %+v and is now %+v", s.modes, after)
	}
}

func TestTopLeavesTheTerminalAsItWas(t *testing.T) {
	s := newLab(t).shelled(t)
	for name, leave := range map[string]struct {
		do   func(pid int)
		code int
	}{
		"q":       {func(int) { s.press("q") }, 0},
		"Ctrl-C":  {func(int) { s.press("C-c") }, 0},
		"SIGTERM": {func(pid int) { signalled(t, pid, syscall.SIGTERM) }, 0},
		"typing":  {func(int) { s.press("/"); s.check(s.Type("--http")); s.shows("--http-status"); s.press("C-c") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.viewer.t = t
			leave.do(s.begin(""))
			s.ended(leave.code)
		})
	}
}

// TestTopStopsAndComesBack presses Ctrl-Z, sees the shell in a terminal as it was, and comes back with fg.
func TestTopStopsAndComesBack(t *testing.T) {
	s := newLab(t).shelled(t)
	s.check(s.Type(s.line + "\n")) // with a list of commands the shell would go on to the next one
	s.shows("req/s")
	for range 2 {
		s.press("C-z")
		s.await("shell", func(sc terminal.Screen) bool { return sc.Contains("ready>") && !sc.Contains("req/s") })
		s.restored()
		s.check(s.Type("fg\n"))
		s.shows("req/s", "? help")
		s.press("3")
		s.shows("[3 Flows]")
		s.press("1")
		s.shows("[1 Services]")
	}
	s.press("q")
	s.await("shell", func(sc terminal.Screen) bool { return sc.Contains("ready>") && !sc.Contains("req/s") })
	s.restored()
}

// TestTopEndsWithItsTerminal takes the terminal away. Nothing may stay in the kernel.
func TestTopEndsWithItsTerminal(t *testing.T) {
	l := newLab(t)
	v := l.top(t, terminal.Options{}, "--local")
	pid, err := v.PID()
	v.check(err)
	programs := programsOf(t, pid)
	if len(programs) == 0 {
		t.Fatal("the kernel knows of no programs of the viewer")
	}
	v.check(v.Hangup())
	if err := gone(pid, 2*time.Second); err != nil {
		t.Error(err)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	expectUnloaded(t, programs)
}

// TestTopEndsWithAShellThatIsHungUp has the shell between: its terminal goes, and with it all that runs there.
func TestTopEndsWithAShellThatIsHungUp(t *testing.T) {
	s := newLab(t).shelled(t)
	pid := s.begin("")
	s.check(s.Hangup())
	if err := gone(pid, 2*time.Second); err != nil {
		t.Error(err)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// quick is an agent with traffic, and the arguments of a viewer of it: such a viewer begins and ends faster than one that has to
// attach probes.
func (l *lab) quick(t *testing.T) []string {
	t.Helper()
	f := newFence(t)
	server := l.serverAs(t, f, "papaya", apps.Go)
	a := l.agent(t, f, l.socketIn(t))
	l.loadFor(t, f, "mango", server.Addr, "-rate", "100", "-mix", mixed)
	return []string{"--attach", a.socket}
}

// leaves presses q and expects that all was well.
func (v *viewer) leaves() {
	v.t.Helper()
	v.press("q")
	if exit, err := v.Wait(sight); err != nil || exit.Code != 0 {
		v.t.Errorf("ended with %+v: %v", exit, err)
	}
}

func TestTopBearsAnySize(t *testing.T) {
	l := newLab(t)
	args := l.quick(t)
	t.Run("small", func(t *testing.T) {
		v := l.topWith(t, terminal.Options{Width: 1, Height: 1, Term: "xterm-256color"}, nil, args...)
		pid, err := v.PID()
		v.check(err)
		for _, size := range [][2]int{{1, 1}, {2, 200}, {300, 2}, {39, 7}, {40, 8}} {
			v.check(v.Resize(size[0], size[1]))
			time.Sleep(700 * time.Millisecond) // a few refreshes
			if gone(pid, 0) == nil {
				t.Fatalf("it has ended at %v", size)
			}
		}
		v.check(v.Resize(100, 30))
		v.shows("req/s", "[1 Services]", "papaya")
		v.leaves()
	})
	t.Run("storm", func(t *testing.T) {
		v := l.top(t, roomy, args...)
		v.shows("papaya")
		for i := range 50 {
			v.check(v.Resize(1+rand.IntN(220), 1+rand.IntN(70)))
			if i%10 == 9 {
				v.press(strconv.Itoa(1 + i/10))
			}
		}
		v.check(v.Resize(120, 35))
		v.press("1")
		v.shows("req/s", "[1 Services]", "papaya", "q quit")
		time.Sleep(time.Second)
		s := v.shows("papaya")
		if n := strings.Count(s.String(), "[1 Services]"); n != 1 {
			t.Errorf("%d menus:\n%s", n, s)
		}
		v.leaves()
	})
}

// looks are the sequences that give cells their looks; colour is those with a colour in them.
var (
	looks  = regexp.MustCompile("\x1b\\[([0-9;:]*)m")
	colour = regexp.MustCompile(`(^|;)(3[0-8]|4[0-8]|9[0-7]|10[0-7])`)
	bright = regexp.MustCompile(`(^|;)[34]8;`) // of 256 or more
)

func TestTopKeepsToTheColoursOfTheTerminal(t *testing.T) {
	l := newLab(t)
	args := l.quick(t)
	for _, c := range []struct {
		name, term   string
		env          []string
		some, beyond bool // colours, and those beyond the sixteen
	}{
		{"256 colours", "xterm-256color", nil, true, true},
		{"tmux", "tmux-256color", nil, true, true},
		{"16 colours", "xterm-16color", nil, true, false},
		{"a terminal that nobody knows here", "xterm-of-tomorrow", nil, true, true},
		{"the console", "linux", nil, true, false},
		{"NO_COLOR", "xterm-256color", []string{"NO_COLOR=1"}, false, false},
		{"a terminal without colours", "vt100", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := l.top(t, terminal.Options{Width: 110, Height: 30, Term: c.term, Env: c.env}, args...)
			v.shows("papaya", "q quit", "%")
			text, err := v.Styled()
			v.check(err)
			some, beyond := false, false
			for _, m := range looks.FindAllStringSubmatch(text, -1) {
				some = some || colour.MatchString(m[1])
				beyond = beyond || bright.MatchString(m[1])
			}
			if some != c.some || beyond && !c.beyond {
				t.Errorf("colours: %v, beyond the sixteen: %v, want %v, %v", some, beyond, c.some, c.beyond)
			}
			if !c.some && !looks.MatchString(text) {
				t.Error("nothing is bold or reversed either: nobody sees the cursor")
			}
			v.leaves()
		})
	}
	t.Run("dumb", func(t *testing.T) {
		v := l.topWith(t, terminal.Options{Term: "dumb"}, nil, args...)
		exit, err := v.Wait(sight)
		v.check(err)
		if s := v.shows("--once"); exit.Code != 2 || strings.Contains(s.String(), "goroutine") {
			t.Errorf("ended with %+v:\n%s", exit, s)
		}
	})
}

// TestTopSaysThatTheDiskIsFull exports to a file system of 64 kB that something else fills.
func TestTopSaysThatTheDiskIsFull(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	server := l.serverAs(t, f, "papaya", apps.Go)
	v := l.top(t, terminal.Options{Width: 140, Height: 30, Term: "xterm-256color"}, slices.Concat(f.only(), []string{"--page", "requests"})...)
	if err := unix.Mount("tmpfs", v.exports, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(v.exports, 0); err != nil {
			t.Error(err)
		}
	}()
	l.loadAs(t, f, "mango", server.Addr, "-n", "2000")
	v.shows("rows 1/")
	v.press("e")
	v.shows("JSON")
	v.press("j")
	v.shows("nothing was exported", "no space left")
	if files, err := filepath.Glob(v.exports + "/*"); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v %v", files, err)
	}
	if hidden, _ := os.ReadDir(v.exports); len(hidden) > 0 {
		t.Errorf("left behind: %v", hidden)
	}
	v.press("1")
	v.shows("papaya")
	v.leaves()
}
