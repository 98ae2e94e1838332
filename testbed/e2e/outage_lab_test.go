// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"sonde/testbed/apps"
	"sonde/testbed/apps/load"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/otelcheck"
	"sonde/testbed/receiver"
)

// Families that tell what became of spans.
const (
	exportedCount = "otel_sdk_exporter_span_exported_total"
	spanCount     = "sonde_trace_spans_total"
	queueDepth    = "sonde_queue_depth"
)

// mostResident bounds the resident memory of the daemon.
const mostResident = 120 << 20

// usualRing is the default: the ring is resident memory too.
const usualRing = "SONDE_RING_BYTES=8388608"

func listen(t *testing.T, p receiver.Protocol) *receiver.Receiver {
	t.Helper()
	r, err := receiver.Listen(receiver.Config{Protocol: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// to is the environment of an agent that sends spans to r, in small batches and soon.
func to(r *receiver.Receiver, p receiver.Protocol, more ...string) []string {
	env := append(otlpTo(string(p), r.Address), "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=300")
	return append(env, more...)
}

// metricsTo is the environment of an agent that sends its metrics to r as well.
func metricsTo(r *receiver.Receiver, p receiver.Protocol) []string {
	endpoint := r.URL
	if p == receiver.HTTP {
		endpoint += "/v1/metrics"
	}
	return []string{"OTEL_METRICS_EXPORTER=prometheus,otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + endpoint, "OTEL_METRIC_EXPORT_INTERVAL=300"}
}

// fence is a cgroup to which an agent is limited: the machine has other traffic, and some tests balance all that an agent saw.
type fence struct{ dir, path string }

// newFence makes a cgroup, removed at the end of the test. Make it before what runs in it.
func newFence(t *testing.T) fence {
	t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	root := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			root = f[1]
		}
	}
	f := fence{path: fmt.Sprintf("sonde-e2e-%d-%d", os.Getpid(), fences.Add(1))}
	f.dir = filepath.Join(root, f.path)
	if err := os.Mkdir(f.dir, 0o755); root == "" || err != nil {
		t.Skipf("no cgroup can be made below %q: %v", root, err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(3 * time.Second); os.Remove(f.dir) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // until the last process is gone
		}
	})
	return f
}

var fences atomic.Int32

// as puts a command line into the cgroup, under a name of its own. It stays one process.
func (f fence) as(name string) []string {
	return []string{"sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, f.dir, "env", "OTEL_SERVICE_NAME=" + name}
}

// only limits an agent to the cgroup.
func (f fence) only() []string { return []string{"--cgroup", f.path} }

// serverAs starts a server in the cgroup.
func (l *lab) serverAs(t *testing.T, f fence, name string, kind apps.Kind) *apps.Server {
	t.Helper()
	s, err := l.Wrapped(f.as(name)...).Start(kind, "127.0.0.1")
	return started(t, s, err)
}

// loadAs runs loadclient in the cgroup.
func (l *lab) loadAs(t *testing.T, f fence, name, addr string, args ...string) load.Result {
	t.Helper()
	argv := slices.Concat(f.as(name), []string{l.Path("loadclient"), "-addr", addr}, args)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("loadclient: %v", err)
	}
	var res load.Result
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	return res
}

// spansByKind returns the spans of a service, by kind.
func spansByKind(all []*tracepb.ResourceSpans, service string) map[tracepb.Span_SpanKind][]*tracepb.Span {
	byKind := map[tracepb.Span_SpanKind][]*tracepb.Span{}
	for _, rs := range all {
		if text(rs.GetResource().GetAttributes(), "service.name") != service {
			continue
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				byKind[s.GetKind()] = append(byKind[s.GetKind()], s)
			}
		}
	}
	return byKind
}

// spansByService counts spans by the name of their service.
func spansByService(all []*tracepb.ResourceSpans) map[string]int {
	counts := map[string]int{}
	for _, rs := range all {
		for _, ss := range rs.GetScopeSpans() {
			counts[text(rs.GetResource().GetAttributes(), "service.name")] += len(ss.GetSpans())
		}
	}
	return counts
}

