// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/terminal"
)

// The bursts of the recording: how many requests when, after the first one.
var bursts = []struct {
	after time.Duration
	n     int
}{{0, 100}, {5 * time.Second, 70}, {14 * time.Second, 30}}

// tape is a recording of bursts, made once for all tests that play it.
type tape struct{ file string }

var (
	tapes   sync.Once
	theTape *tape
)

// tape records the bursts. The file is in the kit, which outlives the test that makes it.
func (l *lab) tape(t *testing.T) *tape {
	t.Helper()
	tapes.Do(func() {
		f := newFence(t)
		s := l.serverAs(t, f, "papaya", apps.Go)
		dir, err := l.Dir("tape-")
		if err != nil {
			t.Fatal(err)
		}
		made := &tape{filepath.Join(dir, "bursts.sonde")}
		end := l.recording(t, made.file, f)
		begun := time.Now()
		for _, b := range bursts {
			time.Sleep(time.Until(begun.Add(b.after)))
			l.loadAs(t, f, "mango", s.Addr, "-conns", "2", "-n", strconv.Itoa(b.n), "-mix", mixed)
		}
		time.Sleep(2 * time.Second)
		end()
		theTape = made
	})
	if theTape == nil {
		t.Skip("there is no recording, see the test that was to make it")
	}
	return theTape
}

// recording starts `sonde record` and returns what ends it.
func (l *lab) recording(t *testing.T, file string, f fence) (end func()) {
	t.Helper()
	cmd := exec.Command(l.bin, slices.Concat([]string{"record", "-w", file}, f.only())...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "recording to") {
		t.Log(lines.Text())
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		for lines.Scan() {
			t.Log(lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// known is how many requests to papaya there are at the position.
func (v *viewer) known() int {
	v.t.Helper()
	r, _ := find(exported[serviceRow](v), func(r serviceRow) bool { return r.Name == "papaya" })
	return r.In.Count
}

// expectKnown waits until there are n requests; more are never right.
func (v *viewer) expectKnown(n int) {
	v.t.Helper()
	got := -1
	for end := time.Now().Add(sight); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = v.known(); got >= n {
			break
		}
	}
	if got != n {
		s, _ := v.Screen()
		v.t.Fatalf("%d requests at this position, want %d\n%s", got, n, s)
	}
}

// player opens the recording in a terminal; as anybody, for it needs no rights.
func (l *lab) player(t *testing.T, file string, args ...string) *viewer {
	t.Helper()
	copied, err := l.Dir("play-")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(copied, filepath.Base(file))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	return l.topWith(t, terminal.Options{Width: 150, Height: 40, Term: "xterm-256color"}, as(65534),
		append([]string{"--read", path, "--window", "15m"}, args...)...)
}

func TestTopPlaysARecordingForthAndBack(t *testing.T) {
	l := newLab(t)
	tape := l.tape(t)
	v := l.player(t, tape.file, "--paused")
	v.shows("recording", " paused ")
	total := 0
	for _, b := range bursts {
		total += b.n
	}
	if n := v.known(); n > bursts[0].n {
		t.Errorf("%d requests at the start", n)
	}
	v.press("]") // 10 s after the start: the first two bursts
	v.shows("of 10s /")
	v.expectKnown(bursts[0].n + bursts[1].n)
	v.press("[")
	v.shows("of 0s /")
	v.await("back at the start", func(terminal.Screen) bool { return v.known() <= bursts[0].n })
	v.press("]", "]")
	v.shows("ended")
	v.expectKnown(total)
	v.press("[")
	v.await("ten seconds before the end", func(s terminal.Screen) bool { return s.Contains("paused") && v.known() < total })
	v.press("0")
	v.shows("of 0s /")
	for range 9 {
		v.press(">") // as fast as possible
	}
	v.shows("as fast as possible")
	v.press("p")
	v.shows("ended")
	v.expectKnown(total)
	v.press("<")
	v.await("a speed", func(s terminal.Screen) bool { return !s.Contains("as fast as possible") })
	v.leaves()
}

// TestTopPlaysAsFastAsItIsTold compares the time of the recording with that on the wall.
func TestTopPlaysAsFastAsItIsTold(t *testing.T) {
	l := newLab(t)
	v := l.player(t, l.tape(t).file, "--speed", "5")
	v.shows("playing", "x5")
	begun := time.Now()
	v.press("p")
	still := v.shows("paused").Lines[3]
	time.Sleep(time.Second)
	s, err := v.Screen()
	if v.check(err); s.Lines[3] != still {
		t.Errorf("paused, and the position goes from %q to %q", still, s.Lines[3])
	}
	v.press("p")
	v.shows("ended")
	// 16 s of recording at five times the speed, and a second of pause.
	if took := time.Since(begun); took < 2*time.Second || took > 12*time.Second {
		t.Errorf("played for %v", took)
	}
}

// TestTopShowsADamagedRecordingUpToTheDamage cuts a recording, and changes another in its middle.
func TestTopShowsADamagedRecordingUpToTheDamage(t *testing.T) {
	l := newLab(t)
	whole, err := os.ReadFile(l.tape(t).file)
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(whole)
	for i := len(bad) / 2; i < len(bad)/2+64; i++ {
		bad[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{"cut": whole[:len(whole)*2/3], "changed": bad} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name+".sonde")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			v := l.player(t, file, "--speed", "max")
			v.shows("ended", "ends early")
			if n := v.known(); n < bursts[0].n || n >= bursts[0].n+bursts[1].n+bursts[2].n {
				t.Errorf("%d requests before the damage", n)
			}
			v.press("q")
			if exit, err := v.Wait(sight); err != nil {
				t.Errorf("ended with %+v: %v", exit, err)
			}
		})
	}
}

func TestTopSaysWhatIsNoRecording(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(file, []byte("Dear Sir or Madam,\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"text": file, "missing": filepath.Join(dir, "nothing"), "directory": dir} {
		t.Run(name, func(t *testing.T) {
			v := l.topWith(t, terminal.Options{Width: 150, Height: 20}, nil, "--read", path)
			exit, err := v.Wait(sight)
			v.check(err)
			if s := v.shows(path); exit.Code == 0 || strings.Contains(s.String(), "goroutine") {
				t.Errorf("ended with %+v:\n%s", exit, s)
			}
		})
	}
}
