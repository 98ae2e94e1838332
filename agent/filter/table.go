// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Flag describes a filter flag for help texts and completion.
type Flag struct {
	Name    string // without the dashes
	Accepts string // what values are understood
	Usage   string // what is looked at

	// Values are words to suggest: all that there are of a closed list, common ones of an open one, nil where they are what
	// the traffic has.
	Values []string

	// Like is the flag whose values this one takes too: "service" for "from-service", its own name for most.
	Like string
}

// kind is what a term looks at.
type kind uint8

// The kinds with two more behind them look at either end, at the client, at the server, in this order; see end.
const (
	kindProtocol kind = iota
	kindPort
	kindFromPort
	kindToPort
	kindIP
	kindFromIP
	kindToIP
	kindPID
	kindProcess
	kindFromProcess
	kindToProcess
	kindService
	kindFromService
	kindToService
	kindContainer
	kindHTTPStatus
	kindHTTPMethod
	kindHTTPPath
	kindDNSName
	kindTraceID
	kindMinDuration
	kindType
	kindRole
	kindOutcome
	kindText
	kindCount
)

// entry is what there is to know of a kind but for how it matches.
type entry struct {
	Flag
	field
	whole bool // a comma belongs to the value
}

// field puts values into Terms and gets them out as they are written.
type field struct {
	add    func(t *Terms, value string) bool // false: value cannot be converted
	values func(t *Terms) []string
}

const (
	acceptsPort    = "1 to 65535"
	acceptsIP      = "an address (10.0.0.7, fd00::7) or a prefix (10.0.0.0/8)"
	acceptsName    = "a process name, with * and ? (nginx, postgres*)"
	acceptsService = "a service name, with * and ? (cart, shop-*)"
)

// flags is the one list of filter flags. What Accepts says is also what an error says. Names are Hubble's where it has the flag.
var flags = [kindCount]entry{
	kindProtocol: closed(Flag{Name: "protocol", Usage: "application or transport protocol"}, protocolNames(),
		func(t *Terms) *[]string { return &t.Protocols }),
	kindPort: {
		Flag{Name: "port", Accepts: acceptsPort, Usage: "port of either end"},
		ports(func(t *Terms) *[]uint16 { return &t.Ports }), false,
	},
	kindFromPort: {
		Flag{Name: "from-port", Like: "port", Accepts: acceptsPort, Usage: "port of the client"},
		ports(func(t *Terms) *[]uint16 { return &t.FromPorts }), false,
	},
	kindToPort: {
		Flag{Name: "to-port", Like: "port", Accepts: acceptsPort, Usage: "port of the server"},
		ports(func(t *Terms) *[]uint16 { return &t.ToPorts }), false,
	},
	kindIP: {
		Flag{Name: "ip", Accepts: acceptsIP, Usage: "address of either end"},
		prefixes(func(t *Terms) *[]netip.Prefix { return &t.IPs }), false,
	},
	kindFromIP: {
		Flag{Name: "from-ip", Like: "ip", Accepts: acceptsIP, Usage: "address of the client"},
		prefixes(func(t *Terms) *[]netip.Prefix { return &t.FromIPs }), false,
	},
	kindToIP: {
		Flag{Name: "to-ip", Like: "ip", Accepts: acceptsIP, Usage: "address of the server"},
		prefixes(func(t *Terms) *[]netip.Prefix { return &t.ToIPs }), false,
	},
	kindPID: {
		Flag{Name: "pid", Accepts: "1 to 4294967295", Usage: "process whose socket is observed"},
		pids(func(t *Terms) *[]uint32 { return &t.PIDs }), false,
	},
	kindProcess: {
		Flag{Name: "process", Accepts: acceptsName, Usage: "process name of either end"},
		words(func(t *Terms) *[]string { return &t.Processes }), false,
	},
	kindFromProcess: {
		Flag{Name: "from-process", Like: "process", Accepts: acceptsName, Usage: "process name of the client"},
		words(func(t *Terms) *[]string { return &t.FromProcesses }), false,
	},
	kindToProcess: {
		Flag{Name: "to-process", Like: "process", Accepts: acceptsName, Usage: "process name of the server"},
		words(func(t *Terms) *[]string { return &t.ToProcesses }), false,
	},
	kindService: {
		Flag{Name: "service", Accepts: acceptsService, Usage: "service name of either end"},
		words(func(t *Terms) *[]string { return &t.Services }), false,
	},
	kindFromService: {
		Flag{Name: "from-service", Like: "service", Accepts: acceptsService, Usage: "service name of the client"},
		words(func(t *Terms) *[]string { return &t.FromServices }), false,
	},
	kindToService: {
		Flag{Name: "to-service", Like: "service", Accepts: acceptsService, Usage: "service name of the server"},
		words(func(t *Terms) *[]string { return &t.ToServices }), false,
	},
	kindContainer: {
		Flag{Name: "container", Accepts: "a container id or its beginning (3f4a, 3f4a9c0d21be)", Usage: "container of either end"},
		words(func(t *Terms) *[]string { return &t.Containers }), false,
	},
	kindHTTPStatus: {
		Flag{
			Name: "http-status", Accepts: "404, 5+ for all that begin with 5, 40+, or a range 400-499",
			Usage: "HTTP status", Values: []string{"2+", "3+", "4+", "5+"},
		},
		words(func(t *Terms) *[]string { return &t.HTTPStatuses }), false,
	},
	kindHTTPMethod: {
		Flag{
			Name: "http-method", Accepts: "a method (GET, post)", Usage: "HTTP method, in any case",
			Values: []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"},
		},
		words(func(t *Terms) *[]string { return &t.HTTPMethods }), false,
	},
	kindHTTPPath: {
		Flag{Name: "http-path", Accepts: "a regular expression (RE2)", Usage: "HTTP path without query"},
		words(func(t *Terms) *[]string { return &t.HTTPPaths }), true,
	},
	kindDNSName: {
		Flag{Name: "dns-name", Accepts: "a name, with * and ? (shop.example, *.internal)", Usage: "name that is looked up"},
		words(func(t *Terms) *[]string { return &t.DNSNames }), false,
	},
	kindTraceID: {
		Flag{Name: "trace-id", Accepts: "32 hex digits", Usage: "trace of a request"},
		words(func(t *Terms) *[]string { return &t.TraceIDs }), false,
	},
	kindMinDuration: {
		Flag{
			Name: "min-duration", Accepts: "a duration with its unit (250ms, 1.5s)", Usage: "requests that took at least this long",
			Values: []string{"10ms", "100ms", "500ms", "1s", "5s"},
		},
		durations(func(t *Terms) *[]time.Duration { return &t.MinDurations }), false,
	},
	kindType: closed(Flag{Name: "type", Usage: "kind of event"}, typeNames,
		func(t *Terms) *[]string { return &t.Types }),
	kindRole: closed(Flag{Name: "role", Usage: "end that was observed"}, roleNames,
		func(t *Terms) *[]string { return &t.Roles }),
	kindOutcome: closed(Flag{Name: "outcome", Usage: "outcome of a request"}, outcomeNames,
		func(t *Terms) *[]string { return &t.Outcomes }),
	kindText: {
		Flag{
			Name: "text", Accepts: "a text of at least one character",
			Usage: "text in names, addresses, paths, queries and statuses, in any case; all that are given must be there",
		},
		words(func(t *Terms) *[]string { return &t.Texts }), true,
	},
}

