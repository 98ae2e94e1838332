// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"
	"time"

	"sonde/agent/model"
)

// SpanOf returns the identifier of a request that is remembered.
func (t *Tracer) SpanOf(token uint64) model.SpanID {
	if r := t.byToken(token); r != nil {
		return r.id
	}
	return model.SpanID{}
}

// Sizes returns how much is held, for tests of the bounds.
func (t *Tracer) Sizes() (requests, conns, actors, processes, indexed int) {
	return len(t.requests) - len(t.free), len(t.conns), len(t.actors), len(t.processes),
		len(t.ends[0]) + len(t.ends[1]) + len(t.traces) + len(t.adopters)
}

// Tuple and RequestID make identifiers as Begin does.
func Tuple(client, server netip.AddrPort) uint64 { return tupleOf(client, server) }

func RequestID(tuple uint64, seq, stream uint32, start time.Duration, role model.Role) model.SpanID {
	return spanID(hashOf(wireOf(tuple, seq, stream), start, role))
}
