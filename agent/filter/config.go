// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"sonde/agent/model"
)

// Terms is one side of a filter. An empty slice says nothing.
type Terms struct {
	Protocols    []string       // of the application ("http") or the transport ("tcp", "udp", "icmp", ...)
	Ports        []uint16       // of either end
	IPs          []netip.Prefix // that contain either end; ParseIP makes one of a bare address
	PIDs         []uint32       // of the observed end, in the root PID namespace
	Processes    []string       // names of either known end: * is any run of characters, ? is one
	HTTPStatuses []string       // "404", "5+" or "40+" for all that begin so, "400-499"
	HTTPMethods  []string       // in any case
	HTTPPaths    []string       // RE2 expressions that match anywhere in the path; the query is no part of it
	Types        []string       // "request", "flow", "lost"
	Roles        []string       // "client", "server", "wire"
	Outcomes     []string       // of requests: "ok", "error", "incomplete"
}

// Config is a filter as it is written down. The zero value lets everything pass.
type Config struct {
	Allow Terms // every kind that is set must match
	Deny  Terms // no kind that is set may match
}

// Default returns the filter that lets everything pass.
func Default() Config { return Config{} }

// Validate reports what Compile would.
func (c Config) Validate() error {
	_, err := Compile(c)
	return err
}

// kind is what a term looks at.
type kind uint8

const (
	kindProtocol kind = iota
	kindPort
	kindIP
	kindPID
	kindProcess
	kindHTTPStatus
	kindHTTPMethod
	kindHTTPPath
	kindType
	kindRole
	kindOutcome
	kindCount
)

// flags is the one list of filter flags. What Accepts says is also what an error says.
var flags = [kindCount]Flag{
	kindProtocol:   {"protocol", protocolNames(), "application or transport protocol"},
	kindPort:       {"port", "1 to 65535", "port of either end"},
	kindIP:         {"ip", "an address (10.0.0.7, fd00::7) or a prefix (10.0.0.0/8)", "address of either end"},
	kindPID:        {"pid", "1 to 4294967295", "process whose socket is observed"},
	kindProcess:    {"process", "a process name, with * and ? (nginx, postgres*)", "process name of either end"},
	kindHTTPStatus: {"http-status", "404, 5+ for all that begin with 5, 40+, or a range 400-499", "HTTP status"},
	kindHTTPMethod: {"http-method", "a method (GET, post)", "HTTP method, in any case"},
	kindHTTPPath:   {"http-path", "a regular expression (RE2)", "HTTP path without query"},
	kindType:       {"type", typeNames, "kind of event"},
	kindRole:       {"role", roleNames, "end that was observed"},
	kindOutcome:    {"outcome", outcomeNames, "outcome of a request"},
}

const (
	typeNames    = "request, flow, lost"
	roleNames    = "client, server, wire"
	outcomeNames = "ok, error, incomplete"
)

// reject is the error for a value of a flag.
func reject(k kind, value any) error {
	return fmt.Errorf("--%s %q: accepted are %s", flags[k].Name, fmt.Sprint(value), flags[k].Accepts)
}

// Compile checks a Config and makes it fast. Its error names every value that is not understood, the flag that it was
// given to and what that accepts; and the flags that exclude each other.
func Compile(c Config) (*Filter, error) {
	allow, errAllow := compile(c.Allow)
	deny, errDeny := compile(c.Deny)
	if err := errors.Join(errAllow, errDeny); err != nil {
		return nil, err
	}
	if err := allow.conflict(); err != nil {
		return nil, err
	}
	return &Filter{allow: allow, deny: deny}, nil
}

// conflict finds a filter that can match nothing at all: terms of requests without requests.
func (t *terms) conflict() error {
	if !t.has(kindType) || t.types&typeRequest != 0 {
		return nil
	}
	for k := range kindCount {
		if t.has(k) && onlyRequests&(1<<k) != 0 {
			return fmt.Errorf("--%s looks at requests, which --type leaves out: add --type request", flags[k].Name)
		}
	}
	return nil
}

