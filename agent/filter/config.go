// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"sonde/agent/model"
)

// Terms is one side of a filter. An empty slice says nothing.
type Terms struct {
	Protocols []string // of the application ("http") or the transport ("tcp", "udp", "icmp", ...)

	// Of either end, of the client (From), of the server (To).
	Ports, FromPorts, ToPorts             []uint16
	IPs, FromIPs, ToIPs                   []netip.Prefix // that contain the address; ParseIP makes one of a bare address
	Processes, FromProcesses, ToProcesses []string       // names: * is any run of characters, ? is one
	Services, FromServices, ToServices    []string       // the same of services

	PIDs         []uint32        // of the observed end, in the root PID namespace
	Containers   []string        // identifiers of either known end, or their beginnings, in any case
	HTTPStatuses []string        // "404", "5+" or "40+" for all that begin so, "400-499"
	HTTPMethods  []string        // in any case
	HTTPPaths    []string        // RE2 expressions that match anywhere in the path; the query is no part of it
	DNSNames     []string        // that are looked up, with * and ?, in any case
	TraceIDs     []string        // of requests, 32 hex digits
	MinDurations []time.Duration // of requests; the shortest decides
	Types        []string        // "request", "flow", "lost"
	Roles        []string        // "client", "server", "wire"
	Outcomes     []string        // of requests: "ok", "error", "incomplete"

	// Texts are looked for in what the event says, letters of ASCII in any case: names of processes, services, units and
	// containers of both ends, addresses, protocol, HTTP method, path, route and host, RPC method, summary, operation, collection
	// and namespace of a database command, destination, DNS name, TLS server name, status and error. Unlike the values of other
	// kinds, all of Config.Allow must be found; any of Config.Deny excludes.
	Texts []string
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
	allow.everyText = true
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
		ports:     [ends][]uint16{slices.Clone(in.Ports), slices.Clone(in.FromPorts), slices.Clone(in.ToPorts)},
		processes: [ends][]string{slices.Clone(in.Processes), slices.Clone(in.FromProcesses), slices.Clone(in.ToProcesses)},
		services:  [ends][]string{slices.Clone(in.Services), slices.Clone(in.FromServices), slices.Clone(in.ToServices)},
		pids:      slices.Clone(in.PIDs),
		methods:   slices.Clone(in.HTTPMethods),
	}
	for k := range kindCount {
		if len(flags[k].values(&in)) > 0 {
			t.kinds |= 1 << k
		}
	}
	var errs []error
	for end, prefixes := range [ends][]netip.Prefix{in.IPs, in.FromIPs, in.ToIPs} {
		offset := kind(end)
		errs = append(errs,
			bad(kindPort+offset, t.ports[end], func(p uint16) bool { return p != 0 }),
			bad(kindProcess+offset, t.processes[end], func(s string) bool { return s != "" }),
			bad(kindService+offset, t.services[end], func(s string) bool { return s != "" }),
			bad(kindIP+offset, prefixes, netip.Prefix.IsValid),
		)
		for _, p := range prefixes {
			t.prefixes[end] = append(t.prefixes[end], unmapped(p))
		}
	}
	errs = append(errs,
		bad(kindPID, in.PIDs, func(p uint32) bool { return p != 0 }),
		bad(kindHTTPMethod, in.HTTPMethods, isMethod),
		t.compileNames(in), t.compileHTTP(in), t.compileOthers(in),
	)
	return t, errors.Join(errs...)
}

// compileOthers is for what has a form of its own to compare with.
func (t *terms) compileOthers(in Terms) error {
	return errors.Join(
		bad(kindContainer, in.Containers, func(s string) bool {
			t.containers = append(t.containers, strings.ToLower(s))
			return s != ""
		}),
		bad(kindDNSName, in.DNSNames, func(s string) bool {
			if s != "." {
				s = strings.TrimSuffix(s, ".") // names in the model have no final dot
			}
			t.dnsNames = append(t.dnsNames, strings.ToLower(s))
			return s != ""
		}),
		bad(kindTraceID, in.TraceIDs, func(s string) bool {
			var id model.TraceID
			n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))]))
			t.traces = append(t.traces, id)
			return err == nil && n == len(id) && len(s) == 2*len(id) && !id.IsZero()
		}),
		bad(kindMinDuration, in.MinDurations, func(d time.Duration) bool {
			if t.atLeast == 0 || d < t.atLeast {
				t.atLeast = d
			}
			return d > 0
		}),
		bad(kindText, in.Texts, func(s string) bool {
			t.texts = append(t.texts, appendLower(nil, s))
			return s != ""
		}),
	)
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
	p, ok := parsePrefix(s)
	if !ok {
		return netip.Prefix{}, reject(kindIP, s)
	}
	return p, nil
}

func parsePrefix(s string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return unmapped(netip.PrefixFrom(addr, addr.BitLen())), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return unmapped(p.Masked()), true
}
