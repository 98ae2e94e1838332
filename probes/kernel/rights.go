// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// NeedRights says why this process may not load any BPF program.
type NeedRights struct {
	Missing []string // capabilities, as "CAP_BPF"; empty when all are there and bpf() was refused all the same
	UserNS  bool     // the process is in a user namespace, whose capabilities do not count for bpf()
	Memlock bool     // the limit of locked memory could not be raised
	Cause   error    // of the refused call, or nil
}

// Error names what is missing and what to do, in one sentence.
func (e *NeedRights) Error() string {
	switch {
	case e.UserNS:
		return "this is a user namespace (a rootless container), where the kernel refuses BPF: run sonde as root of the host"
	case len(e.Missing) > 0:
		return fmt.Sprintf("%s missing: run sonde as root (sudo), or grant %s to the container or the service",
			strings.Join(e.Missing, ", "), plural(len(e.Missing), "that capability", "these capabilities"))
	}
	or := ""
	if e.Memlock {
		or = " or, before Linux 5.11, the limit of locked memory is too low (ulimit -l, CAP_SYS_RESOURCE)"
	}
	return fmt.Sprintf("bpf() is refused though the capabilities for it are there (%v): a seccomp or LSM profile forbids it%s; "+
		"run sonde outside of the container or as a privileged one", e.Cause, or)
}

// Unwrap returns the error of the refused call.
func (e *NeedRights) Unwrap() error { return e.Cause }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// capabilities is the effective set of the calling thread; bit n is capability n.
type capabilities uint64

func effective() capabilities {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return 0
	}
	return capabilities(data[0].Effective) | capabilities(data[1].Effective)<<32
}

func (c capabilities) has(bit int) bool { return c&(1<<bit) != 0 }

var capabilityNames = map[int]string{
	unix.CAP_BPF:             "CAP_BPF",
	unix.CAP_PERFMON:         "CAP_PERFMON",
	unix.CAP_NET_ADMIN:       "CAP_NET_ADMIN",
	unix.CAP_SYS_ADMIN:       "CAP_SYS_ADMIN",
	unix.CAP_SYS_PTRACE:      "CAP_SYS_PTRACE",
	unix.CAP_DAC_READ_SEARCH: "CAP_DAC_READ_SEARCH",
}

// missing lists the wanted capabilities that are not there. The kernel takes CAP_SYS_ADMIN for CAP_BPF and CAP_PERFMON,
// and CAP_DAC_OVERRIDE for CAP_DAC_READ_SEARCH, capabilities(7).
func (c capabilities) missing(wanted ...int) []string {
	var names []string
	for _, bit := range wanted {
		switch {
		case c.has(bit):
		case (bit == unix.CAP_BPF || bit == unix.CAP_PERFMON) && c.has(unix.CAP_SYS_ADMIN):
		case bit == unix.CAP_DAC_READ_SEARCH && c.has(unix.CAP_DAC_OVERRIDE):
		default:
			names = append(names, capabilityNames[bit])
		}
	}
	return names
}

// need is nil when all are there.
func (c capabilities) need(wanted ...int) error {
	if names := c.missing(wanted...); len(names) > 0 {
		return fmt.Errorf("%s missing", strings.Join(names, ", "))
	}
	return nil
}

// rights finds out whether BPF programs may be loaded at all: first by the capabilities, because they can be named, then
// by creating a map, because a capability is not always enough. memlock is why the limit of locked memory, which kernels
// before 5.11 charge maps to, could not be raised.
func rights(caps capabilities, memlock error) error {
	if names := caps.missing(unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN); len(names) > 0 {
		return &NeedRights{Missing: names}
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err == nil {
		m.Close()
		return nil
	}
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("bpf() does not work in this kernel: %w", err)
	}
	return &NeedRights{UserNS: inUserNS(), Memlock: memlock != nil, Cause: unix.EPERM}
}

// inUserNS: the initial user namespace maps every id to itself.
func inUserNS() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !sameFields(string(b), "0 0 4294967295")
}

func sameFields(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == b
}
