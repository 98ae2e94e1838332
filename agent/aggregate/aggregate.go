// SPDX-License-Identifier: Apache-2.0

// Package aggregate turns requests and flows into series: counts, sums and histograms with bounded label sets.
//
// It is the one store that every rendering of metrics reads, through Snapshot. It keeps nothing per request or per
// connection, knows no output format and no metric name, and has no clock: Tick tells it the time, so that a replay
// gives the same series. The pipeline feeds it from one goroutine; exporters take snapshots from others.
package aggregate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sonde/agent/model"
)

// Config bounds the aggregator.
type Config struct {
	// MaxSeries is the limit of series per metric, the overflow series included.
	MaxSeries int
	// IdleTimeout is the time without change after which a series is no longer shown. It is forgotten, and its counters
	// begin at zero again, after twice that time at the earliest and never before a snapshot was taken without it.
	IdleTimeout time.Duration
	// KnownMethods are the HTTP methods that are labels of their own; others are "_OTHER". Case-sensitive. This is the
	// value of OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, which replaces the default list.
	KnownMethods []string
	// OldRPC shows the durations of RPC under the names of the conventions up to 1.37 as well, which many dashboards ask for.
	// OTEL_SEMCONV_STABILITY_OPT_IN with "rpc/dup" switches it on.
	OldRPC bool
}

// Default returns the limits of OpenTelemetry's SDKs and the methods of its HTTP conventions.
func Default() Config {
	return Config{
		MaxSeries:   2000,
		IdleTimeout: 5 * time.Minute,
		KnownMethods: []string{
			"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY",
		},
	}
}

// OptIn takes the value of OTEL_SEMCONV_STABILITY_OPT_IN, a list with commas. New names are always shown, so that only
// "rpc/dup" changes anything.
func (c *Config) OptIn(list string) {
	for word := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(word) == "rpc/dup" {
			c.OldRPC = true
		}
	}
}

const (
	minSeries  = 10 // below it the overflow series would be all that is left
	maxMethods = 50 // each request is compared with them one by one
)

// Validate says in one sentence what cannot work.
func (c Config) Validate() error {
	if c.MaxSeries < minSeries {
		return fmt.Errorf("the limit of series per metric is %d: it must be at least %d", c.MaxSeries, minSeries)
	}
	if c.IdleTimeout <= 0 {
		return fmt.Errorf("the idle timeout of series is %v: it must be positive", c.IdleTimeout)
	}
	if len(c.KnownMethods) > maxMethods {
		return fmt.Errorf("%d known HTTP methods: at most %d are possible", len(c.KnownMethods), maxMethods)
	}
	if slices.Contains(c.KnownMethods, "") {
		return errors.New("an HTTP method in the list of known methods is empty")
	}
	return nil
}

// Aggregator keeps the series. All methods are safe for concurrent use. Feeding is meant for one goroutine, which a
// snapshot keeps waiting for no longer than it takes to copy a few dozen series.
type Aggregator struct {
	cfg     Config
	self    SelfSource
	methods methodTable

	mu        sync.Mutex // held for one update, or for the copy of one chunk of series
	now       time.Duration
	began     time.Duration // the first time that was told
	addresses addressTexts

	httpServers, httpClients    table[httpKey, httpSeries]
	rpcServers, rpcClients      table[rpcKey, rpcSeries]
	dbServers                   table[dbKey, histogram]
	dbClients                   table[dbKey, dbSeries]
	messagingServers            table[messagingKey, histogram]
	messagingClients, processes table[messagingKey, messagingSeries]
	dnsServers, dnsClients      table[dnsKey, histogram]
	handshakes, sessions        table[sessionKey, histogram]
	recentHTTP                  [1 << placeBits]recentHTTP
	removals                    uint64 // of cells that recentHTTP may remember
	edges                       table[edgeKey, edgeSeries]
	spans                       [model.EvidenceCount][roleCount]uint64
	flows                       table[flowKey, flowCounters]
	ended, failures             table[tcpKey, uint64]
	retransmits                 table[tcpKey, uint64]
	rtt, lifetime               table[tcpKey, histogram]
	unaggregated                table[protocolKey, uint64]
	requestLayout, bodyLayout   *layout
	dbLayout, rowLayout         *layout
	rttLayout, lifetimeLayout   *layout

	snapshots sync.Mutex // one snapshot at a time: only a snapshot removes series
}