const (
	typeNames    = "request, flow, lost"
	roleNames    = "client, server, wire"
	outcomeNames = "ok, error, incomplete"
)

// closed makes the entry of a flag that takes the words of a list.
func closed(f Flag, list string, of func(*Terms) *[]string) entry {
	f.Accepts, f.Values = list, strings.Split(list, ", ")
	return entry{f, words(of), false}
}

// words are values that are kept as they were written.
func words(of func(*Terms) *[]string) field {
	return listed(of, func(s string) (string, bool) { return s, true }, func(s string) string { return s })
}

func ports(of func(*Terms) *[]uint16) field {
	return listed(of, func(s string) (uint16, bool) {
		n, err := strconv.ParseUint(s, 10, 16)
		return uint16(n), err == nil && n > 0
	}, func(n uint16) string { return strconv.FormatUint(uint64(n), 10) })
}

func pids(of func(*Terms) *[]uint32) field {
	return listed(of, func(s string) (uint32, bool) {
		n, err := strconv.ParseUint(s, 10, 32)
		return uint32(n), err == nil && n > 0
	}, func(n uint32) string { return strconv.FormatUint(uint64(n), 10) })
}

func prefixes(of func(*Terms) *[]netip.Prefix) field {
	return listed(of, parsePrefix, func(p netip.Prefix) string {
		if p.IsSingleIP() {
			return p.Addr().String()
		}
		return p.String()
	})
}

func durations(of func(*Terms) *[]time.Duration) field {
	return listed(of, func(s string) (time.Duration, bool) {
		d, err := time.ParseDuration(s)
		return d, err == nil && d > 0
	}, time.Duration.String)
}

// listed makes a field of a list of values.
func listed[V any](of func(*Terms) *[]V, parse func(string) (V, bool), written func(V) string) field {
	return field{
		func(t *Terms, value string) bool {
			v, ok := parse(value)
			if ok {
				*of(t) = append(*of(t), v)
			}
			return ok
		},
		func(t *Terms) []string {
			var out []string
			for _, v := range *of(t) {
				out = append(out, written(v))
			}
			return out
		},
	}
}

// kindOf finds a kind by the name of its flag.
func kindOf(name string) (kind, bool) {
	for k := range kindCount {
		if flags[k].Name == name {
			return k, true
		}
	}
	return 0, false
}
