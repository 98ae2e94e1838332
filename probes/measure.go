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

// Measure has the kernel measure the programs for d, or until ctx is done, and returns what each did in that time, and how long
// it was. It is what somebody who watches wants to know of this moment, where SampleStats keeps a mean.
func (s *Set) Measure(ctx context.Context, d time.Duration) ([]ProgramStats, time.Duration, error) {
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return nil, 0, fmt.Errorf("have the kernel measure programs: %w", err)
	}
	before, err := s.Programs()
	from := time.Now()
	sleep(ctx, d)
	after, aerr := s.Programs()
	took := time.Since(from)
	if err := errors.Join(err, aerr, stats.Close()); err != nil {
		return nil, 0, err
	}
	was := make(map[string]ProgramStats, len(before))
	for _, p := range before {
		was[p.Name] = p
	}
	for i := range after {
		p := was[after[i].Name]
		after[i].Runs -= p.Runs
		after[i].RuntimeNS -= p.RuntimeNS
	}
	return after, took, nil
}