// New returns an empty aggregator. cfg must be valid. self is asked at each Snapshot, from the goroutine that takes it;
// nil leaves the agent's own metrics out.
func New(cfg Config, self SelfSource) *Aggregator {
	a := &Aggregator{
		cfg: cfg, self: self, methods: newMethodTable(cfg.KnownMethods), addresses: addressTexts{}, began: -1,
		requestLayout:  newLayout(model.MetricHTTPServerDuration.Bounds(), nanoseconds()),
		bodyLayout:     newLayout(model.MetricHTTPServerRequestBody.Bounds(), ones()),
		dbLayout:       newLayout(model.MetricDBClientDuration.Bounds(), nanoseconds()),
		rowLayout:      newLayout(model.MetricDBClientRows.Bounds(), ones()),
		rttLayout:      newLayout(model.MetricTCPRTT.Bounds(), nanoseconds()),
		lifetimeLayout: newLayout(model.MetricTCPDuration.Bounds(), nanoseconds()),
	}
	n := cfg.MaxSeries
	a.httpServers = newTable[httpSeries](n, a.describeServer)
	a.httpClients = newTable[httpSeries](n, a.describeClient)
	a.rpcServers, a.rpcClients = newTable[rpcSeries](n, describeRPC), newTable[rpcSeries](n, describeRPC)
	a.dbServers, a.dbClients = newTable[histogram](n, describeDB), newTable[dbSeries](n, describeDB)
	a.messagingServers = newTable[histogram](n, describeMessaging)
	a.messagingClients = newTable[messagingSeries](n, describeMessaging)
	a.processes = newTable[messagingSeries](n, describeMessaging)
	a.dnsServers, a.dnsClients = newTable[histogram](n, describeDNS), newTable[histogram](n, describeDNS)
	a.dnsServers.crowded, a.dnsClients.crowded = namesThatComeAgain(), namesThatComeAgain()
	a.handshakes, a.sessions = newTable[histogram](n, describeSession), newTable[histogram](n, describeSession)
	a.edges = newTable[edgeSeries](n, describeEdge)
	a.flows = newTable[flowCounters](n/2, describeFlow) // each key is two series: transmit and receive
	a.ended = newTable[uint64](n, describeTCP(model.AttrOutcome))
	a.failures = newTable[uint64](n, describeTCP(model.AttrErrorType))
	a.retransmits = newTable[uint64](n, describeTCP(model.AttrCount))
	a.rtt = newTable[histogram](n, describeTCP(model.AttrCount))
	a.lifetime = newTable[histogram](n, describeTCP(model.AttrCount))
	a.unaggregated = newTable[uint64](n, describeProtocol)
	forget := func() { a.removals++ }
	a.httpServers.removing, a.httpClients.removing, a.edges.removing = forget, forget, forget
	return a
}

// Tick tells the time since boot (of the live clock, or of the last event of a replay). Call it every few seconds:
// without it no series is ever idle.
func (a *Aggregator) Tick(now time.Duration) {
	a.mu.Lock()
	a.now = max(a.now, now)
	if a.began < 0 {
		a.began = a.now
	}
	a.mu.Unlock()
}

// protocolKey tells requests without a metric apart.
type protocolKey struct {
	protocol model.Protocol
	role     model.Role
}

func describeProtocol(k protocolKey) (protocolKey, []model.Label) {
	return k, labels(
		model.Label{Attr: model.AttrProtocol, Value: k.protocol.String()},
		model.Label{Attr: model.AttrRole, Value: k.role.String()},
	)
}

// labels drops what has no value.
func labels(all ...model.Label) []model.Label {
	return slices.Clip(slices.DeleteFunc(all, func(l model.Label) bool { return l.Value == "" }))
}

// serviceOf returns the service of an observed end, "" when its process is not known.
func serviceOf(e *model.Endpoint) string {
	if e.Process == nil {
		return ""
	}
	return valid(e.Process.ServiceName)
}

// valid replaces what is not UTF-8: names of executables and interfaces are arbitrary bytes, and one label that cannot
// be rendered would cost the whole scrape.
func valid(s string) string {
	// ToValidUTF8 returns s itself, without a copy, when it is valid.
	return strings.ToValidUTF8(s, "\uFFFD")
}
