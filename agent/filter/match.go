// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sonde/agent/model"
)

// Filter is a compiled Config. It is immutable, so safe for concurrent use; nil lets everything pass. Matching does not
// allocate.
type Filter struct{ allow, deny terms }

// The ends that a term looks at. A kind that has all three is followed by the kinds of the other two.
const (
	endEither = iota
	endClient
	endServer
	ends
)

// terms is one compiled side. Sets of words are bits, one per value of the model's type.
type terms struct {
	kinds        uint32 // bit per kind that is set
	applications uint64
	transports   uint8
	types        uint8
	roles        uint8
	outcomes     uint8
	everyText    bool // all of texts must be found
	ports        [ends][]uint16
	prefixes     [ends][]netip.Prefix
	processes    [ends][]string
	services     [ends][]string
	pids         []uint32
	containers   []string // in lower case, as dnsNames
	statuses     []statusRange
	methods      []string
	paths        []*regexp.Regexp
	dnsNames     []string
	traces       []model.TraceID
	atLeast      time.Duration
	texts        [][]byte // letters of ASCII in lower case
}

// onlyRequests are the kinds that no flow has.
const onlyRequests uint32 = 1<<kindHTTPStatus | 1<<kindHTTPMethod | 1<<kindHTTPPath | 1<<kindOutcome | 1<<kindDNSName |
	1<<kindTraceID | 1<<kindMinDuration

func (t *terms) has(k kind) bool { return t.kinds&(1<<k) != 0 }

// subject is the event that is held against the terms.
type subject struct {
	event          uint8 // typeRequest or typeFlow
	protocol       model.Protocol
	transport      uint8
	role           model.Role
	client, server *model.Endpoint
	request        *model.Request // nil for flows
	flow           *model.Flow    // nil for requests
}

// Request tells whether r passes.
func (f *Filter) Request(r *model.Request) bool {
	if f == nil {
		return true
	}
	return f.pass(&subject{
		event: typeRequest, protocol: r.Protocol, transport: carrier(r.Transport), role: r.Role,
		client: &r.Client, server: &r.Server, request: r,
	})
}

// Flow tells whether fl passes.
func (f *Filter) Flow(fl *model.Flow) bool {
	if f == nil {
		return true
	}
	return f.pass(&subject{
		event: typeFlow, protocol: fl.Protocol, transport: transportOf(fl), role: fl.Role,
		client: &fl.Client, server: &fl.Server, flow: fl,
	})
}

// Lost tells whether a report of loss passes. Only --type can hold it back: what was lost may have matched the rest.
func (f *Filter) Lost(*model.Loss) bool {
	if f == nil {
		return true
	}
	return f.wants(typeLost)
}

// Traces tells whether f asks for the identifiers of traces, which requests have only where somebody traces.
func (f *Filter) Traces() bool {
	return f != nil && (f.allow.has(kindTraceID) || f.deny.has(kindTraceID))
}

func (f *Filter) wants(event uint8) bool {
	return (!f.allow.has(kindType) || f.allow.types&event != 0) && f.deny.types&event == 0
}

func (f *Filter) pass(s *subject) bool {
	for k := range kindCount {
		if f.allow.has(k) && !f.allow.match(k, s) || f.deny.has(k) && f.deny.match(k, s) {
			return false
		}
	}
	return true
}

// match tells whether any value of kind k is that of s.
func (t *terms) match(k kind, s *subject) bool {
	switch k {
	case kindProtocol:
		return t.applications&(1<<s.protocol) != 0 || t.transports&s.transport != 0
	case kindPort, kindFromPort, kindToPort:
		return t.atEnd(k-kindPort, s, (*terms).port)
	case kindIP, kindFromIP, kindToIP:
		return t.atEnd(k-kindIP, s, (*terms).address)
	case kindProcess, kindFromProcess, kindToProcess:
		return t.atEnd(k-kindProcess, s, (*terms).process)
	case kindService, kindFromService, kindToService:
		return t.atEnd(k-kindService, s, (*terms).service)
	case kindContainer:
		return t.contained(s.client.Process) || t.contained(s.server.Process)
	case kindPID:
		return t.observed(s)
	case kindType:
		return t.types&s.event != 0
	case kindRole:
		return t.roles&(1<<s.role) != 0
	case kindText:
		return t.found(s)
	}
	return s.request != nil && t.matchRequest(k, s.request)
}

