// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"sonde/agent/model"
	"sonde/agent/units"
)

// Request implements pipeline.Sink.
func (s *Store) Request(r *model.Request) {
	if !s.watched.Load() {
		return
	}
	e := s.keep(r)
	operation := s.operation(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(r.End)
	s.observed++
	e.at = s.now
	o := e.observation()
	s.countRequest(r, &e, &o, s.groupsOf(r, operation))
	e.twin = s.twins.of(r, s.ring.end)
	s.ring.add(&e, s.config.Requests, s.config.RequestBytes)
}

// keep makes the entry of r, without its groups.
func (s *Store) keep(r *model.Request) entry {
	own := s.ownRequest(r)
	e := entry{
		request: own, took: r.Duration(), conn: r.Conn, trace: binary.BigEndian.Uint64(r.Span.TraceID[:]), bits: bitsOf(r),
		bytes: uint32(own.Footprint() + entryBytes),
	}
	if s.words.Failed(r) {
		e.flags |= entryFailed
	}
	if endUnseen(r) {
		e.flags |= entryIncomplete
	}
	return e
}

// endUnseen tells whether r has no duration. A call on a connection older than the agent may be incomplete for its status alone,
// which refers to a field from before: its end was seen.
func endUnseen(r *model.Request) bool {
	return r.Outcome == model.OutcomeIncomplete && r.Reason != "status_unknown"
}

// withHTTP is a request and its detail in one piece of memory: most have this one.
type withHTTP struct {
	request model.Request
	http    model.HTTP
}

// slabRequests is how many of them are made at once. They are forgotten nearly at once too: the ring keeps them in their order.
const slabRequests = 16

// ownRequest copies r. What trace context was found in is left out, nobody asks for it.
func (s *Store) ownRequest(r *model.Request) *model.Request {
	if r.Fields != nil {
		bare := *r
		bare.Fields = nil
		r = &bare
	}
	if r.HTTP == nil {
		return r.Clone()
	}
	if len(s.slab) == 0 {
		s.slab = make([]withHTTP, slabRequests)
	}
	own := &s.slab[0]
	s.slab = s.slab[1:]
	own.request.HTTP = &own.http
	r.CloneInto(&own.request)
	return &own.request
}

// bitsOf tells what edges and routes want to know of r besides its duration.
func bitsOf(r *model.Request) uint32 {
	bits := bitPlain
	if r.TLS != nil || r.HTTP != nil && r.HTTP.Scheme == "https" {
		bits = bitTLS
	}
	if r.Role == model.RoleWire || r.Role == model.RoleUnknown {
		bits |= bitWire
	}
	return bits
}

// maxOperation bounds the name of an operation.
const maxOperation = 255

// operation is valid until the next call.
func (s *Store) operation(r *model.Request) []byte {
	s.scratch = s.words.AppendOperation(s.scratch[:0], r)
	return s.scratch[:min(len(s.scratch), maxOperation)]
}

// recentBits is the size of the table of recent requests, as a power of two.
const recentBits = 12

// recent remembers the groups of the last request between two ends for an operation. Ends are the same that are named the same:
// one process, or one address where the process is not known, whatever the connection.
type recent struct {
	operation        string
	role             model.Role
	protocol         model.Protocol
	client           netip.Addr     // zero where the process is known
	server           netip.AddrPort // the same
	asking, answered *model.Process
	groups           [names]*group // by kind, nil where it counts in none

	noted  uint64     // connection that was noted last for the client's end
	looked lookedConn // for the server's end
	met    met        // what was found for it
}

// lookedConn is a connection whose other end was looked for, and in which version of the meetings.
type lookedConn struct{ conn, version uint64 }

// endpoints are the fields of recent that tell whose request it is.
func endpoints(r *model.Request) recent {
	c := recent{role: r.Role, protocol: r.Protocol, asking: r.Client.Process, answered: r.Server.Process}
	if c.asking == nil {
		c.client = r.Client.Addr.Addr()
	}
	if c.answered == nil {
		c.server = r.Server.Addr
	}
	return c
}

func (c *recent) is(r *model.Request, operation []byte) bool {
	return c.role == r.Role && c.protocol == r.Protocol && c.asking == r.Client.Process && c.answered == r.Server.Process &&
		c.operation == string(operation) && (c.asking != nil || c.client == r.Client.Addr.Addr()) &&
		(c.answered != nil || c.server == r.Server.Addr)
}

// gone tells whether a group was forgotten meanwhile. The one that takes what finds no room is looked up again each time: there
// may be room by now.
func (c *recent) gone() bool {
	for _, g := range c.groups {
		if g != nil && (g.gone || g.rest) {
			return true
		}
	}
	return false
}

// placeOf is where the groups of r may be remembered.
func (s *Store) placeOf(r *model.Request, operation []byte) *recent {
	const golden = 0x9E3779B97F4A7C15 // Knuth's multiplier
	h := maphash.Bytes(s.seed, operation) ^ uint64(r.Role)
	if p := r.Client.Process; p != nil {
		h = (h + uint64(p.PID)) * golden
	} else {
		h = (h + maphash.Comparable(s.seed, r.Client.Addr.Addr())) * golden
	}
	if p := r.Server.Process; p != nil {
		h = (h ^ uint64(p.PID)) * golden
	} else {
		h = (h ^ maphash.Comparable(s.seed, r.Server.Addr)) * golden
	}
	return &s.recent[h>>(64-recentBits)]
}

func (s *Store) groupsOf(r *model.Request, operation []byte) *recent {
	if s.recent == nil { // a store that nobody watches does without
		s.recent = new([1 << recentBits]recent)
	}
	c := s.placeOf(r, operation)
	if c.groups[edges] != nil && c.is(r, operation) && !c.gone() {
		return c
	}
	*c = endpoints(r)
	c.operation = string(operation)
	client, server, protocol := s.clientName(&r.Client), s.serverName(&r.Server), protocolName(r.Protocol)
	c.groups[edges] = s.tables[edges].find(key{a: client, b: server, c: protocol}, nil, s.now)
	c.groups[routes] = s.tables[routes].find(key{a: server, b: c.operation, c: protocol}, nil, s.now)
	if p := r.Local().Process; p != nil {
		c.groups[services] = s.tables[services].find(key{a: p.ServiceName}, nil, s.now)
		c.groups[processes] = s.tables[processes].find(key{a: p.ServiceName, b: p.Name, pid: p.PID}, p, s.now)
	} else if r.Role == model.RoleWire {
		c.groups[services] = s.tables[services].find(key{a: server}, nil, s.now)
	}
	return c
}

// countRequest counts r everywhere, and completes its entry.
func (s *Store) countRequest(r *model.Request, e *entry, o *observation, c *recent) {
	e.groups = c.groups
	e.groups[edges], e.groups[routes] = s.meet(r, c)
	route := e.groups[routes]
	if isSlow(r, s.config.Slow, route.slow) {
		e.flags |= entrySlow
	}
	side := e.side()
	s.count(e.groups[edges], side, o)
	s.count(route, side, o)
	s.countLocal(r, e, o, side)
	if r.DNS != nil {
		s.countLookup(r, e, o, side)
	}
}

// countLocal counts the service and the process of the observed end.
func (s *Store) countLocal(r *model.Request, e *entry, o *observation, side uint8) {
	mine := *o
	mine.bits = 0
	if side == sideServer {
		mine.bits = 1 << r.Protocol
	}
	for _, k := range [...]kind{services, processes} {
		if g := e.groups[k]; g != nil {
			s.count(g, side, &mine)
		}
	}
}

// countLookup counts a name that was looked up.
func (s *Store) countLookup(r *model.Request, e *entry, o *observation, side uint8) {
	edge := e.groups[edges]
	s.count(s.tables[names].find(nameKey(r), nil, s.now), side, o)
	s.count(s.tables[lookups].find(lookupKey(r, edge.key.a, edge.key.b), nil, s.now), side, o)
}

// nameKey is the key among names of a lookup.
func nameKey(r *model.Request) key {
	code := r.DNS.RCode
	if code == "" {
		code = "timeout"
	}
	return key{a: dnsName(r.DNS), b: r.DNS.Type, c: code}
}

// lookupKey is the key among lookups. Each end of a datagram knows itself and but an address in place of the other, whose name
// the edge may have.
func lookupKey(r *model.Request, client, server string) key {
	if p := r.Client.Process; p != nil {
		client = p.ServiceName
	}
	if p := r.Server.Process; p != nil {
		server = p.ServiceName
	}
	return key{a: dnsName(r.DNS), b: client, c: server}
}

// dnsName is the name in lower case: resolvers mix cases to make forgeries harder, it is one name all the same (RFC 4343).
func dnsName(d *model.DNS) string { return strings.ToLower(d.Name) }

// isSlow tells whether r took far longer than its operation does. A session that stays open is not slow, and of what did not
// end nobody knows.
func isSlow(r *model.Request, always, operation time.Duration) bool {
	if r.WebSocket != nil || endUnseen(r) {
		return false
	}
	took := r.Duration()
	return always > 0 && took >= always || operation > 0 && took >= operation
}

// protocolName is what rows say of a protocol.
func protocolName(p model.Protocol) string {
	if name := p.String(); name != "" {
		return name
	}
	return "unknown"
}

// clientName is the service of a client, or its address: ports of clients differ with each connection.
func (s *Store) clientName(e *model.Endpoint) string {
	if e.Process != nil {
		return e.Process.ServiceName
	}
	return s.text(netip.AddrPortFrom(e.Addr.Addr(), 0))
}

// serverName is the service of a server, or its address with the port, which tells what it serves.
func (s *Store) serverName(e *model.Endpoint) string {
	if e.Process != nil {
		return e.Process.ServiceName
	}
	return s.text(e.Addr)
}

// maxTexts bounds the addresses whose texts are remembered.
const maxTexts = 4096

func (s *Store) text(a netip.AddrPort) string {
	t, known := s.texts[a]
	if !known {
		if len(s.texts) >= maxTexts {
			clear(s.texts)
		}
		t = string(units.AppendAddr(nil, a))
		s.texts[a] = t
	}
	return t
}
