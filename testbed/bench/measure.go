// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that all threads of a process have run, to the nanosecond. The tick counts of /proc/PID/stat would be off
// by several percent in a short round. Threads that ended are missed; no process measured here ends threads.
func cpuTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d has no schedstat", pid)
	}
	var sum int64
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var ns int64
		if _, err := fmt.Sscan(string(b), &ns); err != nil {
			return 0, fmt.Errorf("read %s: %w", f, err)
		}
		sum += ns
	}
	return time.Duration(sum), nil
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
