// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"time"

	"sonde/agent/model"
)

// Config says where processes are read and how many are remembered.
type Config struct {
	// ProcRoot is where procfs is mounted; "/host/proc" in a container that sees the host there.
	ProcRoot string
	// CgroupRoot is where cgroup v2 is mounted. Empty: it is found in ProcRoot/self/mountinfo.
	CgroupRoot string
	// MaxEntries bounds the processes remembered, about 600 bytes each.
	MaxEntries int
	// Retain is how long an identity outlives its process, for events that arrive late.
	Retain time.Duration
	// SweepEvery is how often Run checks that what is remembered still lives.
	SweepEvery time.Duration
	// Clock turns start times into wall time. Zero: the boot time is computed from ProcRoot/uptime.
	Clock model.Clock
}

// Default returns the settings for a host's own procfs.
func Default() Config {
	return Config{ProcRoot: "/proc", MaxEntries: 8192, Retain: time.Minute, SweepEvery: 15 * time.Second}
}

// Validate reports all settings that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.ProcRoot == "" {
		errs = append(errs, errors.New("process: proc root is empty, set it to /proc"))
	}
	if c.MaxEntries < 1 {
		errs = append(errs, errors.New("process: max entries must be at least 1"))
	}
	if c.Retain < 0 {
		errs = append(errs, errors.New("process: retain must not be negative"))
	}
	if c.SweepEvery <= 0 {
		errs = append(errs, errors.New("process: sweep interval must be positive"))
	}
	return errors.Join(errs...)
}
