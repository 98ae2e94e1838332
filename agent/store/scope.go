// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"sonde/agent/model"
	"sonde/agent/units"
	"sonde/agent/view"
)

// answers tells whether groups of a kind know all that a scope asks for.
func answers(k kind, within *view.Scope) bool {
	rest := *within
	switch k {
	case services:
		rest.Service = ""
	case routes:
		rest.Service, rest.Route, rest.Protocol = "", "", ""
	case edges:
		rest.Service, rest.Client, rest.Server, rest.Protocol = "", "", "", ""
	case processes:
		rest.PID, rest.Service = 0, ""
	case names, lookups:
		rest.DNSName = ""
	}
	return rest == view.Scope{}
}

// inScope tells whether a group, of a kind that answers within, belongs to it.
func inScope(g *group, within *view.Scope) bool {
	is := func(wanted, have string) bool { return wanted == "" || wanted == have }
	switch g.kind {
	case services:
		return is(within.Service, g.key.a)
	case routes:
		return is(within.Service, g.key.a) && is(within.Route, g.key.b) && is(within.Protocol, g.key.c)
	case edges:
		return is(within.Client, g.key.a) && isServer(within.Server, g.key.b) && isServer(within.Service, g.key.b) &&
			is(within.Protocol, g.key.c)
	case processes:
		return is(within.Service, g.key.a) && (within.PID == 0 || within.PID == g.key.pid)
	}
	return is(within.DNSName, g.key.a)
}

// isServer compares names of servers. Those of edges have a port where they are addresses, those of flows have it apart.
func isServer(wanted, have string) bool {
	if wanted == "" || wanted == have {
		return true
	}
	if len(have) <= len(wanted) || have[0] != '[' && have[len(wanted)] != ':' { // as it is nearly always
		return false
	}
	a, err := netip.ParseAddrPort(have)
	return err == nil && a.Addr().String() == wanted
}

// requestScope holds kept requests against a scope and a filter.
type requestScope struct {
	b       *builder
	within  view.Scope
	trace   model.TraceID
	begin   uint64 // of trace
	unbound bool   // everything passes
}

func (b *builder) requestScope() *requestScope {
	if b.scope == nil {
		b.scope = b.newRequestScope()
	}
	return b.scope
}

func (b *builder) newRequestScope() *requestScope {
	s := &requestScope{b: b, within: b.q.Within}
	if n, err := hex.Decode(s.trace[:], []byte(s.within.Trace)); err != nil || n < len(s.trace) {
		s.trace = model.TraceID{}
	}
	s.begin = binary.BigEndian.Uint64(s.trace[:])
	s.unbound = b.filter == nil && s.within == view.Scope{}
	return s
}

// passes looks at what is cheap first: most scopes are decided before the request is touched.
func (s *requestScope) passes(id uint64, e *entry) bool {
	w := &s.within
	switch {
	case s.unbound:
		return true
	case w.Request != 0 && w.Request != id, w.Conn != 0 && w.Conn != e.conn, w.Trace != "" && s.begin != e.trace:
		return false
	case w.Route != "" && w.Route != s.b.operation(e), w.Service != "" && !isServer(w.Service, s.b.serverOf(e)):
		return false
	case w.Client != "" && w.Client != s.b.clientOf(e), w.Server != "" && !isServer(w.Server, s.b.serverOf(e)):
		return false
	case w.Protocol != "" && w.Protocol != protocolName(e.request.Protocol), w.Port != 0 && w.Port != e.request.Server.Addr.Port():
		return false
	case w.PID != 0 && !hasPID(e.request, w.PID), w.Trace != "" && s.trace != e.request.Span.TraceID:
		return false
	case w.DNSName != "" && (e.request.DNS == nil || dnsName(e.request.DNS) != w.DNSName):
		return false
	}
	return s.b.filter == nil || s.b.filter.Request(e.request)
}

