// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

var (
	// ErrRefused marks a feature that the kernel has and a policy of this machine forbids (EPERM or EACCES though the
	// capabilities are there): an LSM, a seccomp profile, lockdown.
	ErrRefused = errors.New("refused by a security policy of this machine")

	// ErrNotTried marks a feature whose trial would cost more than it tells; attaching decides.
	ErrNotTried = errors.New("not tried")
)

// Features is what the kernel allows. For each error field: nil when the feature is there and was used once, else the
// reason in words that can be shown to a user. The value is not changed after Detect and is safe for concurrent reads.
type Features struct {
	Release string // of uname, as "6.1.0-50-cloud-amd64"
	Arch    string // in Go's words, as "amd64"

	// Rights is nil or a *NeedRights. When it is set, nothing below that needs rights was tried, and holds it too.
	Rights error
	// OtherNetNS: sockets of other network namespaces can be listed (CAP_SYS_ADMIN, for setns).
	OtherNetNS error
	// OtherProcesses: the files of other users' processes can be listed (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH).
	OtherProcesses error

	BTF          error  // types of the running kernel, which CO-RE relocates to
	RingBuffer   error  // BPF_MAP_TYPE_RINGBUF, the way out of the kernel
	KernelMemory error  // bpf_probe_read_kernel in a cgroup_skb program
	SKStorage    error  // BPF_MAP_TYPE_SK_STORAGE
	Cgroup2      error  // a mount that shows the whole cgroup v2 tree
	Cgroup2Root  string // its directory; empty when Cgroup2 is set
	CgroupSKB    error  // cgroup_skb programs at that root, both directions

	// Tracepoints has an entry for each name in TracepointNames.
	Tracepoints map[string]Tracepoint

	// NoFunction says why a function of FunctionNames cannot be hooked; those that can have no entry.
	NoFunction map[string]error

	Kprobe error // on tcp_set_state
	Fentry error // on tcp_set_state
	TCX    error // on lo
	Clsact error // only tried where TCX is missing: ErrNotTried otherwise

	Tracefs error // mounted; nothing that sonde attaches by default needs it
	BPFFS   error // mounted at /sys/fs/bpf

	Lockdown        string // "none", "integrity", "confidentiality"; empty when the kernel does not tell
	UnprivilegedBPF string // kernel.unprivileged_bpf_disabled: "0", "1", "2"; empty when there is no such setting
	BPFStats        bool   // kernel.bpf_stats_enabled: the kernel measures each run of a program
}

// Detect tries everything once; about 100 ms. It leaves nothing behind: what it attaches returns "pass" and is detached
// before Detect returns. It raises the locked-memory limit of the process, which kernels before 5.11 charge BPF memory to.
func Detect() *Features {
	f := &Features{
		Release:         release(),
		Arch:            runtime.GOARCH,
		Tracefs:         tracefs(),
		BPFFS:           bpffs(),
		Lockdown:        selected(readLine("/sys/kernel/security/lockdown")),
		UnprivilegedBPF: readLine("/proc/sys/kernel/unprivileged_bpf_disabled"),
		BPFStats:        readLine("/proc/sys/kernel/bpf_stats_enabled") == "1",
	}
	f.Cgroup2Root, f.Cgroup2 = cgroup2()
	caps := effective()
	f.OtherNetNS = caps.need(unix.CAP_SYS_ADMIN)
	f.OtherProcesses = caps.need(unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH)
	f.Rights = rights(caps, rlimit.RemoveMemlock())
	if f.Rights != nil {
		f.refuseAll()
		return f
	}
	f.try()
	return f
}

func (f *Features) try() {
	types := &kernelTypes{}
	f.BTF = types.load()
	f.RingBuffer = tryRingBuffer()
	f.KernelMemory = tryKernelMemory(f.Lockdown)
	f.SKStorage = trySKStorage()
	f.CgroupSKB = tryCgroupSKB(f.Cgroup2Root)
	f.Tracepoints = tryTracepoints(types)
	f.NoFunction = types.lacks(FunctionNames())
	f.Kprobe = tryKprobe()
	f.Fentry = tryFentry(f.BTF)
	f.TCX = tryTCX()
	f.Clsact = fmt.Errorf("%w: TCX is there", ErrNotTried)
	if f.TCX != nil {
		f.Clsact = tryClsact()
	}
}

func (f *Features) refuseAll() {
	for _, err := range []*error{
		&f.BTF, &f.RingBuffer, &f.KernelMemory, &f.SKStorage, &f.CgroupSKB, &f.Kprobe, &f.Fentry,
		&f.TCX, &f.Clsact,
	} {
		*err = f.Rights
	}
	f.Tracepoints = make(map[string]Tracepoint)
	for _, name := range TracepointNames() {
		f.Tracepoints[name] = Tracepoint{Err: f.Rights}
	}
}

// RawTracepoint returns nil when programs can be attached to the raw tracepoint, else the reason.
func (f *Features) RawTracepoint(name string) error {
	tp, tried := f.Tracepoints[name]
	if !tried {
		return fmt.Errorf("tracepoint %s: %w", name, ErrNotTried)
	}
	return tp.Err
}

// Feature is one line of the list that `doctor` prints.
type Feature struct {
	Name   string
	Detail string // what was found, or empty
	Err    error
}

// All lists the features in the order in which they matter.
func (f *Features) All() []Feature {
	all := []Feature{
		{"rights", "", f.Rights},
		{"BTF", "", f.BTF},
		{"ring buffer", "", f.RingBuffer},
		{"kernel memory", "", f.KernelMemory},
		{"socket storage", "", f.SKStorage},
		{"cgroup v2", f.Cgroup2Root, f.Cgroup2},
		{"cgroup_skb", "", f.CgroupSKB},
	}
	for _, name := range TracepointNames() {
		tp := f.Tracepoints[name]
		detail := ""
		if tp.Args > 0 {
			detail = strconv.Itoa(tp.Args) + " arguments"
		}
		all = append(all, Feature{"raw tracepoint " + name, detail, tp.Err})
	}
	return append(all,
		Feature{"fentry", "", f.Fentry},
		Feature{"kprobe", "", f.Kprobe},
		Feature{"TCX", "", f.TCX},
		Feature{"clsact", "", f.Clsact},
		Feature{"other network namespaces", "", f.OtherNetNS},
		Feature{"other users' processes", "", f.OtherProcesses},
		Feature{"tracefs", "", f.Tracefs},
		Feature{"bpffs", "", f.BPFFS},
	)
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// selected returns the bracketed word of a line like "none [integrity] confidentiality".
func selected(line string) string {
	_, rest, _ := strings.Cut(line, "[")
	word, _, found := strings.Cut(rest, "]")
	if !found {
		return ""
	}
	return word
}