// text is the value of an attribute that is a string, "" for another.
func text(attributes []*commonpb.KeyValue, key string) string {
	for _, kv := range attributes {
		if kv.GetKey() == key {
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// spansOnce fails for a span that was received twice, and returns how many there were.
func spansOnce(t *testing.T, r *receiver.Receiver) int {
	t.Helper()
	seen, twice := map[string]bool{}, 0
	for _, s := range r.Spans() {
		id := string(s.GetTraceId()) + string(s.GetSpanId())
		if seen[id] {
			if twice++; twice <= 3 {
				t.Errorf("span %x was received twice: %v", s.GetSpanId(), s)
			}
		}
		seen[id] = true
	}
	if twice > 3 {
		t.Errorf("%d spans were received twice", twice)
	}
	return len(seen)
}

// pointsOnce fails for a data point that was received twice: the same series at the same time.
func pointsOnce(t *testing.T, r *receiver.Receiver) {
	t.Helper()
	encoding := proto.MarshalOptions{Deterministic: true}
	seen, twice := map[string]bool{}, 0
	for _, rm := range r.ResourceMetrics() {
		resource, _ := encoding.Marshal(rm.GetResource())
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				for _, point := range points(m) {
					id, _ := encoding.Marshal(point)
					key := string(resource) + m.GetName() + string(id)
					if seen[key] {
						if twice++; twice <= 3 {
							t.Errorf("a point of %s was received twice: %v", m.GetName(), point)
						}
					}
					seen[key] = true
				}
			}
		}
	}
	if len(seen) == 0 {
		t.Error("no metrics were received")
	}
}

// points returns what tells each data point of a metric from others: its attributes and its time.
func points(m *metricpb.Metric) (out []proto.Message) {
	add := func(attributes []*commonpb.KeyValue, nanos uint64) {
		out = append(out, &metricpb.NumberDataPoint{Attributes: attributes, TimeUnixNano: nanos})
	}
	for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
		add(p.GetAttributes(), p.GetTimeUnixNano())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		add(p.GetAttributes(), p.GetTimeUnixNano())
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		add(p.GetAttributes(), p.GetTimeUnixNano())
	}
	return out
}

// lastCount is what the newest points of a histogram of a service count.
func lastCount(r *receiver.Receiver, name, service string) uint64 {
	var newest, count uint64
	for _, rm := range r.ResourceMetrics() {
		if text(rm.GetResource().GetAttributes(), "service.name") != service {
			continue
		}
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					switch {
					case m.GetName() != name || p.GetTimeUnixNano() < newest:
					case p.GetTimeUnixNano() > newest:
						newest, count = p.GetTimeUnixNano(), p.GetCount()
					default:
						count += p.GetCount()
					}
				}
			}
		}
	}
	return count
}

// conventions holds all that was received against the registry.
func conventions(t *testing.T, r *receiver.Receiver) {
	t.Run("conventions", func(t *testing.T) {
		registry := otelcheck.Open(t)
		for _, complaint := range append(registry.Spans(r.ResourceSpans()), registry.Metrics(r.ResourceMetrics())...) {
			t.Error(complaint)
		}
	})
}

// account is what the daemon says of its spans.
type account struct {
	spans, queued, exported float64
	dropped                 map[string]float64 // by reason
}

func accountOf(m harness.Metrics) account {
	a := account{spans: m.Sum(spanCount, nil), dropped: map[string]float64{}}
	a.queued = m.Sum(queueDepth, map[string]string{"queue": "spans_otlp"})
	for _, metric := range m[exportedCount].GetMetric() {
		reason := ""
		for _, l := range metric.GetLabel() {
			if l.GetName() == "error_type" {
				reason = l.GetValue()
			}
		}
		if n := metric.GetCounter().GetValue(); reason == "" {
			a.exported += n
		} else if n > 0 {
			a.dropped[reason] += n
		}
	}
	return a
}

func (a account) lost() (n float64) {
	for _, dropped := range a.dropped {
		n += dropped
	}
	return n
}

// since is what was added after b.
func (a account) since(b account) account {
	d := account{spans: a.spans - b.spans, queued: a.queued, exported: a.exported - b.exported, dropped: map[string]float64{}}
	for reason, n := range a.dropped {
		if n > b.dropped[reason] {
			d.dropped[reason] = n - b.dropped[reason]
		}
	}
	return d
}

// balanced waits until every span of the daemon is exported or dropped and none waits, and returns that account. The numbers
// of one scrape are not of one moment, so it may take several looks.
func balanced(t *testing.T, d *harness.Daemon, limit time.Duration) account {
	t.Helper()
	var a account
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if a = accountOf(scrape(t, d)); a.queued == 0 && a.exported+a.lost() == a.spans {
			return a
		}
	}
	t.Errorf("after %v: %+v: exported and dropped are %v of %v spans", limit, a, a.exported+a.lost(), a.spans)
	return a
}

// checkResident fails where the daemon holds too much memory.
func checkResident(t *testing.T, d *harness.Daemon) {
	t.Helper()
	resident, err := harness.ResidentBytes(d.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("resident: %d MB", resident>>20)
	if resident > mostResident {
		t.Errorf("the daemon holds %d MB, more than %d", resident>>20, mostResident>>20)
	}
}

// checkServed fails unless the metrics count every request of a service, at the server's end.
func checkServed(t *testing.T, d *harness.Daemon, service string, want int) {
	t.Helper()
	labels := map[string]string{"service_name": service}
	if got := settled(t, func() float64 { return scrape(t, d).Sum(serverCount, labels) }, float64(want)); got != float64(want) {
		t.Errorf("%v requests of %s in the metrics, sent %d", got, service, want)
	}
}
