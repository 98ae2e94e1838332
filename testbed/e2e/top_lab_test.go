// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/terminal"
)

// sight is how long something may take to appear on a screen of a busy machine.
const sight = 10 * time.Second

// roomy is a terminal that shows every column of a page.
var roomy = terminal.Options{Width: 200, Height: 60, Term: "xterm-256color"}

// viewer is `sonde top` in a terminal.
type viewer struct {
	*terminal.Terminal
	t       testing.TB
	exports string // directory that is exported to; anybody may write to it
}

// top starts `sonde top` and waits until it shows a world. before may be a command that becomes sonde.
func (l *lab) top(t testing.TB, o terminal.Options, args ...string) *viewer {
	t.Helper()
	v := l.topWith(t, o, nil, args...)
	v.await("world", func(s terminal.Screen) bool { return s.Contains("req/s") })
	return v
}

// topWith starts `sonde top` through a command that becomes it, and waits for nothing.
func (l *lab) topWith(t testing.TB, o terminal.Options, before []string, args ...string) *viewer {
	t.Helper()
	dir, err := l.Dir("exports-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat(before, []string{l.bin, "top", "--interval", "300ms", "--export-dir", dir}, args)
	term, err := terminal.Start(o, argv...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	return &viewer{Terminal: term, t: t, exports: dir}
}

func (v *viewer) check(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// press presses keys one after the other.
func (v *viewer) press(keys ...string) {
	v.t.Helper()
	v.check(v.Press(keys...))
}

func (v *viewer) await(what string, good func(terminal.Screen) bool) terminal.Screen {
	v.t.Helper()
	s, err := v.Await(sight, what, good)
	v.check(err)
	return s
}

func (v *viewer) shows(texts ...string) terminal.Screen {
	v.t.Helper()
	return v.await(fmt.Sprintf("%q", texts), func(s terminal.Screen) bool {
		for _, text := range texts {
			if !s.Contains(text) {
				return false
			}
		}
		return true
	})
}

// table waits until the table with these columns is as good says.
func (v *viewer) table(what string, titles []string, good func(*terminal.Table) bool) *terminal.Table {
	v.t.Helper()
	var table *terminal.Table
	v.await(what, func(s terminal.Screen) bool {
		found, err := rowsOf(s, titles...)
		if err != nil || !good(found) {
			return false
		}
		table = found
		return true
	})
	return table
}

// rowsOf reads a table without the two lines of notes and keys, which follow its rows when it is full.
func rowsOf(s terminal.Screen, titles ...string) (*terminal.Table, error) {
	table, err := s.Table(titles...)
	if err != nil {
		return nil, err
	}
	for len(table.Rows) > 0 && table.Rows[len(table.Rows)-1].Line >= s.Height-2 {
		table.Rows = table.Rows[:len(table.Rows)-1]
	}
	return table, nil
}

// selectRow moves the cursor to the row with such a cell. Rows may change places meanwhile, the cursor goes with its row.
func (v *viewer) selectRow(titles []string, title, text string) {
	v.t.Helper()
	v.press("g")
	for range 100 {
		var under, want int
		v.await("row "+text, func(s terminal.Screen) bool {
			table, err := rowsOf(s, titles...)
			if err != nil {
				return false
			}
			row, found := table.Row(title, text)
			want = row.Line - table.Header
			_, err = fmt.Sscanf(between(s, "rows ", "  "), "%d/", &under)
			return found && err == nil
		})
		if under == want {
			return
		}
		v.press(map[bool]string{true: "j", false: "k"}[under < want])
		time.Sleep(50 * time.Millisecond)
	}
	s, _ := v.Screen()
	v.t.Fatalf("the cursor does not come to %s\n%s", text, s)
}

// loadFor runs loadclient in the cgroup in the background until the test ends.
func (l *lab) loadFor(t testing.TB, f fence, name, addr string, args ...string) {
	t.Helper()
	argv := slices.Concat(f.as(name), []string{l.Path("loadclient"), "-addr", addr, "-d", "10m"}, args)
	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// gone waits until a process has ended.
func gone(pid int, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("process %d runs after %v", pid, limit)
		}
	}
}

// child waits for the first child of a process with the given name.
func child(t testing.TB, parent int, name string) int {
	t.Helper()
	for end := time.Now().Add(sight); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, pid := range apps.Children(parent) {
			if apps.ProcessName(pid) == name {
				return pid
			}
		}
	}
	t.Fatalf("process %d has no child %s", parent, name)
	return 0
}

// programsOf returns the identifiers of the eBPF programs that a process holds, by themselves or by what they are attached with.
func programsOf(t testing.TB, pid int) map[int]bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	held := map[int]bool{}
	for _, f := range files {
		text, _ := os.ReadFile(f) // what is closed meanwhile is no program
		for line := range strings.Lines(string(text)) {
			if value, found := strings.CutPrefix(line, "prog_id:"); found {
				if id, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
					held[id] = true
				}
			}
		}
	}
	return held
}

// expectUnloaded waits until the kernel has none of the programs any more.
func expectUnloaded(t testing.TB, ids map[int]bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := 0
		for id := range ids {
			if exec.Command("bpftool", "prog", "show", "id", strconv.Itoa(id)).Run() == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d of %d programs are still in the kernel", left, len(ids))
			return
		}
	}
}

// newest returns the file of a directory that was written last, once there are n.
func newest(t testing.TB, dir string, n int) string {
	t.Helper()
	for end := time.Now().Add(sight); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		files := written(t, dir)
		if len(files) < n {
			continue
		}
		last, when := "", time.Time{}
		for _, f := range files {
			if st, err := os.Stat(f); err == nil && !st.ModTime().Before(when) {
				last, when = f, st.ModTime()
			}
		}
		return last
	}
	t.Fatalf("no %d files in %s", n, dir)
	return ""
}

// written are the files that have their names: while it is written, a file has one that begins with a dot.
func written(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// signalled sends a signal.
func signalled(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
