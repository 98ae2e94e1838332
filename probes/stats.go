// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The kernel measures programs only while somebody asks for it, because two readings of the clock add about 50 ns to each
// run. So it is asked for a small part of the time: enough for the mean cost of a run, and too little to be one.
const (
	sampleEvery = 30 * time.Second
	sampleFor   = 500 * time.Millisecond
)

// ProgramStats is what the kernel measured of one program while it was asked to.
type ProgramStats struct {
	Name      string
	Runs      uint64
	RuntimeNS uint64
}

// Programs returns the statistics of the loaded programs. Runtime by Runs is the mean cost of a run; neither is a total.
func (s *Set) Programs() ([]ProgramStats, error) {
	var all []ProgramStats
	var errs []error
	for name, p := range s.programs {
		st, err := p.Stats()
		if err != nil {
			errs = append(errs, fmt.Errorf("statistics of %s: %w", name, err))
			continue
		}
		all = append(all, ProgramStats{Name: name, Runs: st.RunCount, RuntimeNS: uint64(st.Runtime)})
	}
	return all, errors.Join(errs...)
}

// SampleStats has the kernel measure the programs now and then, until ctx is done. It returns an error when the kernel
// cannot (before 5.8) or may not.
func SampleStats(ctx context.Context) error {
	for {
		stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
		if err != nil {
			return fmt.Errorf("have the kernel measure programs: %w", err)
		}
		sleep(ctx, sampleFor)
		if err := stats.Close(); err != nil {
			return fmt.Errorf("end the measuring of programs: %w", err)
		}
		if !sleep(ctx, sampleEvery-sampleFor) {
			return nil
		}
	}
}

// sleep returns false when ctx ended it.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
