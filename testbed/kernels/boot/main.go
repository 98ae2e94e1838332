// SPDX-License-Identifier: Apache-2.0

// Command boot is the first process of the virtual machines of testbed/kernels: it mounts, loads modules, runs the payload with
// its output on the second serial line and ends the machine with the payload's status.
//
// It is not for any other machine: as process 1 alone it does anything. testbed/kernels puts it into the initramfs.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	modules = "/modules" // a path in each line, in the order of their loading
	payload = "/payload/start"
	results = "/dev/ttyS1"
)

// Statuses of the machine that no payload gives.
const (
	statusSetup = 120
	statusStart = 121
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "boot is the first process of a virtual machine")
		os.Exit(2)
	}
	code := statusSetup
	if err := setUp(); err != nil {
		fmt.Println("boot:", err)
	} else {
		code = runPayload()
	}
	unix.Sync()
	exitMachine(code)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func setUp() error {
	for _, m := range []struct{ fstype, dir string }{
		{"devtmpfs", "/dev"},
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/run"},
		{"devpts", "/dev/pts"},
		{"tmpfs", "/dev/shm"},
		{"bpf", "/sys/fs/bpf"},
		{"cgroup2", "/sys/fs/cgroup"},
		{"tracefs", "/sys/kernel/tracing"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
		if err := unix.Mount(m.fstype, m.dir, m.fstype, 0, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.fstype, m.dir, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

func loadModules() error {
	list, err := os.Open(modules)
	if err != nil {
		return err
	}
	defer list.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		f, err := os.Open(lines.Text())
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load module %s: %w", lines.Text(), err)
		}
	}
	return nil
}

func runPayload() int {
	tty, err := os.OpenFile(results, os.O_WRONLY, 0)
	if err != nil {
		fmt.Println("boot:", err)
		return statusStart
	}
	raw(tty)
	cmd := exec.Command(payload)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/tmp", tty, tty
	cmd.Env = []string{"PATH=/payload:/usr/sbin", "HOME=/tmp", "TMPDIR=/tmp"}
	for _, word := range os.Args[1:] { // what follows "--" on the command line of the kernel
		if strings.HasPrefix(word, "-") {
			cmd.Args = append(cmd.Args, word)
		} else {
			cmd.Env = append(cmd.Env, word)
		}
	}
	err = cmd.Run()
	_ = tty.Close() // after everything was sent
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Println("boot: payload:", err)
		return statusStart
	}
	return 0
}

// raw keeps the terminal from adding carriage returns.
func raw(tty *os.File) {
	if t, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err == nil {
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		_ = unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, t)
	}
}
