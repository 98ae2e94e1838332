// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"sonde/agent/model"
)

// Filter is a compiled Config. It is immutable, so safe for concurrent use; nil lets everything pass. Matching does not
// allocate.
type Filter struct{ allow, deny terms }

// terms is one compiled side. Sets of words are bits, one per value of the model's type.
type terms struct {
	kinds        uint16 // bit per kind that is set
	applications uint64
	transports   uint8
	types        uint8
	roles        uint8
	outcomes     uint8
	ports        []uint16
	prefixes     []netip.Prefix
	pids         []uint32
	names        []string
	statuses     []statusRange
	methods      []string
	paths        []*regexp.Regexp
}

// onlyRequests are the kinds that no flow has.
const onlyRequests uint16 = 1<<kindHTTPStatus | 1<<kindHTTPMethod | 1<<kindHTTPPath | 1<<kindOutcome

func (t *terms) has(k kind) bool { return t.kinds&(1<<k) != 0 }

func (t *terms) note(k kind, values int) {
	if values > 0 {
		t.kinds |= 1 << k
	}
}

// subject is the event that is held against the terms.
type subject struct {
	event          uint8 // typeRequest or typeFlow
	protocol       model.Protocol
	transport      uint8
	role           model.Role
	client, server *model.Endpoint
	outcome        model.Outcome
	http           *model.HTTP // nil for flows
}

// Request tells whether r passes.
func (f *Filter) Request(r *model.Request) bool {
	if f == nil {
		return true
	}
	return f.pass(&subject{
		event: typeRequest, protocol: r.Protocol, transport: carrier(r.Transport), role: r.Role,
		client: &r.Client, server: &r.Server, outcome: r.Outcome, http: r.HTTP,
	})
}

// Flow tells whether fl passes.
func (f *Filter) Flow(fl *model.Flow) bool {
	if f == nil {
		return true
	}
	return f.pass(&subject{
		event: typeFlow, protocol: fl.Protocol, transport: transportOf(fl), role: fl.Role,
		client: &fl.Client, server: &fl.Server,
	})
}

// Lost tells whether a report of loss passes. Only --type can hold it back: what was lost may have matched the rest.
func (f *Filter) Lost(*model.Loss) bool {
	if f == nil {
		return true
	}
	return f.wants(typeLost)
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
	case kindPort:
		return slices.Contains(t.ports, s.client.Addr.Port()) || slices.Contains(t.ports, s.server.Addr.Port())
	case kindIP:
		return t.contains(s.client.Addr.Addr()) || t.contains(s.server.Addr.Addr())
	case kindPID:
		return t.observed(s)
	case kindProcess:
		return t.named(s.client.Process) || t.named(s.server.Process)
	case kindType:
		return t.types&s.event != 0
	case kindRole:
		return t.roles&(1<<s.role) != 0
	case kindOutcome:
		return s.event == typeRequest && t.outcomes&(1<<s.outcome) != 0
	}
	return s.http != nil && t.matchHTTP(k, s.http)
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

// contains ignores the zone of link-local addresses, which no prefix has.
func (t *terms) contains(a netip.Addr) bool {
	a = a.WithZone("")
	return slices.ContainsFunc(t.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
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

func (t *terms) named(p *model.Process) bool {
	return p != nil && slices.ContainsFunc(t.names, func(pattern string) bool { return glob(pattern, p.Name) })
}

// glob matches * and ? and takes everything else as it stands: path.Match would give brackets and slashes a meaning,
// and processes are called "kworker/0:1" and "runc:[2:INIT]". It takes at most len(pattern)*len(name) steps.
func glob(pattern, name string) bool {
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
func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
