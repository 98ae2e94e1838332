// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"errors"
	"time"
)

// Page names a kind of rows.
type Page string

// The pages. What a page holds is the field of Snapshot of the same name.
const (
	PageServices  Page = "services"  // one row per observed service
	PageRoutes    Page = "routes"    // one row per operation that services answer ("GET /users/{id}", "SELECT orders")
	PageRequests  Page = "requests"  // newest first
	PageFlows     Page = "flows"     // who talks to whom: connections of the same ends, added up
	PageConns     Page = "conns"     // single connections
	PageMap       Page = "map"       // edges of the service graph
	PageProcesses Page = "processes" // one row per process with sockets
	PageDNS       Page = "dns"       // one row per name that was looked up
	PageAgent     Page = "agent"     // sonde itself
	PageTrace     Page = "trace"     // the spans of one trace, Within.Trace, parents before children
	PageRequest   Page = "request"   // one request with everything known of it, Within.Request
)

// Windows are the spans of time that rates and quantiles are kept for.
var Windows = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

// DefaultWindow is the window of a Query that names none.
const DefaultWindow = time.Minute

// DefaultLimit is how many rows a Snapshot holds when the Query does not say. MaxLimit is the most that it ever holds.
const (
	DefaultLimit = 200
	MaxLimit     = 20_000
)

// Query is one question. The zero value but for Page is a good question.
type Query struct {
	Page   Page          `json:"page"`
	Window time.Duration `json:"window_ns,omitempty"` // one of Windows, 0 is DefaultWindow

	// Filter is a line in the grammar of `sonde observe` (agent/filter ParseLine). Rates of a filtered page are counted from
	// the requests that are kept, so Snapshot.Covered may be shorter than the window.
	Filter string `json:"filter,omitempty"`

	Sort    string `json:"sort,omitempty"`    // one of SortKeys(Page), "" is the first of them
	Reverse bool   `json:"reverse,omitempty"` // against the natural order of the key: numbers fall, names rise

	Offset int `json:"offset,omitempty"`
	Limit  int `json:"limit,omitempty"` // 0 is DefaultLimit

	Within Scope  `json:"within,omitzero"`
	Frozen uint64 `json:"frozen,omitempty"` // an identifier that Freeze gave, 0 is the living world
}

// Scope narrows a page to what was entered: all fields that are set must hold. Values are those of the rows.
type Scope struct {
	Service  string `json:"service,omitempty"` // that answers
	Route    string `json:"route,omitempty"`   // Route.Operation; "" is any
	Client   string `json:"client,omitempty"`  // of an Edge or FlowGroup
	Server   string `json:"server,omitempty"`
	Port     uint16 `json:"port,omitempty"` // of the server
	Protocol string `json:"protocol,omitempty"`
	PID      uint32 `json:"pid,omitempty"`
	Conn     uint64 `json:"conn,omitempty"`
	DNSName  string `json:"dns_name,omitempty"`
	Trace    string `json:"trace,omitempty"`   // 32 hex digits
	Request  uint64 `json:"request,omitempty"` // Request.ID
}

// sortKeys has for each page the keys to sort by, the default first.
var sortKeys = map[Page][]string{
	PageServices:  {"rate", "name", "errors", "p50", "p95", "p99", "calls", "cost"},
	PageRoutes:    {"rate", "operation", "errors", "p50", "p95", "p99", "service"},
	PageRequests:  {"time", "duration", "status", "bytes", "server"},
	PageFlows:     {"bytes", "client", "server", "conns", "packets", "rtt", "retransmits", "drops", "failed"},
	PageConns:     {"bytes", "started", "packets", "rtt", "retransmits", "client", "server", "state"},
	PageMap:       {"rate", "client", "server", "errors", "p50", "p95", "p99"},
	PageProcesses: {"rate", "pid", "name", "errors", "p95", "calls", "conns", "bytes"},
	PageDNS:       {"rate", "name", "errors", "p50", "p99", "clients"},
	PageAgent:     {""},
	PageTrace:     {""},
	PageRequest:   {""},
}

// SortKeys returns the keys that a page can be sorted by, the default first; nil for a page that does not exist.
func SortKeys(p Page) []string { return sortKeys[p] }

// Errors that a caller may want to tell apart.
var (
	ErrGone      = errors.New("the frozen world is gone: it was not looked at for too long") // of a Query with Frozen
	ErrBadQuery  = errors.New("bad query")                                                   // wrapped; the text says what is wrong
	ErrCannotNow = errors.New("not possible here")                                           // of Player, for what a source cannot do
)

// World answers queries. Safe for concurrent use; an answer belongs to the caller.
type World interface {
	// Snapshot answers q. It fails for a bad query (ErrBadQuery), a frozen world that is gone (ErrGone), and when the agent
	// at the other end cannot be reached.
	Snapshot(ctx context.Context, q Query) (*Snapshot, error)

	// Freeze keeps the world as it is at this moment for queries with Frozen, while the living one goes on. It is gone after
	// Thaw, or when nobody has asked for it in ten minutes.
	Freeze(ctx context.Context) (uint64, error)
	Thaw(ctx context.Context, frozen uint64) error

	// Values returns what a filter flag may be given, most frequent first: names of processes for "process". It is empty for
	// flags whose values are not collected.
	Values(ctx context.Context, flag string) ([]string, error)
}

// Player is a World whose time can be moved: a recording or a capture that is being played. Positions are wall time, as in
// Playback.
type Player interface {
	World
	Pause(paused bool) error
	Speed(factor float64) error // 0: as fast as the machine can
	Seek(to time.Time) error    // ErrCannotNow for a file that cannot be read again, when to lies in the past
}
