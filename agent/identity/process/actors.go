// SPDX-License-Identifier: Apache-2.0

package process

import (
	"time"

	"sonde/agent/model"
)

// maxComms bounds the names that are remembered to notice an exec; beyond it they are learnt anew.
const maxComms = 65536

// Actors identifies processes by what the kernel knew of them when they used a socket, and decides when what a Resolver
// remembers is out of date. Not safe for concurrent use.
type Actors struct {
	resolver *Resolver
	comms    map[uint32]seen
}

// seen is what the kernel said of a PID when it was last asked about.
type seen struct {
	started time.Duration
	comm    string
}

// NewActors returns an Actors over a resolver.
func NewActors(r *Resolver) *Actors {
	return &Actors{resolver: r, comms: map[uint32]seen{}}
}

// Identify returns the identity of a process that used a socket. started (since boot, 0 when unknown) tells a reused PID
// apart, a changed comm an exec. It never returns nil.
func (a *Actors) Identify(pid uint32, started time.Duration, comm string, cgroupID uint64) *model.Process {
	now, was := seen{started, comm}, a.comms[pid]
	if now != was {
		if len(a.comms) >= maxComms {
			clear(a.comms)
		}
		a.comms[pid] = now
		if started != 0 { // 0: listed from /proc, which is what the resolver reads anyway
			a.resolver.Exec(pid)
		}
	}
	return a.resolver.Seen(pid, comm, cgroupID)
}
