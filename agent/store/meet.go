// SPDX-License-Identifier: Apache-2.0

package store

import (
	"net/netip"

	"sonde/agent/model"
)

// meetings remember in which edge and route the server's end of an exchange counted, for the client's end that comes after
// it: an answer is sent before it is received. They are for servers that do not know the process of their client.
type meetings struct {
	addresses generations[meeting, met]
	spans     generations[model.SpanID, met] // of clients whose addresses are rewritten on the way
	version   uint64                         // grows with each address that is new
}

// meeting is what both ends of a connection agree on.
type meeting struct {
	client, server netip.AddrPort
	transport      model.Transport
	protocol       model.Protocol
}

// met is where the server's end counted.
type met struct{ edge, route *group }

// forgotten tells whether the groups are no longer counted in.
func (m *met) forgotten() bool { return m.edge.gone || m.route.gone }

// meet notes the server's end of an exchange. The client's end is moved to where the server's was counted, unless nothing is
// known of that one. c remembers what was found.
func (s *Store) meet(r *model.Request, c *recent) (edge, route *group) {
	switch {
	case r.Role == model.RoleServer && r.Client.Process == nil:
		s.met.note(r, c)
	case r.Role == model.RoleClient && len(s.met.addresses.young) > 0:
		return s.findMet(r, c)
	}
	return c.groups[edges], c.groups[routes]
}

func (m *meetings) note(r *model.Request, c *recent) {
	at := met{c.groups[edges], c.groups[routes]}
	if !r.Span.Parent.IsZero() && !r.Span.ParentRemote {
		m.spans.put(r.Span.Parent, at)
	}
	if c.noted == r.Conn && r.Conn != 0 {
		return
	}
	c.noted = r.Conn
	m.addresses.put(byAddress(r), at)
	m.version++
}

func byAddress(r *model.Request) meeting {
	return meeting{client: r.Client.Addr, server: r.Server.Addr, transport: r.Transport, protocol: r.Protocol}
}

// findMet prefers the span: it is of this very exchange, where the addresses are of its connection.
func (s *Store) findMet(r *model.Request, c *recent) (edge, route *group) {
	if len(s.met.spans.young) > 0 && !r.Span.SpanID.IsZero() {
		if at, known := s.met.spans.get(r.Span.SpanID); known && !at.forgotten() {
			return at.edge, at.route
		}
	}
	if now := (lookedConn{r.Conn, s.met.version}); c.looked != now {
		c.looked = now
		c.met = met{c.groups[edges], c.groups[routes]}
		if at, known := s.met.addresses.get(byAddress(r)); known && !at.forgotten() {
			// The connection's edge is known, the operation is that of this exchange.
			k := key{a: at.route.key.a, b: c.operation, c: protocolName(r.Protocol)}
			c.met = met{at.edge, s.tables[routes].find(k, nil, s.now)}
		}
	}
	if c.met.forgotten() {
		return c.groups[edges], c.groups[routes]
	}
	return c.met.edge, c.met.route
}
