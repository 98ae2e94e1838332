// SPDX-License-Identifier: Apache-2.0

package hooks

import (
	"errors"
	"fmt"

	"sonde/probes/kernel"
)

// What is lost without a probe.
const (
	payloadLost = "no request is seen, and no byte of a socket is counted"
	stateLost   = "TCP connections are seen from their first bytes on: not who opened them, when, or how they failed; " +
		"they end by timeout"
	recvLost = "the process behind an accepted connection is known only once it sends, or when it held the socket before " +
		"sonde started"
	sendLost = "which process sends and answers over UDP (DNS) is not known, nor one that only sends on a TCP connection " +
		"that another one opened"
	threadLost = "a request that a thread sends which was started to do so has no cause"
	dropLost   = "packets that the kernel drops are not counted"

	packetLost = "packets that cross interfaces are not counted: forwarded traffic, ICMP, sockets that are not TCP or UDP"
)

// first returns the first lack, in the order in which a user has to mend them.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// payload has one candidate: nothing else sees the bytes of every socket whatever call the application makes
// (docs/design/0001-capture-point.md).
func payload(f *kernel.Features, program string) []candidate {
	return []candidate{{
		Hook: Hook{
			Object: "payload", Program: program, Kind: CgroupSKB, Target: f.Cgroup2Root,
			Why: "at the root of cgroup v2 every packet of every local socket passes, whatever call the application used",
		},
		err: first(f.Rights, f.BTF, f.RingBuffer, f.KernelMemory, f.SKStorage, f.CgroupSKB, f.Cgroup2),
	}}
}

// conn lists the flavours of one probe. The raw tracepoint comes first: it costs as many instructions as fentry, is there
// on every kernel, and its arguments are not those of a function that may be renamed or inlined.
func conn(f *kernel.Features, c Config, probe, tracepoint, function string) []candidate {
	base := first(f.Rights, f.BTF, f.RingBuffer, f.KernelMemory)
	return []candidate{
		{
			Hook: Hook{
				Object: "conn", Program: probe + "_tp", Kind: RawTracepoint, Target: tracepoint,
				Why: "as cheap as fentry, and a tracepoint changes less between kernels than a function",
			},
			err: first(base, c.excludes(RawTracepoint), f.RawTracepoint(tracepoint)),
		},
		{
			Hook: Hook{
				Object: "conn", Program: probe + "_fe", Kind: Fentry, Target: function,
				Why: "the cheapest hook on a kernel function",
			},
			err: first(base, c.excludes(Fentry), f.Fentry, f.NoFunction[function]),
		},
		{
			Hook: Hook{
				Object: "conn", Program: probe + "_kp", Kind: Kprobe, Target: function,
				Why: "works on any function, at the price of a breakpoint or a jump",
			},
			err: first(base, c.excludes(Kprobe), f.Kprobe, f.NoFunction[function]),
		},
	}
}

// threadStart has one candidate: nothing else tells of a thread before it runs.
func threadStart(f *kernel.Features) []candidate {
	return []candidate{{
		Hook: Hook{
			Object: "conn", Program: "thread_started", Kind: RawTracepoint, Target: "task_newtask",
			Why: "called by the thread that starts another one, before that runs; only where causes are asked for",
		},
		err: first(f.Rights, f.BTF, f.RingBuffer, f.KernelMemory, f.RawTracepoint("task_newtask")),
	}}
}

// drop: a program that reads more arguments than the tracepoint has cannot be attached, so there is one per signature.
func drop(f *kernel.Features) []candidate {
	base := first(f.Rights, f.BTF, f.RingBuffer, f.KernelMemory, f.RawTracepoint("kfree_skb"))
	var reason error
	if args := f.Tracepoints["kfree_skb"].Args; args == 0 {
		reason = errors.New("BTF does not tell how many arguments the tracepoint has")
	} else if args < 3 {
		reason = fmt.Errorf("the tracepoint has %d arguments here, the reason is the third (since Linux 5.17)", args)
	}
	return []candidate{
		{
			Hook: Hook{
				Object: "conn", Program: "drop_reason", Kind: RawTracepoint, Target: "kfree_skb",
				Why: "the kernel says why it drops a packet",
			},
			err: first(base, reason),
		},
		{
			Hook: Hook{
				Object: "conn", Program: "drop_any", Kind: RawTracepoint, Target: "kfree_skb",
				Why: "counts drops; this kernel does not say why",
			},
			err: base,
		},
	}
}

func packet(f *kernel.Features, c Config, program string) []candidate {
	base := first(f.Rights, f.RingBuffer)
	clsact := f.Clsact
	if errors.Is(clsact, kernel.ErrNotTried) {
		clsact = nil // attaching decides
	}
	return []candidate{
		{
			Hook: Hook{
				Object: "packet", Program: program, Kind: TCX,
				Why: "half the instructions of clsact, and no qdisc to share with other tools",
			},
			err: first(c.excludesTC(TCTCX), base, f.TCX),
		},
		{
			Hook: Hook{
				Object: "packet", Program: program, Kind: Clsact,
				Why: "every kernel has it",
			},
			err: first(c.excludesTC(TCClsact), base, clsact),
		},
	}
}

// excludesTC is the reason when way is not wanted.
func (c Config) excludesTC(way TC) error {
	switch {
	case c.TC == TCOff:
		return errors.New("switched off")
	case c.TC == TCTCX && way != TCTCX, c.TC == TCClsact && way != TCClsact:
		return fmt.Errorf("%s is asked for", c.TC)
	}
	return nil
}