// hasPID looks at the observed end, as --pid does.
func hasPID(r *model.Request, pid uint32) bool {
	is := func(p *model.Process) bool { return p != nil && p.PID == pid }
	if r.Role == model.RoleClient || r.Role == model.RoleServer {
		return is(r.Local().Process)
	}
	return is(r.Client.Process) || is(r.Server.Process)
}

// clientOf names the client of a kept request as its row does.
func (b *builder) clientOf(e *entry) string {
	if g := e.groups[edges]; !g.rest {
		return g.key.a
	}
	return b.nameOf(&e.request.Client, 0)
}

func (b *builder) serverOf(e *entry) string {
	if g := e.groups[edges]; !g.rest {
		return g.key.b
	}
	return b.nameOf(&e.request.Server, e.request.Server.Addr.Port())
}

func (b *builder) nameOf(e *model.Endpoint, port uint16) string {
	if e.Process != nil {
		return e.Process.ServiceName
	}
	return string(units.AppendAddr(nil, netip.AddrPortFrom(e.Addr.Addr(), port)))
}

func (b *builder) operation(e *entry) string {
	if g := e.groups[routes]; !g.rest {
		return g.key.b
	}
	b.scratch = b.w.words.AppendOperation(b.scratch[:0], e.request)
	return string(b.scratch[:min(len(b.scratch), maxOperation)])
}

// keptSince returns the first kept request of the window. What the window has and the ring has not is left out of Covered.
func (b *builder) keptSince() (from uint64, cut bool) {
	r := &b.w.ring
	from = r.sinceTime(b.span.begin())
	if cut = from == r.first && r.first > 1; cut {
		b.coveredSince(r.get(r.first).at)
	}
	return from, cut
}

// eachRequest calls f for the kept requests of the window that the query is about, newest first, and counts rates from
// as much of the window as is kept.
func (b *builder) eachRequest(f func(id uint64, e *entry)) {
	scope := b.requestScope()
	r := &b.w.ring
	from, cut := b.keptSince()
	if cut {
		b.span.covered = b.out.Covered
	}
	for id := r.end - 1; id >= from; id-- {
		if e := r.get(id); scope.passes(id, e) {
			f(id, e)
		}
	}
}

// tallyRequests adds up the kept requests by groups of a kind. All kinds that the page asks for are counted at once.
func (b *builder) tallyRequests(k kind) []pair {
	if b.counted == nil {
		b.countKept()
	}
	return b.counted[k].all
}

func (b *builder) countKept() {
	b.counted = &[kinds]tallies{}
	wanted := needsOf(b.q).kinds
	wanted[services], wanted[edges] = b.q.Page == view.PageServices, b.q.Page != view.PageDNS // the overview counts none of these
	made := map[key]*group{}
	b.eachRequest(func(_ uint64, e *entry) {
		o, side, part := e.observation(), e.side(), b.span.part(e.at)
		for k, is := range wanted {
			if !is {
				continue
			}
			g := b.groupOf(kind(k), e, made)
			if g == nil {
				continue
			}
			o.bits = bitsIn(kind(k), e)
			t := &b.counted[k]
			t.of(g).at(side, &t.room).observe(&o, part)
		}
	})
}

// bitsIn is what countRequest counted in a group of a kind.
func bitsIn(k kind, e *entry) uint32 {
	switch {
	case k != services && k != processes:
		return e.bits
	case e.side() == sideServer:
		return 1 << e.request.Protocol
	}
	return 0
}

// groupOf returns the group that e counted in. Names are not remembered by entries: few are of lookups.
func (b *builder) groupOf(k kind, e *entry, made map[key]*group) *group {
	if k < names {
		return e.groups[k]
	}
	if e.request.DNS == nil {
		return nil
	}
	name := nameKey(e.request)
	if k == lookups {
		name = lookupKey(e.request, b.clientOf(e), b.serverOf(e))
	}
	g := made[name]
	if g == nil {
		g = &group{key: name, kind: k, number: uint32(len(made)) + 1}
		made[name] = g
	}
	return g
}
