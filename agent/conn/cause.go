// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/probes/event"
)

// begin tells the tracer of a request whose head the parser of the current connection has read.
func (t *Tracker) begin(b protocol.Begin) uint64 {
	c := t.current
	if t.talking != nil || c.self { // no protocol over datagrams tells of beginnings
		return 0
	}
	s := &t.started
	*s = model.Started{
		Conn: c.id, Role: roleOf(b), Client: c.local, Server: c.remote, NetNS: c.netns, Process: c.process,
		Seq: c.dirs[b.Dir].stream.SeqAt(b.At), Stream: b.Stream, Start: b.Start, Fields: b.Fields,
		Pushed: b.Pushed, Late: b.Late,
	}
	if s.Role == model.RoleServer {
		s.Client, s.Server = c.remote, c.local
	}
	if t.config.Wire {
		s.Role = model.RoleWire
	}
	token := t.tracer.Begin(s)
	s.Fields, s.Process = nil, nil
	return token
}

// Limits of the sockets older than the agent whose sender was told before their first bytes: how many, and how long before.
const (
	maxUntold    = 256
	untoldBefore = 10 * time.Millisecond
)

// tellUse tells the tracer of the sender of a socket that was not known when it was told, right before its first bytes: senders
// are told of once. Something older is of another socket at the same address.
func (t *Tracker) tellUse(sock uint64, at time.Duration) {
	e, ok := t.untold[sock]
	if !ok {
		return
	}
	delete(t.untold, sock)
	if at-event.Time(&e.Hdr) < untoldBefore {
		t.use(&e)
	}
}

// roleOf returns the role that a request will be emitted with.
func roleOf(b protocol.Begin) model.Role {
	if b.Pushed {
		return protocol.RoleOf(b.Dir.Other())
	}
	return protocol.RoleOf(b.Dir)
}

// use tells the tracer who used a socket.
func (t *Tracker) use(e *event.Use) bool {
	if e == nil {
		return false
	}
	if t.tracer == nil {
		return true
	}
	u := &t.used
	*u = model.Use{
		Kind: model.UseKind(e.Use), Stream: e.Stream, Time: event.Time(&e.Hdr),
		Actor: model.Actor{
			PID: uint32(e.PidTgid >> 32), TID: uint32(e.PidTgid), Started: time.Duration(e.ThreadStart), Creator: e.Creator,
			Goroutine: e.Goid, ParentGoroutine: e.ParentGoid, StartPC: e.StartPc,
			Unjudged: e.Hdr.Flags&event.UseUnjudged != 0,
		},
	}
	if e.Hdr.Sock != 0 || u.Kind != model.UseServe {
		c := t.conns[e.Hdr.Sock]
		if c == nil {
			t.keepUse(e)
			return true
		}
		if c.self {
			return true
		}
		u.Conn = c.id
	}
	t.tracer.Use(u)
	return true
}

func (t *Tracker) keepUse(e *event.Use) {
	if e.Use != event.UseSend {
		return
	}
	if len(t.untold) >= maxUntold {
		clear(t.untold)
	}
	t.untold[e.Hdr.Sock] = *e
}
