// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// once runs sonde top --once -o json and returns what it printed.
func once(t *testing.T, args ...string) *view.Snapshot {
	t.Helper()
	r := sonde(t, append([]string{"top", "--once", "-o", "json"}, args...)...)
	s := &view.Snapshot{}
	if err := json.Unmarshal([]byte(r.stdout), s); r.code != exitOK || err != nil {
		t.Fatalf("sonde top %s: exit code %d, %v, stderr %q, stdout %q", strings.Join(args, " "), r.code, err, r.stderr, r.stdout)
	}
	return s
}

func TestTopOncePrintsThePageOfAFilesEnd(t *testing.T) {
	s := once(t, "--read", shopping(t, 30))
	if s.Mode != "recording" || s.Playback == nil || !s.Playback.Ended || s.Playback.Error != "" {
		t.Errorf("mode %q, playback %+v", s.Mode, s.Playback)
	}
	if !s.Playback.Start.Equal(bootTime.Add(100*time.Second)) || !s.Playback.End.Equal(bootTime.Add(130*time.Second)) ||
		!s.Playback.Position.Equal(s.Playback.End) {
		t.Errorf("playback %+v", s.Playback)
	}
	if len(s.Services) != 1 || s.Services[0].Name != "shop" || s.Services[0].In.Count != 300 || s.Services[0].In.Errors != 30 {
		t.Errorf("services %+v", s.Services)
	}
	if s.Overview.Total != 300 {
		t.Errorf("overview %+v", s.Overview)
	}
}

func TestTopOncePrintsThePageOfAMoment(t *testing.T) {
	path := shopping(t, 60)
	for _, c := range []struct {
		start string
		total uint64
	}{{"20s", 200}, {"10:02:00", 200}, {"2026-01-02T10:02:00Z", 200}, {"0s", 0}, {"1h", 600}, {"20.4s", 200}} {
		s := once(t, "--read", path, "--start", c.start)
		// What stands before the next tick of a recording is delivered: the ten requests of the next second.
		if s.Overview.Total != min(c.total+10, 600) {
			t.Errorf("--start %s: %d requests at %v", c.start, s.Overview.Total, s.Playback.Position)
		}
	}
}

func TestTopOnceSortsAndFilters(t *testing.T) {
	path := shopping(t, 10)
	s := once(t, "--read", path, "--page", "requests", "--sort", "duration", "--limit", "3", "--http-path", "[05]$")
	if s.Rows != 20 || len(s.Requests) != 3 || s.Requests[0].Duration != 6001*time.Microsecond || s.Requests[0].Target != "GET /orders/5" &&
		s.Requests[0].Target != "GET /orders/95" {
		t.Errorf("%d rows, %+v", s.Rows, s.Requests)
	}
	s = once(t, "--read", path, "--page", "requests", "--filter", "--outcome error", "--not", "--http-path", "/9$", "--limit", "20000")
	if s.Rows != 9 || len(s.Requests) != 9 {
		t.Errorf("%d errors", s.Rows)
	}
}

func TestTopOnceWritesTextAndCSV(t *testing.T) {
	path := shopping(t, 10)
	r := sonde(t, "top", "--once", "--read", path)
	if r.code != exitOK || !strings.Contains(r.stdout, "shop") || strings.Contains(r.stdout, "\x1b") || r.stderr != "" {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", r.code, r.stderr, r.stdout)
	}
	r = sonde(t, "top", "--once", "--read", path, "--page", "requests", "-o", "csv", "--limit", "7")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != exitOK || len(lines) != 8 || !strings.HasPrefix(lines[0], "id,time,duration_ns,protocol,") {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", r.code, r.stderr, r.stdout)
	}
}

func TestTopOnceOfADamagedFilePrintsWhatThereIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(path, captureFile(t)[:150], 0o600); err != nil {
		t.Fatal(err)
	}
	r := sonde(t, "top", "--once", "-o", "json", "--read", path)
	if r.code != exitFailure || !strings.Contains(r.stderr, "packet 2, at byte 108: the file ends in the middle") ||
		!strings.Contains(r.stdout, `"requests_total":1`) {
		t.Errorf("exit code %d, stderr %q, stdout %s", r.code, r.stderr, r.stdout)
	}
}

