// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

//go:embed bpf
var sources embed.FS

// variant is one row of the comparison: a source, the settings it is compiled with, and its programs.
type variant struct {
	name     string
	source   string
	defines  string
	programs []string
}

var (
	rawCalls   = []string{"raw_enter", "raw_exit"}
	tracedCall = []string{"tp_enter", "tp_exit"}
	packets    = []string{"skb_ingress", "skb_egress"}
	destroyed  = "sock_destroy"
)

var variants = []variant{
	{name: "none"},
	{"a-empty", "empty", "", rawCalls},
	{"a", "syscall", "", append(rawCalls[:2:2], destroyed)},
	{"a2-empty", "empty", "", tracedCall},
	{"a2", "syscall", "", append(tracedCall[:2:2], destroyed)},
	{"b-empty", "empty", "", packets},
	{"b-128", "packet", "-DBUDGET=128", packets},
	{"b", "packet", "", packets},
	{"b-1536", "packet", "-DBUDGET=1536", packets},
	{"b+actor", "packet", "", append(packets[:2:2], "actor_read")},
	{"b+actor2", "packet", "", append(packets[:2:2], "actor_recv", "actor_send")},
	{"b-2rings", "packet", "-DRINGS=2", packets},
	{"tcx-lo", "packet", "", []string{"device_ingress"}},
}

// steps cut (b) short to see where its time goes; only BPF time is measured.
var steps = []variant{
	{"b, parsed only", "packet", "-DSTOP=STOP_PARSED", packets},
	{"b, parsed and counted", "packet", "-DSTOP=STOP_COUNTED", packets},
	{"b, record reserved and discarded", "packet", "-DSTOP=STOP_RESERVED", packets},
	{"b without tcp facts", "packet", "-DTCP_FACTS=0", packets},
	{"b-2rings without tcp facts", "packet", "-DRINGS=2 -DTCP_FACTS=0", packets},
}

var watchedCalls = []string{"read", "write", "readv", "writev", "sendto", "recvfrom", "sendmsg", "recvmsg"}

func pickVariants(names string) []variant {
	var picked []variant
	for _, v := range variants {
		if v.name == "none" || strings.Contains(","+names+",", ","+v.name+",") {
			picked = append(picked, v)
		}
	}
	return picked
}

// objects maps a source and its settings to the compiled file.
type objects map[string]string

// compile writes the kernel's types and one object per source and settings into dir. vmlinux.h is 3 MB and belongs to
// the running kernel, so it is generated instead of kept.
func compile(dir string) (objects, error) {
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, fmt.Errorf("unpack BPF sources: %w", err)
	}
	src := filepath.Join(dir, "bpf")
	types, err := exec.Command("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c").Output()
	if err != nil {
		return nil, fmt.Errorf("dump kernel types with bpftool: %w", err)
	}
	if err := os.WriteFile(filepath.Join(src, "vmlinux.h"), types, 0o644); err != nil {
		return nil, err
	}
	built := objects{}
	for _, v := range append(slices.Clone(variants), steps...) {
		key := v.object()
		if v.source == "" || built[key] != "" {
			continue
		}
		out := filepath.Join(dir, fmt.Sprintf("%d.o", len(built)))
		args := append(strings.Fields(v.defines), "-O2", "-g", "-mcpu=v3", "-target", "bpf", "-Wall", "-Werror",
			"-I"+src, "-c", filepath.Join(src, v.source+".bpf.c"), "-o", out)
		if text, err := exec.Command("clang", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile %s: %w\n%s", key, err, text)
		}
		built[key] = out
	}
	return built, nil
}

func (v variant) object() string { return v.source + " " + v.defines }

// attached is a loaded variant on its hooks. The links must stay referenced: the collector would detach them.
type attached struct {
	coll  *ebpf.Collection
	links []link.Link
}

func attach(v variant, objects objects) (*attached, error) {
	spec, err := ebpf.LoadCollectionSpec(objects[v.object()])
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	for name := range spec.Programs {
		if !strings.Contains(","+strings.Join(v.programs, ",")+",", ","+name+",") {
			delete(spec.Programs, name)
		}
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	a := &attached{coll: coll}
	if ignored := coll.Maps["ignored_tgids"]; ignored != nil {
		if err := ignored.Put(uint32(os.Getpid()), uint8(1)); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	for _, name := range v.programs {
		links, err := attachProgram(name, coll.Programs[name])
		a.links = append(a.links, links...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), a.Close())
		}
	}
	return a, nil
}

func attachProgram(name string, prog *ebpf.Program) ([]link.Link, error) {
	var l link.Link
	var err error
	switch name {
	case "tp_enter":
		return attachCalls("sys_enter_", prog)
	case "tp_exit":
		return attachCalls("sys_exit_", prog)
	case "skb_ingress":
		l, err = attachCgroup(ebpf.AttachCGroupInetIngress, prog)
	case "skb_egress":
		l, err = attachCgroup(ebpf.AttachCGroupInetEgress, prog)
	case "device_ingress", "device_drop":
		l, err = link.AttachTCX(link.TCXOptions{Interface: 1, Program: prog, Attach: ebpf.AttachTCXIngress})
	default:
		l, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: rawTracepoint[name], Program: prog})
	}
	if err != nil {
		return nil, err
	}
	return []link.Link{l}, nil
}

var rawTracepoint = map[string]string{
	"raw_enter":    "sys_enter",
	"raw_exit":     "sys_exit",
	"sock_destroy": "tcp_destroy_sock",
	"actor_read":   "tcp_rcv_space_adjust",
	"actor_recv":   "sock_recv_length",
	"actor_send":   "sock_send_length",
}

func attachCalls(prefix string, prog *ebpf.Program) ([]link.Link, error) {
	var links []link.Link
	for _, call := range watchedCalls {
		l, err := link.Tracepoint("syscalls", prefix+call, prog, nil)
		if err != nil {
			return links, err
		}
		links = append(links, l)
	}
	return links, nil
}

func attachCgroup(how ebpf.AttachType, prog *ebpf.Program) (link.Link, error) {
	root, err := cgroup2Root()
	if err != nil {
		return nil, err
	}
	return link.AttachCgroup(link.CgroupOptions{Path: root, Attach: how, Program: prog})
}

// cgroup2Root finds the mount of the unified hierarchy, which is not /sys/fs/cgroup on hybrid systems.
func cgroup2Root() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup2 mount: mount -t cgroup2 none /sys/fs/cgroup/unified")
}

// bpfTime returns the time spent in the programs and their runs; zero unless kernel statistics are on.
func (a *attached) bpfTime() (spent time.Duration, runs uint64, err error) {
	for _, p := range a.coll.Programs {
		stats, err := p.Stats()
		if err != nil {
			return 0, 0, err
		}
		spent += stats.Runtime
		runs += stats.RunCount
	}
	return spent, runs, nil
}

// lost sums the kernel's own loss counters: ring full, memory unreadable, map full.
func (a *attached) lost() (sum [3]uint64, err error) {
	m := a.coll.Maps["lost"]
	if m == nil {
		return sum, nil
	}
	for reason := range sum {
		var perCPU []uint64
		if err := m.Lookup(uint32(reason), &perCPU); err != nil {
			return sum, err
		}
		for _, n := range perCPU {
			sum[reason] += n
		}
	}
	return sum, nil
}

func (a *attached) Close() error {
	var errs []error
	for _, l := range a.links {
		errs = append(errs, l.Close())
	}
	a.coll.Close()
	return errors.Join(errs...)
}

var _ io.Closer = (*attached)(nil)
