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
		Conn: c.id, Role: protocol.RoleOf(b.Dir), Client: c.local, Server: c.remote, NetNS: c.netns, Process: c.process,
		Seq: c.dirs[b.Dir].stream.SeqAt(b.At), Stream: b.Stream, Start: b.Start, Fields: b.Fields,
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

// use tells the tracer who used a socket. A socket of which nothing passed yet since the agent started is not known: its first
// request has no cause.
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
		},
	}
	if e.Hdr.Sock != 0 || u.Kind != model.UseServe {
		c := t.conns[e.Hdr.Sock]
		if c == nil || c.self {
			return true
		}
		u.Conn = c.id
	}
	t.tracer.Use(u)
	return true
}
