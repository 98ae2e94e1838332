// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"strconv"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// tinyRing is one page: every burst overflows it.
const tinyRing = "SONDE_RING_BYTES=4096"

func TestOverflowingRingLosesNothingSilently(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Nginx, apps.Node} {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			ob := l.observeWith(t, harness.Options{Env: []string{tinyRing}}, s.Port)
			res := l.load(t, s.Addr, "-conns", "64", "-n", "100000")
			want := harness.Counts{}
			if err := want.AddSent(res.Sent); err != nil {
				t.Fatal(err)
			}
			events := ob.finish(want.Total())
			lost := 0
			for i := range events {
				if events[i].Type == "lost" && events[i].What == "requests" {
					lost += int(events[i].Count)
				}
			}
			got := harness.CountRequests(events)
			t.Logf("sent %d, observed at both ends: %d reported, %d lost", res.Total, got.Total(), lost)
			if lost == 0 {
				t.Error("nothing was lost: the ring was not tiny enough to prove anything")
			}
			if got.Total()+lost != 2*res.Total {
				t.Errorf("reported %d + lost %d = %d, sent 2 x %d", got.Total(), lost, got.Total()+lost, res.Total)
			}
			checkNothingInvented(t, want, got)
		})
	}
}

// checkNothingInvented holds that what is reported as complete was sent: losses may hide requests but not change them.
func checkNothingInvented(t *testing.T, want, got harness.Counts) {
	t.Helper()
	for k, n := range got {
		if k.Outcome != "incomplete" && n > want[k] {
			t.Errorf("reported %d of %+v, sent %d", n, k, want[k])
		}
	}
}

func TestOverflowingRingIsCountedInMetrics(t *testing.T) {
	l := newLab(t)
	s := l.server(t, apps.Go, "127.0.0.1")
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	d, err := harness.Run(harness.Options{Bin: l.bin, Env: []string{tinyRing}}, "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Kill()
	before := served(t, d)
	res := l.load(t, s.Addr, "-conns", "64", "-n", "50000")
	got := settled(t, func() float64 { return served(t, d) - before }, float64(res.Total))
	if got != float64(res.Total) {
		m := scrape(t, d)
		t.Errorf("reported %v + lost %v (server), sent %d", m.Sum(serverCount, nil), m.Sum(lostCount, map[string]string{"role": "server"}), res.Total)
	}
}

// served is what the metrics say about the server role on the whole machine: reported and lost.
func served(t *testing.T, d *harness.Daemon) float64 {
	m := scrape(t, d)
	return m.Sum(serverCount, nil) + m.Sum(lostCount, map[string]string{"role": "server"})
}
