// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/model"
)

// errNothingShown is the result of an observation with --exit-code that showed no event.
var errNothingShown = errors.New("no event was shown")

// tally counts what an observation showed.
type tally struct {
	shown    int    // events
	filtered uint64 // events that the filters held back
	lost     uint64 // records
	outcomes [model.OutcomeIncomplete + 1]uint64
	flows    uint64

	from, to time.Duration // first and last tick
}

func (t *tally) request(r *model.Request) { t.outcomes[min(r.Outcome, model.OutcomeIncomplete)]++ }

func (t *tally) tick(now time.Duration) {
	if t.from == 0 {
		t.from = now
	}
	t.to = max(t.to, now)
}

// String is what --stats prints. Scripts read it: pairs may be added at the end, never renamed or moved.
func (t *tally) String() string {
	var requests uint64
	for _, n := range t.outcomes {
		requests += n
	}
	rate, seconds := 0.0, (t.to - t.from).Seconds()
	if seconds > 0 {
		rate = float64(requests) / seconds
	}
	return fmt.Sprintf("duration_s=%.3f shown=%d filtered=%d lost=%d requests=%d ok=%d error=%d incomplete=%d flows=%d rate=%.1f cpu_s=%.3f",
		seconds, t.shown, t.filtered, t.lost, requests, t.outcomes[model.OutcomeOK], t.outcomes[model.OutcomeError],
		t.outcomes[model.OutcomeIncomplete], t.flows, rate, processCPU().Seconds())
}

// processCPU is the time that this process has run on a CPU, in its own code and in the kernel for it.
func processCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
