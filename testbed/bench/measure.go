// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that a process has run, with the threads that have ended since, to the nanosecond. The tick counts of
// /proc/PID/stat would be off by several percent in a short round, /proc/PID/task forgets threads.
func cpuTime(pid int) (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of include/linux/posix-timers.h: the clock of a process has its complement above that
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// resident reads a memory figure of /proc/PID/status in bytes: VmRSS now, VmHWM the peak, which is what a limit has to allow.
func resident(pid int, field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(b), field+":")
	if !found {
		return 0, fmt.Errorf("process %d has no %s", pid, field)
	}
	var kb int64
	_, err = fmt.Sscan(rest, &kb)
	return kb << 10, err
}

// locked runs f while it holds the lock of a file; without a name it just runs it.
func locked(name string, f func() error) error {
	if name == "" {
		return f()
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return f()
}
