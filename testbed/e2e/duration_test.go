// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"io"
	"slices"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/nginx"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// tolerance is how far sonde and the client may differ on one request. The client reads its own clock when the scheduler lets it
// run, so it errs on the long side.
const tolerance = 2 * time.Millisecond

func TestDurationsAgreeWithAServerThatSleeps(t *testing.T) {
	l := newLab(t)
	for _, kind := range apps.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			ob := l.observe(t, s.Port)
			c := dial(t, s.Addr)
			defer c.Close()
			measured := make([]time.Duration, 40)
			for i := range measured {
				begun := time.Now()
				if _, err := c.Exchange("GET", 0, rawclient.Request("GET", "/sleep/50")); err != nil {
					t.Fatal(err)
				}
				measured[i] = time.Since(begun)
			}
			events := ob.finish(2 * len(measured))
			for _, role := range []string{"client", "server"} {
				compareDurations(t, role, measured, inOrder(events, role))
			}
		})
	}
}

// inOrder returns the durations of the requests of one role by the time of their first byte.
func inOrder(events []harness.Event, role string) []time.Duration {
	var part []harness.Event
	for _, e := range events {
		if e.Type == "request" && e.Role == role {
			part = append(part, e)
		}
	}
	slices.SortFunc(part, func(a, b harness.Event) int { return a.Time.Compare(b.Time) })
	var ds []time.Duration
	for _, e := range part {
		ds = append(ds, e.Duration())
	}
	return ds
}

func compareDurations(t *testing.T, role string, client, sonde []time.Duration) {
	t.Helper()
	if len(client) != len(sonde) {
		t.Errorf("%s: %d durations, want %d", role, len(sonde), len(client))
		return
	}
	var diffs []time.Duration
	for i := range client {
		d := client[i] - sonde[i]
		diffs = append(diffs, d)
		if d > tolerance || d < -tolerance {
			t.Errorf("%s request %d: client measured %v, sonde %v", role, i, client[i], sonde[i])
		}
	}
	slices.Sort(diffs)
	slices.Sort(sonde)
	q := func(ds []time.Duration, n int) time.Duration { return ds[min(len(ds)-1, len(ds)*n/100)] }
	t.Logf("%s: sonde min %v median %v p90 %v max %v; client - sonde min %v median %v p90 %v max %v", role,
		q(sonde, 0), q(sonde, 50), q(sonde, 90), q(sonde, 100), q(diffs, 0), q(diffs, 50), q(diffs, 90), q(diffs, 100))
	if q(sonde, 50) < 50*time.Millisecond || q(sonde, 50) > 52*time.Millisecond {
		t.Errorf("%s: the median of a 50 ms handler is %v", role, q(sonde, 50))
	}
}

// TestSlowDownloadLastsAsLongAsItsReader reads 200 MB, which nginx sends by sendfile, over about a second and a half.
func TestSlowDownloadLastsAsLongAsItsReader(t *testing.T) {
	l := newLab(t)
	const size = 200 << 20
	s, err := l.StartNginx(nginx.Config{BigFile: size}, "127.0.0.1")
	started(t, s, err)
	ob := l.observe(t, s.Port)
	c := dial(t, s.Addr)
	defer c.Close()
	begun := time.Now()
	write(t, c, 0, rawclient.Request("GET", "/big", "Connection: close"))
	buf := make([]byte, 1<<20)
	total := 0
	for {
		n, err := io.ReadFull(c.TCP(), buf)
		total += n
		if err != nil {
			break
		}
		time.Sleep(time.Until(begun.Add(time.Duration(float64(total) / size * 1.5 * float64(time.Second)))))
	}
	took := time.Since(begun)
	if total < size {
		t.Fatalf("read %d of %d bytes", total, size)
	}
	want := harness.Counts{}
	want.Add("GET", "/big", 200, 1)
	for _, e := range ob.expect(want) {
		if e.Type != "request" {
			continue
		}
		ratio := float64(e.Duration()) / float64(took)
		t.Logf("%s: sonde %v, reader %v, ratio %.3f, %d of %d bytes", e.Role, e.Duration(), took, ratio, e.ResponseBytes, total)
		if ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s: sonde says %v, the reader needed %v", e.Role, e.Duration(), took)
		}
		if e.ResponseBytes != uint64(total) {
			t.Errorf("%s: %d bytes, the reader got %d", e.Role, e.ResponseBytes, total)
		}
	}
}
