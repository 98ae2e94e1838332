// SPDX-License-Identifier: Apache-2.0

// Package selfexport notices the processes that export telemetry of their own, so that sonde does not tell the same again.
//
// It looks at what a process sends and at no port: OTLP over HTTP and gRPC, Zipkin, Jaeger. It decides nothing about single
// requests. Who calls it: the pipeline shows it every request, agent/trace asks it about traces, agent/aggregate about metrics.
package selfexport

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sonde/agent/model"
)

// Config says whether to listen to what is noticed, and how much to remember.
type Config struct {
	// Enabled lets Traces and Metrics say yes. Processes are noticed and counted all the same.
	Enabled bool

	MaxProcesses int
	Idle         time.Duration // after which a process that exported nothing, and was not asked for, is forgotten
}

// Default silences what exports itself. SDKs export metrics each minute, and spans while there are requests, which ask.
func Default() Config { return Config{Enabled: true, MaxProcesses: 4096, Idle: 10 * time.Minute} }

// Validate tells what cannot work.
func (c Config) Validate() error {
	if c.MaxProcesses <= 0 || c.Idle <= 0 {
		return errors.New("self-export: processes must be remembered for some time; switch it off instead")
	}
	return nil
}

// signal is a set of what a process exports.
type signal uint8

const (
	traces signal = 1 << iota
	metrics
)

// exporter is a process that exports. There is one for each PID: what started later under the same number replaces it.
type exporter struct {
	started time.Time
	signals signal
	last    time.Duration // that it was seen or asked for
}

// Counts are the processes that are known to export, by signal.
type Counts struct{ Traces, Metrics int }

// Detector knows the processes that export. Safe for concurrent use.
type Detector struct {
	c Config

	mu     sync.Mutex
	now    time.Duration
	swept  time.Duration
	byPID  map[uint32]*exporter
	counts Counts

	known atomic.Int64 // processes in byPID: mostly none, and then nobody needs the lock to know
}

// New returns a detector. c must be valid.
func New(c Config) *Detector { return &Detector{c: c, byPID: make(map[uint32]*exporter)} }

// Seen takes a request of the pipeline. r is valid during the call.
//
// What the receiver did not accept is no export: nobody has what it said. Only who sends is concerned: whoever receives, to
// store it or to pass it on, speaks for itself when it sends.
func (d *Detector) Seen(r *model.Request) {
	p := r.Client.Process
	if r.Role != model.RoleClient || p == nil {
		return
	}
	s := exported(r)
	if s == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byPID[p.PID]
	if e != nil && !e.started.Equal(p.Started) {
		d.forget(p.PID, e)
		e = nil
	}
	if e == nil {
		if len(d.byPID) >= d.c.MaxProcesses {
			d.makeRoom()
		}
		e = &exporter{started: p.Started}
		d.byPID[p.PID] = e
		d.known.Store(int64(len(d.byPID)))
	}
	e.last = d.now
	d.count(s&^e.signals, 1)
	e.signals |= s
}

// Traces tells whether a process exports its own spans.
func (d *Detector) Traces(p *model.Process) bool { return d.exports(p, traces) }

// Metrics tells whether a process exports its own metrics.
func (d *Detector) Metrics(p *model.Process) bool { return d.exports(p, metrics) }

func (d *Detector) exports(p *model.Process, s signal) bool {
	if p == nil || !d.c.Enabled || d.known.Load() == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byPID[p.PID]
	if e == nil || !e.started.Equal(p.Started) {
		return false
	}
	e.last = d.now
	return e.signals&s != 0
}

// Counts returns the processes that are known to export, whether or not that is listened to.
func (d *Detector) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Tick sets the time since boot, and forgets the processes that nothing was heard of for long.
func (d *Detector) Tick(now time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
	if now-d.swept < d.c.Idle/8 {
		return
	}
	d.swept = now
	for pid, e := range d.byPID {
		if now-e.last >= d.c.Idle {
			d.forget(pid, e)
		}
	}
}

// makeRoom forgets the process that was quiet for the longest, of several the one with the lowest PID.
func (d *Detector) makeRoom() {
	var oldest uint32
	for pid, e := range d.byPID {
		if o := d.byPID[oldest]; o == nil || e.last < o.last || e.last == o.last && pid < oldest {
			oldest = pid
		}
	}
	d.forget(oldest, d.byPID[oldest])
}

func (d *Detector) forget(pid uint32, e *exporter) {
	d.count(e.signals, -1)
	delete(d.byPID, pid)
	d.known.Store(int64(len(d.byPID)))
}

func (d *Detector) count(s signal, n int) {
	if s&traces != 0 {
		d.counts.Traces += n
	}
	if s&metrics != 0 {
		d.counts.Metrics += n
	}
}

// exported returns what r carried to a receiver that took it.
func exported(r *model.Request) signal {
	switch {
	case r.Outcome != model.OutcomeOK:
		return 0
	case r.RPC != nil:
		if r.RPC.Status != 0 {
			return 0
		}
		return byMethod(r.RPC.Method)
	case r.HTTP != nil && r.HTTP.Method == "POST" && r.HTTP.Status/100 == 2:
		return byPath(r.HTTP)
	}
	return 0
}

// byMethod knows OTLP, its form with Apache Arrow, and Jaeger.
func byMethod(method string) signal {
	switch method {
	case "opentelemetry.proto.collector.trace.v1.TraceService/Export",
		"opentelemetry.proto.experimental.arrow.v1.ArrowTracesService/ArrowTraces",
		"jaeger.api_v2.CollectorService/PostSpans":
		return traces
	case "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		"opentelemetry.proto.experimental.arrow.v1.ArrowMetricsService/ArrowMetrics":
		return metrics
	}
	return 0
}

// byPath knows OTLP, Zipkin and Jaeger. A path of OTLP may be below another, but then somebody's own interface may end the
// same, and the sender or the path must say that it is meant.
func byPath(h *model.HTTP) signal {
	path := strings.TrimSuffix(h.Path, "/")
	s, base := traces, ""
	if b, ok := strings.CutSuffix(path, "/v1/traces"); ok {
		base = b
	} else if b, ok := strings.CutSuffix(path, "/v1/metrics"); ok {
		s, base = metrics, b
	} else {
		return byOldPath(path, h.Query)
	}
	if base == "" || names(base) || names(h.UserAgent) {
		return s
	}
	return 0
}

// names tells whether a path or a user agent names OpenTelemetry.
func names(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "otlp") || strings.Contains(s, "otel") || strings.Contains(s, "opentelemetry")
}

// byOldPath: Jaeger's clients say the format, and its user interface asks the same path.
func byOldPath(path, query string) signal {
	switch {
	case strings.HasSuffix(path, "/api/v2/spans"), strings.HasSuffix(path, "/api/v1/spans"),
		strings.HasSuffix(path, "/api/traces") && strings.Contains(query, "format=jaeger.thrift"):
		return traces
	}
	return 0
}
