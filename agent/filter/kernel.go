// SPDX-License-Identifier: Apache-2.0

package filter

import "slices"

// Scope is what the kernel may leave out for a Filter. It never leaves out more than the Filter does, and it may keep
// more: user space matches again. Empty lists leave out nothing.
type Scope struct {
	// Requests and Flows are false when none can pass. Payload is needed for requests, and to name Flow.Protocol.
	Requests, Flows bool

	// Ports: at least one end must have one of them; where --to-port or --from-port asks for it, either end. NotPorts: no end may have any.
	Ports, NotPorts []uint16

	// PIDs are the owners of the sockets to keep, NotPIDs those to leave out. They hold for sockets whose owner the
	// kernel knows, where that owner is the process reported for the observed end, and where the role is known. Packets
	// on interfaces, and sockets with an owner yet unknown, are kept.
	PIDs, NotPIDs []uint32
}

// Kernel returns the scope of f. It is a pure function; the slices belong to the caller.
func (f *Filter) Kernel() Scope {
	if f == nil {
		return Scope{Requests: true, Flows: true}
	}
	return Scope{
		Requests: f.wants(typeRequest),
		Flows:    f.wants(typeFlow) && f.allow.kinds&onlyRequests == 0,
		Ports:    f.kernelPorts(),
		NotPorts: slices.Clone(f.deny.ports[endEither]), // a port that is denied to one end may be the other's
		PIDs:     slices.Clone(f.allow.pids),
		NotPIDs:  slices.Clone(f.deny.pids),
	}
}

// kernelPorts: the kernel looks at both ends and takes one list, so it gets one of those that must match. The ports of servers
// are fewer than those of clients.
func (f *Filter) kernelPorts() []uint16 {
	for _, end := range []int{endEither, endServer, endClient} {
		if len(f.allow.ports[end]) > 0 {
			return slices.Clone(f.allow.ports[end])
		}
	}
	return nil
}
