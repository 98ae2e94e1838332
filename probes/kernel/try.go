// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// tried is where kprobe and fentry are tried: the function that sonde would use them on first.
const tried = "tcp_set_state"

// loopbackIndex is the interface index of lo in every network namespace.
const loopbackIndex = 1

// tcxNext lets the next program decide. TC_ACT_UNSPEC has the same number.
const tcxNext = -1

// pass is a program that returns result and does nothing else.
func pass(spec ebpf.ProgramSpec, result int32) (*ebpf.Program, error) {
	spec.Name = "sonde_try"
	spec.License = "Dual BSD/GPL"
	spec.Instructions = append(spec.Instructions, asm.Mov.Imm(asm.R0, result), asm.Return())
	return ebpf.NewProgramWithOptions(&spec, ebpf.ProgramOptions{LogDisabled: true})
}

// reason puts the error of a trial into words.
func reason(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w (EPERM)", what, ErrRefused)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w (EACCES)", what, ErrRefused)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%s: %w", what, errors.ErrUnsupported)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func tryRingBuffer() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if errors.Is(err, unix.EINVAL) {
		return errors.New("this kernel has no BPF ring buffer (Linux 5.8 brought it)")
	}
	if err == nil {
		m.Close()
	}
	return reason("create a ring buffer", err)
}

func trySKStorage() error {
	integer := &btf.Int{Size: 4, Encoding: btf.Signed}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.SkStorage, Flags: unix.BPF_F_NO_PREALLOC, KeySize: 4, ValueSize: 4,
		Key: integer, Value: integer,
	})
	if err == nil {
		m.Close()
	}
	return reason("create a socket storage", err)
}

// tryKernelMemory loads a program that reads kernel memory: lockdown=confidentiality takes the helper away.
func tryKernelMemory(lockdown string) error {
	p, err := pass(ebpf.ProgramSpec{
		Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress,
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, -8),
			asm.Mov.Imm(asm.R2, 8),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnProbeReadKernel.Call(),
		},
	}, 1)
	if err == nil {
		p.Close()
		return nil
	}
	if lockdown == "confidentiality" {
		return errors.New("the kernel is locked down (confidentiality), which forbids BPF to read it: " +
			"boot with lockdown=integrity or without")
	}
	return reason("read kernel memory", err)
}

func tryCgroupSKB(root string) error {
	for _, at := range []ebpf.AttachType{ebpf.AttachCGroupInetEgress, ebpf.AttachCGroupInetIngress} {
		p, err := pass(ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: at}, 1)
		if err != nil {
			return reason("load a cgroup_skb program", err)
		}
		err = attachCgroup(p, at, root)
		p.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func attachCgroup(p *ebpf.Program, at ebpf.AttachType, root string) error {
	if root == "" {
		return nil // Cgroup2 says why
	}
	l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: at, Program: p})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("attach a cgroup_skb program at %s: %w, or another tool holds the root cgroup for itself", root,
			ErrRefused)
	}
	if err != nil {
		return reason("attach a cgroup_skb program at "+root, err)
	}
	return l.Close()
}

func tryKprobe() error {
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.Kprobe}, 0)
	if err != nil {
		return reason("load a kprobe program", err)
	}
	defer p.Close()
	l, err := link.Kprobe(tried, p, nil)
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("this kernel has no kprobes (CONFIG_KPROBE_EVENTS), or no %s to put one on", tried)
	}
	if err != nil {
		return reason("attach kprobe/"+tried, err)
	}
	return l.Close()
}

func tryFentry(types error) error {
	if types != nil {
		return types
	}
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: tried}, 0)
	if err != nil {
		return reason("load fentry/"+tried, err)
	}
	defer p.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: p})
	if err != nil {
		return reason("attach fentry/"+tried, err)
	}
	return l.Close()
}

func tryTCX() error {
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.SchedCLS}, tcxNext)
	if err != nil {
		return reason("load a tc program", err)
	}
	defer p.Close()
	l, err := link.AttachTCX(link.TCXOptions{Interface: loopbackIndex, Program: p, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) {
		return errors.New("this kernel has no TCX (Linux 6.6 brought it)")
	}
	if err != nil {
		return reason("attach a TCX program to lo", err)
	}
	return l.Close()
}