func compile(in Terms) (terms, error) {
	t := terms{
		ports:   slices.Clone(in.Ports),
		pids:    slices.Clone(in.PIDs),
		names:   slices.Clone(in.Processes),
		methods: slices.Clone(in.HTTPMethods),
	}
	t.note(kindPort, len(in.Ports))
	t.note(kindPID, len(in.PIDs))
	t.note(kindIP, len(in.IPs))
	t.note(kindProcess, len(in.Processes))
	t.note(kindHTTPMethod, len(in.HTTPMethods))
	err := errors.Join(
		bad(kindPort, in.Ports, func(p uint16) bool { return p != 0 }),
		bad(kindPID, in.PIDs, func(p uint32) bool { return p != 0 }),
		bad(kindProcess, in.Processes, func(s string) bool { return s != "" }),
		bad(kindHTTPMethod, in.HTTPMethods, isMethod),
		bad(kindIP, in.IPs, netip.Prefix.IsValid),
	)
	for _, p := range in.IPs {
		t.prefixes = append(t.prefixes, unmapped(p))
	}
	return t, errors.Join(err, t.compileNames(in), t.compileHTTP(in))
}

// bad joins an error for each value that is not ok.
func bad[V any](k kind, values []V, ok func(V) bool) error {
	var errs []error
	for _, v := range values {
		if !ok(v) {
			errs = append(errs, reject(k, v))
		}
	}
	return errors.Join(errs...)
}

// compileNames turns the words of closed lists into bits.
func (t *terms) compileNames(in Terms) error {
	t.note(kindProtocol, len(in.Protocols))
	t.note(kindType, len(in.Types))
	t.note(kindRole, len(in.Roles))
	t.note(kindOutcome, len(in.Outcomes))
	return errors.Join(
		bad(kindProtocol, in.Protocols, func(s string) bool {
			application, transport := protocolBits(lower(s))
			t.applications |= application
			t.transports |= transport
			return application != 0 || transport != 0
		}),
		bad(kindType, in.Types, func(s string) bool { return add(&t.types, typeBit(lower(s))) }),
		bad(kindRole, in.Roles, func(s string) bool { return add(&t.roles, roleBit(lower(s))) }),
		bad(kindOutcome, in.Outcomes, func(s string) bool { return add(&t.outcomes, outcomeBit(lower(s))) }),
	)
}

func (t *terms) compileHTTP(in Terms) error {
	t.note(kindHTTPStatus, len(in.HTTPStatuses))
	t.note(kindHTTPPath, len(in.HTTPPaths))
	err := bad(kindHTTPStatus, in.HTTPStatuses, func(s string) bool {
		r, ok := parseStatus(strings.TrimSpace(s))
		t.statuses = append(t.statuses, r)
		return ok
	})
	errs := []error{err}
	for _, expression := range in.HTTPPaths {
		re, err := regexp.Compile(expression)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", reject(kindHTTPPath, expression), err))
			continue
		}
		t.paths = append(t.paths, re)
	}
	return errors.Join(errs...)
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func add(set *uint8, bit uint8) bool {
	*set |= bit
	return bit != 0
}

const (
	typeRequest uint8 = 1 << iota
	typeFlow
	typeLost
)

func typeBit(s string) uint8 {
	switch s {
	case "request":
		return typeRequest
	case "flow":
		return typeFlow
	case "lost":
		return typeLost
	}
	return 0
}

func roleBit(s string) uint8 {
	for _, r := range []model.Role{model.RoleClient, model.RoleServer, model.RoleWire} {
		if s == r.String() {
			return 1 << r
		}
	}
	return 0
}

func outcomeBit(s string) uint8 {
	for _, o := range []model.Outcome{model.OutcomeOK, model.OutcomeError, model.OutcomeIncomplete} {
		if s == o.String() {
			return 1 << o
		}
	}
	return 0
}

// isMethod tells whether s is a token, RFC 9110 5.6.2, as any method is.
func isMethod(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		return !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}) < 0
}

// unmapped makes an IPv4 prefix of one that was written in IPv6: addresses in the model are unmapped.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// ParseIP reads the value of --ip: an address, which stands for itself alone, or a prefix.
func ParseIP(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return unmapped(netip.PrefixFrom(addr, addr.BitLen())), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, reject(kindIP, s)
	}
	return unmapped(p.Masked()), nil
}