func (t *terms) matchRequest(k kind, r *model.Request) bool {
	switch k {
	case kindOutcome:
		return t.outcomes&(1<<r.Outcome) != 0
	case kindMinDuration:
		return r.Duration() >= t.atLeast
	case kindTraceID:
		return slices.Contains(t.traces, r.Span.TraceID)
	case kindDNSName:
		return r.DNS != nil && t.looksUp(r.DNS.Name)
	}
	return r.HTTP != nil && t.matchHTTP(k, r.HTTP)
}

func (t *terms) matchHTTP(k kind, h *model.HTTP) bool {
	switch k {
	case kindHTTPStatus:
		return slices.ContainsFunc(t.statuses, func(r statusRange) bool { return r.from <= h.Status && h.Status <= r.to })
	case kindHTTPMethod:
		return slices.ContainsFunc(t.methods, func(m string) bool { return strings.EqualFold(m, h.Method) })
	case kindHTTPPath: // no path is one that was not seen: not even .* says what it was
		return h.Path != "" && slices.ContainsFunc(t.paths, func(re *regexp.Regexp) bool { return re.MatchString(h.Path) })
	}
	return false
}

// atEnd asks matches of the end, or of either.
func (t *terms) atEnd(end kind, s *subject, matches func(t *terms, end kind, e *model.Endpoint) bool) bool {
	return end != endServer && matches(t, end, s.client) || end != endClient && matches(t, end, s.server)
}

func (t *terms) port(end kind, e *model.Endpoint) bool {
	return slices.Contains(t.ports[end], e.Addr.Port())
}

// address ignores the zone of link-local addresses, which no prefix has.
func (t *terms) address(end kind, e *model.Endpoint) bool {
	a := e.Addr.Addr().WithZone("")
	return slices.ContainsFunc(t.prefixes[end], func(p netip.Prefix) bool { return p.Contains(a) })
}

func (t *terms) process(end kind, e *model.Endpoint) bool {
	return e.Process != nil && matchesAny(t.processes[end], e.Process.Name)
}

func (t *terms) service(end kind, e *model.Endpoint) bool {
	return e.Process != nil && matchesAny(t.services[end], e.Process.ServiceName)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return glob(pattern, name) })
}

func (t *terms) contained(p *model.Process) bool {
	return p != nil && p.ContainerID != "" && slices.ContainsFunc(t.containers, func(id string) bool {
		return len(id) <= len(p.ContainerID) && strings.EqualFold(id, p.ContainerID[:len(id)])
	})
}

// looksUp compares in lower case: resolvers that mix the case of a query, against forged answers, mean the same name.
func (t *terms) looksUp(name string) bool {
	var room [256]byte // longer than any name, RFC 1035 2.3.4
	lowered := appendLower(room[:0], name)
	return slices.ContainsFunc(t.dnsNames, func(pattern string) bool { return glob(pattern, lowered) })
}

func (t *terms) observed(s *subject) bool {
	switch s.role {
	case model.RoleClient:
		return t.owned(s.client.Process)
	case model.RoleServer:
		return t.owned(s.server.Process)
	}
	return t.owned(s.client.Process) || t.owned(s.server.Process)
}

func (t *terms) owned(p *model.Process) bool { return p != nil && slices.Contains(t.pids, p.PID) }

// glob matches * and ? and takes everything else as it stands: path.Match would give brackets and slashes a meaning,
// and processes are called "kworker/0:1" and "runc:[2:INIT]". It takes at most len(pattern)*len(name) steps.
func glob[S string | []byte](pattern string, name S) bool {
	p, n := 0, 0
	star, resume := -1, 0 // where to go on after a mismatch: behind the last *, one character further
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			n += width(name[n:])
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			resume += width(name[resume:])
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// width is the length of the first character of s, 1 for a byte that begins none.
func width[S string | []byte](s S) int {
	var room [utf8.UTFMax]byte
	_, n := utf8.DecodeRune(room[:copy(room[:], s)])
	return n
}
