// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// emptyPrograms occupies the hooks of sonde's HTTP path with programs that only return: the price of being there at all.
type emptyPrograms struct {
	programs []*ebpf.Program
	links    []link.Link
}

// tracepoints on the way of a request. Kernels before 6.3 lack sock_send_length; it is left out there.
var tracepoints = []string{"inet_sock_set_state", "tcp_rcv_space_adjust", "sock_send_length"}

func attachEmpty() (*emptyPrograms, error) {
	_ = rlimit.RemoveMemlock() // kernels before 5.11 charge programs to it; elsewhere a failure does not matter
	e := &emptyPrograms{}
	root, err := cgroup2Root()
	if err != nil {
		return nil, err
	}
	for _, attach := range []ebpf.AttachType{ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress} {
		p, err := e.load(ebpf.CGroupSKB, attach)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		l, err := link.AttachCgroup(link.CgroupOptions{Path: root, Attach: attach, Program: p})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach to %s: %w", root, err), e.Close())
		}
		e.links = append(e.links, l)
	}
	for _, name := range tracepoints {
		p, err := e.load(ebpf.RawTracepoint, ebpf.AttachNone)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: p})
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach to tracepoint %s: %w", name, err), e.Close())
		}
		e.links = append(e.links, l)
	}
	return e, nil
}

func (e *emptyPrograms) load(kind ebpf.ProgramType, attach ebpf.AttachType) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "bench_empty", Type: kind, AttachType: attach, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load empty program: %w", err)
	}
	e.programs = append(e.programs, p)
	return p, nil
}

// Close detaches the programs.
func (e *emptyPrograms) Close() error {
	var err error
	for _, l := range e.links {
		err = errors.Join(err, l.Close())
	}
	for _, p := range e.programs {
		err = errors.Join(err, p.Close())
	}
	return err
}

// cgroup2Root is where the cgroup2 hierarchy is mounted: it depends on the machine's layout.
func cgroup2Root() (string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")
}
