// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGoUprobeCost prints what the uprobes cost a Go program, in runs with and without them that take turns:
//
//	SONDE_COST=1 go test -tags kernel -run TestGoUprobeCost -v ./probes
//
// The programs at sockets are attached in all; what it costs them to tell goroutines is told apart.
func TestGoUprobeCost(t *testing.T) {
	if os.Getenv("SONDE_COST") == "" {
		t.Skip("a measurement: SONDE_COST is not set")
	}
	const pairs, hops, atOnce = 9, 3000, 4
	for _, p := range []struct {
		name, dir string
		args      []string
	}{
		{"HTTP/1", "testdata/gohop", []string{"-proto", "http1"}},
		{"HTTP/2", "testdata/gohop", []string{"-proto", "http2"}},
		{"gRPC", "../testbed/apps/grpc/hop", nil},
	} {
		t.Run(p.name, func(t *testing.T) {
			w, g := watchGo(t)
			h := startHopper(t, readHTTP1, append([]string{buildGo(t, p.dir, nil)}, p.args...)...)
			pid := uint32(h.cmd.Process.Pid)
			h.cost(w, hops, atOnce)
			var base, told, with []float64
			for range pairs {
				base = append(base, h.cost(w, hops, atOnce))
				if err := g.Watch(pid); err != nil {
					t.Fatal(err)
				}
				with = append(with, h.cost(w, hops, atOnce))
				offsets := g.processes[pid].file.program.offsets
				g.Forget(pid)
				g.detachIdle(time.Now().Add(2 * goIdle))
				if err := w.set.SetGoProgram(pid, offsets); err != nil {
					t.Fatal(err)
				}
				told = append(told, h.cost(w, hops, atOnce))
				if err := w.set.ForgetGoProgram(pid); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%s: us of CPU a request: %s with threads, %s more with goroutines, %s more with uprobes as well", p.name,
				spread(base), spread(differences(told, base)), spread(differences(with, told)))
		})
	}
}

func differences(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}

// spread is the median, and where four fifths of all are.
func spread(all []float64) string {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return fmt.Sprintf("%.1f (%.1f ... %.1f)", all[n/2], all[n/10], all[n-1-n/10])
}

// cost has the program ask itself, without wiretaps, and returns the CPU time of a request in us: asking and serving.
func (h *hopper) cost(w *watch, hops, atOnce int) float64 {
	h.t.Helper()
	before := processCPU(h.t, h.cmd.Process.Pid)
	_, _ = fmt.Fprintln(h.in, h.front.to, h.back.to, hops, atOnce)
	done := make(chan string)
	go func() { done <- h.line() }()
	for {
		select {
		case <-done:
			return float64((processCPU(h.t, h.cmd.Process.Pid) - before).Nanoseconds()) / 1e3 / float64(2*hops)
		case <-time.After(10 * time.Millisecond):
			w.drain()
			w.all = w.all[:0]
		}
	}
}

// processCPU is the CPU time of a process: its clock by number (clock_getcpuclockid).
func processCPU(t *testing.T, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
