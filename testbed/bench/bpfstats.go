// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"
)

// countBPF makes the kernel measure every program run until the result is closed. That itself costs two clock reads per run, so
// rounds that use it give no other figures.
func countBPF() (io.Closer, error) {
	const runTime = 0 // BPF_STATS_RUN_TIME
	c, err := ebpf.EnableStats(runTime)
	if err != nil {
		return nil, fmt.Errorf("enable BPF statistics: %w", err)
	}
	return c, nil
}

// programTime is what one program ran.
type programTime struct {
	Name    string
	Runs    uint64
	RunTime time.Duration
}

// programTimes reads the statistics of all programs that a process holds, by descriptor of the program or of its link.
func programTimes(pid int) (map[ebpf.ProgramID]programTime, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	times := map[ebpf.ProgramID]programTime{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // closed meanwhile
		}
		_, rest, found := strings.Cut(string(b), "prog_id:")
		if !found {
			continue
		}
		var id ebpf.ProgramID
		if _, err := fmt.Sscan(rest, &id); err != nil || id == 0 {
			continue
		}
		if times[id], err = readProgram(id); err != nil {
			return nil, err
		}
	}
	return times, nil
}

func readProgram(id ebpf.ProgramID) (programTime, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return programTime{}, fmt.Errorf("open program %d: %w", id, err)
	}
	defer p.Close()
	stats, err := p.Stats()
	if err != nil {
		return programTime{}, fmt.Errorf("statistics of program %d: %w", id, err)
	}
	info, err := p.Info()
	if err != nil {
		return programTime{}, fmt.Errorf("name of program %d: %w", id, err)
	}
	return programTime{Name: info.Name, Runs: stats.RunCount, RunTime: stats.Runtime}, nil
}

// since returns the difference of two readings by program name.
func since(before, after map[ebpf.ProgramID]programTime) map[string]programTime {
	diff := map[string]programTime{}
	for id, a := range after {
		d := diff[a.Name]
		d.Name = a.Name
		d.Runs += a.Runs - before[id].Runs
		d.RunTime += a.RunTime - before[id].RunTime
		diff[a.Name] = d
	}
	return diff
}