// What top counts and lists is what observe shows.
func TestTopShowsWhatObserveDoes(t *testing.T) {
	capture := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(capture, captureFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := []string{capture, shopping(t, 30)}
	corpora, _ := filepath.Glob("../../../shared/corpora/*/*/*/*.pcap") // where there are any
	for i := 0; i < len(corpora); i += 1 + len(corpora)/40 {
		paths = append(paths, corpora[i])
	}
	requests := 0
	for _, path := range paths {
		want := observed(t, path)
		s := once(t, "--read", path, "--page", "requests", "--limit", "20000", "--window", "15m")
		got := map[string]int{}
		for _, r := range s.Requests {
			got[r.Protocol+" "+r.Time.UTC().Format(time.RFC3339Nano)+" "+r.Outcome]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: top lists\n%v\nand observe shows\n%v", path, got, want)
		}
		requests += len(s.Requests)
	}
	t.Logf("%d requests of %d files", requests, len(paths))
}

// observed counts the requests that observe shows.
func observed(t *testing.T, path string) map[string]int {
	t.Helper()
	r := sonde(t, "observe", "-o", "json", "--quiet", "--type", "request", "--read", path)
	counts := map[string]int{}
	for d := json.NewDecoder(strings.NewReader(r.stdout)); ; {
		var line struct {
			Time              time.Time
			Protocol, Outcome string
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return counts
		} else if err != nil {
			t.Fatal(err)
		}
		counts[line.Protocol+" "+line.Time.UTC().Format(time.RFC3339Nano)+" "+line.Outcome]++
	}
}

// played is a world that plays path, for as long as the test does.
func played(t *testing.T, path string, change func(*top)) *playedWorld {
	t.Helper()
	tp := &top{topFlags: &topFlags{read: path, requests: 50_000}, factor: 1, env: env{getenv: func(string) string { return "" }, stderr: io.Discard}}
	if change != nil {
		change(tp)
	}
	w, err := tp.openPlayed()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- w.watch(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w.(*playedWorld)
}

// allPages is everything that a world says.
func allPages(t *testing.T, w view.World) string {
	t.Helper()
	var all bytes.Buffer
	for _, p := range topPages {
		for _, window := range view.Windows {
			s, err := w.Snapshot(t.Context(), view.Query{Page: p, Window: window, Limit: view.MaxLimit})
			if err != nil {
				t.Fatal(err)
			}
			s.Playback.End = time.Time{} // known when it is
			if err := json.NewEncoder(&all).Encode(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all.String()
}

// arrive waits until a seek is over.
func arrive(t *testing.T, w *playedWorld, at time.Time) {
	t.Helper()
	for range 5000 {
		s, err := w.Snapshot(t.Context(), view.Query{Page: view.PageServices})
		if err != nil {
			t.Fatal(err)
		}
		if p := s.Playback; !p.Seeking && p.Position.Equal(at) && !s.Time.Before(at) { // records stand before their tick
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("it did not come to %v: %+v", at, w.player.Status())
}

func TestSeekingBackShowsTheSameAsSeekingForward(t *testing.T) {
	const seconds = 300
	path := shopping(t, seconds)
	for _, offset := range []time.Duration{0, 300 * time.Millisecond, 42 * time.Second, 150*time.Second + 70*time.Millisecond, seconds * time.Second} {
		to := bootTime.Add(100*time.Second + offset)
		w := played(t, path, func(tp *top) { tp.paused = true })
		seek := func(to time.Time) {
			if err := w.Seek(to); err != nil {
				t.Fatal(err)
			}
			arrive(t, w, to)
		}
		arrive(t, w, bootTime.Add(100*time.Second))
		seek(to)
		want := allPages(t, w)
		seek(bootTime.Add((100 + seconds) * time.Second)) // the end
		seek(to)
		if got := allPages(t, w); got != want {
			t.Errorf("%v, from the end: %s", offset, difference(got, want))
		}
		seek(bootTime.Add(100 * time.Second))
		seek(to)
		if got := allPages(t, w); got != want {
			t.Errorf("%v, from the start: %s", offset, difference(got, want))
		}
	}
}

func TestAShortSeekShowsNothingOfTheWay(t *testing.T) {
	w := played(t, shopping(t, 100), func(tp *top) { tp.paused = true })
	start := bootTime.Add(100 * time.Second)
	arrive(t, w, start)
	for _, offset := range []time.Duration{90, 20, 80, 0, 70} {
		to := start.Add(offset * time.Second)
		if err := w.Seek(to); err != nil {
			t.Fatal(err)
		}
		s, err := w.Snapshot(t.Context(), view.Query{Page: view.PageServices})
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(10*offset + 10); s.Playback.Seeking || !s.Playback.Position.Equal(to) || s.Overview.Total != want || s.Time.Before(to) {
			t.Errorf("+%ds: %d requests at %v, playback %+v, want %d", offset, s.Overview.Total, s.Time, s.Playback, want)
		}
	}
}

func TestPlayingShowsTheSameAsSeeking(t *testing.T) {
	path := shopping(t, 300)
	w := played(t, path, func(tp *top) { tp.factor = 200 })
	for w.player.Status().Position < 300*time.Second {
		time.Sleep(time.Millisecond)
	}
	if err := w.Pause(true); err != nil {
		t.Fatal(err)
	}
	to := w.wall(w.player.Status().Position)
	arrive(t, w, to)
	got := allPages(t, w)
	sought := played(t, path, func(tp *top) { tp.paused, tp.factor = true, 200 })
	arrive(t, sought, bootTime.Add(100*time.Second))
	if err := sought.Seek(to); err != nil {
		t.Fatal(err)
	}
	arrive(t, sought, to)
	if want := allPages(t, sought); got != want {
		t.Errorf("played to %v: %s", to, difference(got, want))
	}
}

func TestSeekBeforeTheFileHasBegunIsRefused(t *testing.T) {
	tp := &top{topFlags: &topFlags{read: shopping(t, 1), requests: 50_000}, factor: 1}
	w, err := tp.openPlayed()
	if err != nil {
		t.Fatal(err)
	}
	defer w.(*playedWorld).in.file.Close()
	if err := w.(view.Player).Seek(bootTime.Add(time.Hour)); !errors.Is(err, view.ErrCannotNow) {
		t.Errorf("seek: %v", err)
	}
}

// difference shows where two texts part.
func difference(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(at-200, 0)
	return fmt.Sprintf("at byte %d: got\n...%s...\nwant\n...%s...", at, got[from:min(at+200, len(got))], want[from:min(at+200, len(want))])
}

func TestAPipeHasNoWayBack(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(captureFile(t)); err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin }()
	world := played(t, "-", nil)
	at := time.Unix(1_700_000_000, 3_000_000)
	for range 1000 {
		if p := world.playback(world.player.Status()); !p.Position.Before(at) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := world.Seek(time.Unix(1_700_000_000, 0)); !errors.Is(err, view.ErrCannotNow) {
		t.Errorf("seek: %v at %+v", err, world.player.Status())
	}
	s, err := world.Snapshot(t.Context(), view.Query{Page: view.PageRequests})
	if err != nil || len(s.Requests) != 1 || s.Source != "stdin" || s.Mode != "capture" {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestInterruptedTopOncePrintsWhatItHas(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() // its end does not come
	if _, err := w.Write(captureFile(t)); err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin }()
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, stop)
	var out, errs bytes.Buffer
	e := env{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
	code := execute(ctx, e, []string{"top", "--once", "-o", "json", "--read", "-"})
	if code != exitOK || errs.Len() > 0 || !strings.Contains(out.String(), `"requests_total":1`) {
		t.Errorf("exit code %d, stderr %q, stdout %s", code, errs.String(), out.String())
	}
}

func TestTimelineKeepsWallTimeThatWasStepped(t *testing.T) {
	var l timeline
	before, after := model.Clock{Boot: bootTime}, model.Clock{Boot: bootTime.Add(time.Hour)}
	l.add(100*time.Second, before)
	l.add(200*time.Second, model.Clock{Boot: bootTime.Add(time.Microsecond)}) // adjusted, not stepped
	l.add(300*time.Second, after)
	if len(l.parts) != 2 {
		t.Fatalf("%d parts", len(l.parts))
	}
	for _, c := range []struct {
		boot time.Duration
		wall time.Time
	}{
		{100 * time.Second, bootTime.Add(100 * time.Second)}, {299 * time.Second, bootTime.Add(299 * time.Second)},
		{300 * time.Second, bootTime.Add(time.Hour + 300*time.Second)},
	} {
		if got := l.wall(c.boot, model.Clock{}); !got.Equal(c.wall) {
			t.Errorf("wall(%v) = %v, want %v", c.boot, got, c.wall)
		}
		if got := l.boot(c.wall, model.Clock{}); got != c.boot {
			t.Errorf("boot(%v) = %v, want %v", c.wall, got, c.boot)
		}
	}
	// Within the step there is no such time: it is where the step is, or close.
	if got := l.boot(bootTime.Add(30*time.Minute), before); got < 300*time.Second {
		t.Errorf("a time that was left out is at %v", got)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	var l timeline
	for i := range 2 * maxParts { // a file may say anything
		l.add(time.Duration(i)*time.Second, model.Clock{Boot: bootTime.Add(time.Duration(i%2) * time.Hour)})
	}
	if len(l.parts) != maxParts {
		t.Errorf("%d parts", len(l.parts))
	}
}

func TestPositionsAreOffsetsOrWallTimes(t *testing.T) {
	start := time.Date(2026, 1, 2, 22, 30, 0, 500, time.UTC)
	for text, want := range map[string]time.Time{
		"90s": start.Add(90 * time.Second), "0s": start, "": start,
		"23:15": time.Date(2026, 1, 2, 23, 15, 0, 0, time.UTC), "00:15:30": time.Date(2026, 1, 3, 0, 15, 30, 0, time.UTC),
		"22:30:00": time.Date(2026, 1, 2, 22, 30, 0, 0, time.UTC), "2026-01-02T22:40:00Z": time.Date(2026, 1, 2, 22, 40, 0, 0, time.UTC),
	} {
		p, err := parsePosition(text)
		if got := p.after(start); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-5s", "90", "noon"} {
		if _, err := parsePosition(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
