// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// mostSlots is how many sondes may use clsact in one network namespace at once. Further ones share the last slot.
const mostSlots = 64

// slot is a number that this process alone has among the sondes of its network namespace. It is the handle of its clsact
// filters: those of two sondes do not replace each other, and one whose slot nobody has was left by a process that was killed.
// A name in the abstract namespace of sockets holds it, because the kernel takes that back with the process.
type slot struct {
	number uint16
	fd     int // of the socket that has the name, or -1
}

// takeSlot returns the first free one. Where sockets are forbidden every sonde has the first, as if it were alone.
func takeSlot() slot {
	for n := uint16(1); n < mostSlots; n++ {
		fd, err := bindSlot(n)
		if err == nil {
			return slot{n, fd}
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return slot{1, -1}
		}
	}
	return slot{mostSlots, -1}
}

// slotIsFree reports whether the process that had a slot is gone.
func slotIsFree(n uint16) bool {
	fd, err := bindSlot(n)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func bindSlot(n uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@sonde/clsact/%d", n)}); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (s slot) release() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
}
