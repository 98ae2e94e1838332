// SPDX-License-Identifier: Apache-2.0

package hooks

import (
	"fmt"
	"slices"
	"strings"

	"sonde/probes/kernel"
)

// Kind is a way to be called by the kernel.
type Kind string

// The kinds that a plan may hold. All of them only watch.
const (
	CgroupSKB     Kind = "cgroup_skb"
	RawTracepoint Kind = "raw_tp"
	Fentry        Kind = "fentry"
	Kprobe        Kind = "kprobe"
	TCX           Kind = "tcx"
	Clsact        Kind = "clsact"
)

// ThreadStart is the probe that is attached only where causes are asked for.
const ThreadStart = "thread_start"

// Hook is one program and its place.
type Hook struct {
	Probe   string // what it is for, as "conn_state"
	Object  string // which BPF object holds it: "payload", "conn" or "packet"
	Program string // its name in that object
	Kind    Kind
	// Target is the directory of the cgroup, the tracepoint or the kernel function; empty for tcx and clsact, which go to
	// each interface.
	Target   string
	Why      string
	Rejected []Rejected // better ones that this kernel or the user does not allow
}

// Rejected is a hook that was considered before the chosen one.
type Rejected struct {
	Kind   Kind
	Target string
	Reason string
}

// Missing is a probe that no hook was found for.
type Missing struct {
	Probe       string
	Consequence string // what sonde then does not show
	Reasons     []Rejected
}

// Plan is what to attach, in this order. It holds no kernel object and may be kept.
type Plan struct {
	Hooks   []Hook
	Missing []Missing

	required error
}

// candidate is a hook with the reason why it cannot be used, or nil.
type candidate struct {
	Hook
	err error
}

// New chooses. An unknown value in c counts as auto; Config.Validate tells the user.
func New(f *kernel.Features, c Config) Plan {
	var p Plan
	p.choose("payload_egress", payloadLost, payload(f, "payload_egress"))
	p.choose("payload_ingress", payloadLost, payload(f, "payload_ingress"))
	p.choose("conn_state", stateLost, conn(f, c, "conn_state", "inet_sock_set_state", "tcp_set_state"))
	p.choose("conn_recv", recvLost, conn(f, c, "conn_recv", "tcp_rcv_space_adjust", "tcp_rcv_space_adjust"))
	p.choose("conn_send", sendLost, conn(f, c, "conn_send", "sock_send_length", "security_socket_sendmsg"))
	p.choose(ThreadStart, threadLost, threadStart(f))
	p.choose("drop", dropLost, drop(f))
	p.choose("packet_ingress", packetLost, packet(f, c, "packet_ingress"))
	p.choose("packet_egress", packetLost, packet(f, c, "packet_egress"))
	return p
}

func (p *Plan) choose(probe, consequence string, candidates []candidate) {
	var rejected []Rejected
	for _, c := range candidates {
		if c.err == nil {
			c.Probe, c.Rejected = probe, rejected
			p.Hooks = append(p.Hooks, c.Hook)
			return
		}
		rejected = append(rejected, Rejected{c.Kind, c.Target, c.err.Error()})
	}
	p.Missing = append(p.Missing, Missing{probe, consequence, rejected})
	if strings.HasPrefix(probe, "payload") && p.required == nil {
		p.required = fmt.Errorf("no request can be seen on this machine: %w", candidates[0].err)
	}
}

// Required returns nil when requests can be seen, else one sentence that says what is missing and what to do. It wraps the
// *kernel.NeedRights when rights are what is missing.
func (p Plan) Required() error { return p.required }

// Hook returns the hook of a probe.
func (p Plan) Hook(probe string) (Hook, bool) {
	i := slices.IndexFunc(p.Hooks, func(h Hook) bool { return h.Probe == probe })
	if i < 0 {
		return Hook{}, false
	}
	return p.Hooks[i], true
}
