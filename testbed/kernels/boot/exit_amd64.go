// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"syscall"
)

// exitPort is where QEMU's isa-debug-exit device listens: a byte written there ends the machine with status byte*2+1.
const exitPort = 0xf4

func outb(port uint16, value byte)

// exitMachine returns when there is no such device.
func exitMachine(code int) {
	runtime.LockOSThread() // the right to the port is the thread's
	if syscall.Ioperm(exitPort, 1, 1) == nil {
		outb(exitPort, byte(code&0x7f))
	}
}
