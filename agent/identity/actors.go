// SPDX-License-Identifier: Apache-2.0

// Package identity says who is behind a connection, from what the kernel knew of a process when it used the socket.
//
// Reading the machine is left to the packages below; this one decides when what they remember is out of date. Called by
// agent/conn through a function value.
package identity

import (
	"time"

	"sonde/agent/identity/process"
	"sonde/agent/model"
)

// maxComms bounds the names that are remembered to notice an exec; beyond it they are learnt anew.
const maxComms = 65536

// Actors identifies processes by what the kernel reports of them. Not safe for concurrent use.
type Actors struct {
	resolver *process.Resolver
	comms    map[uint32]seen
}

// seen is what the kernel said of a PID when it was last asked about.
type seen struct {
	started time.Duration
	comm    string
}

// NewActors returns an Actors over a resolver.
func NewActors(r *process.Resolver) *Actors {
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
		if was != (seen{}) && was.started != 0 && started != 0 {
			a.resolver.Exec(pid)
		}
	}
	return a.resolver.Seen(pid, comm, cgroupID)
}
