// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sonde/agent/model"
	"sonde/exporters/semconv"
	"sonde/testbed/otelcheck"
)

var bootTime = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func bootClock() model.Clock { return model.Clock{Boot: bootTime} }

// snapshots is a source that gives one after the other, and the last for ever.
type snapshots []*model.Snapshot

func (s *snapshots) Snapshot() *model.Snapshot {
	first := (*s)[0]
	if len(*s) > 1 {
		*s = (*s)[1:]
	}
	return first
}

// sample is a value of an attribute as it is met in practice.
func sample(a model.Attr) string {
	switch a {
	case model.AttrService:
		return "cart"
	case model.AttrStatus, model.AttrErrorType:
		return "503"
	case model.AttrMethod:
		return "GET"
	case model.AttrServerPort:
		return "8080"
	case model.AttrDirection:
		return "transmit"
	case model.AttrTransport:
		return "tcp"
	case model.AttrRPCSystem, model.AttrRPCSystemOld:
		return "grpc"
	case model.AttrRPCStatusOld:
		return "14"
	case model.AttrDBSystem:
		return "postgresql"
	case model.AttrMessagingSystem:
		return "kafka"
	case model.AttrMessagingType:
		return "send"
	case model.AttrComponentType:
		return "otlp_grpc_span_exporter"
	case model.AttrCPUMode:
		return "system"
	case model.AttrGoMemoryType:
		return "stack"
	case model.AttrOverflow:
		return "true"
	}
	return "some"
}

// everything is a snapshot with every metric that sonde has.
func everything() *model.Snapshot {
	s := &model.Snapshot{Time: 2 * time.Hour}
	for m := range model.MetricCount {
		series := model.Series{Value: 42, Start: time.Hour}
		for _, a := range semconv.Of(m).Attributes {
			series.Labels = append(series.Labels, model.Label{Attr: a, Value: sample(a)})
		}
		if bounds := m.Bounds(); bounds != nil {
			series.Histogram = histogramOf(bounds, 0.2, 3)
		}
		overflow := series
		overflow.Labels = []model.Label{{Attr: model.AttrOverflow, Value: "true"}}
		s.Families = append(s.Families, model.Family{Metric: m, Series: []model.Series{series, overflow}})
	}
	return s
}

// histogramOf holds n equal values and one exemplar.
func histogramOf(bounds []float64, v float64, n uint64) *model.Histogram {
	at, _ := slices.BinarySearch(bounds, v)
	h := &model.Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1), Sum: v * float64(n)}
	h.Counts[at] = n
	h.Exponential = &model.Exponential{Scale: 2, Offset: -10, Counts: []uint64{n}, Min: v, Max: v}
	h.Exemplars = []model.Exemplar{{Value: v, Time: 100 * time.Minute, TraceID: model.TraceID{0: 1}, SpanID: model.SpanID{7: 1}}}
	return h
}

func metricsConfig(protocol Protocol, url string) MetricsConfig {
	c := DefaultMetrics()
	c.Protocol, c.Endpoint = protocol, url
	c.Interval, c.RetryFirst, c.RetryMost = time.Hour, 5*time.Millisecond, 20*time.Millisecond
	c.Resource = semconv.Resource{Version: "1.2.3", Host: model.Host{Name: "node-1", ID: "abc"}}
	return c
}

// run exports once, at the stop.
func run(t *testing.T, c MetricsConfig, s MetricSource, log *slog.Logger) MetricsStats {
	t.Helper()
	m, err := NewMetrics(c, s, bootClock, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return m.Stats()
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEveryMetricKeepsTheConventions(t *testing.T) {
	registry := otelcheck.Open(t)
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		for _, temporality := range []Temporality{Cumulative, Delta} {
			for _, histograms := range []HistogramAggregation{ExplicitBuckets, ExponentialBuckets} {
				t.Run(fmt.Sprint(protocol, " ", temporality, " ", histograms), func(t *testing.T) {
					r := receiveMetrics(t, protocol, nil)
					c := metricsConfig(protocol, r.url)
					c.Temporality, c.Histograms = temporality, histograms
					stats := run(t, c, &snapshots{everything()}, silent())
					got := r.ResourceMetrics()
					if want := (MetricsStats{Exports: 1, Requests: 3, Points: 2 * uint64(model.MetricCount)}); stats.Points != want.Points ||
						stats.Requests != want.Requests || stats.Failed+stats.Rejected != 0 || len(got) != 3 {
						t.Errorf("%+v of %d resources, want %+v", stats, len(got), want)
					}
					for _, v := range registry.Metrics(got) {
						t.Error(v)
					}
				})
			}
		}
	}
}

func TestEachServiceIsAResourceOfItsOwn(t *testing.T) {
	r := receiveMetrics(t, HTTPProtobuf, nil)
	of := func(service string) model.Series {
		return model.Series{Value: 1, Start: time.Hour, Labels: []model.Label{
			{Attr: model.AttrService, Value: service}, {Attr: model.AttrDirection, Value: "receive"},
		}}
	}
	run(t, metricsConfig(HTTPProtobuf, r.url), &snapshots{{Time: 2 * time.Hour, Families: []model.Family{
		{Metric: model.MetricFlowIO, Series: []model.Series{
			of("shop"), of("cart"), {Value: 7}, {Value: 8, Labels: []model.Label{{Attr: model.AttrView, Value: "interface"}}},
		}},
		{Metric: model.MetricFlowPackets, Series: []model.Series{of("cart")}},
		{Metric: model.MetricUndecodable, Series: []model.Series{{Value: 1}}},
	}}}, silent())
	got := map[string][]string{}
	ids := map[string]bool{}
	for _, rm := range r.ResourceMetrics() {
		resource := map[string]string{}
		for _, kv := range rm.Resource.Attributes {
			resource[kv.Key] = kv.Value.GetStringValue()
		}
		ids[resource["service.instance.id"]] = true
		if resource["host.name"] != "node-1" || rm.SchemaUrl != SchemaURL || len(rm.ScopeMetrics) != 1 {
			t.Errorf("resource %v, schema %q", resource, rm.SchemaUrl)
		}
		for _, m := range rm.ScopeMetrics[0].Metrics {
			got[resource["service.name"]] = append(got[resource["service.name"]], m.Name)
			for _, p := range m.GetSum().GetDataPoints() {
				for _, kv := range p.Attributes {
					if kv.Key == "service.name" {
						t.Errorf("%s says its service twice", m.Name)
					}
				}
			}
		}
	}
	want := map[string][]string{
		"cart": {"sonde.flow.io", "sonde.flow.packets"}, "shop": {"sonde.flow.io"},
		"sonde": {"sonde.flow.io", "sonde.events.undecodable"}, "unknown_service": {"sonde.flow.io"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || ids[""] {
		t.Errorf("got %v of instances %v, want %v", got, ids, want)
	}
}

func TestBeginningOfASeriesStaysWhenTheClockIsMeasuredAgain(t *testing.T) {
	boot := bootTime
	e := newMetricEncoder(DefaultMetrics(), func() model.Clock { return model.Clock{Boot: boot} })
	s := &model.Snapshot{Time: 2 * time.Hour, Families: []model.Family{{Metric: model.MetricUndecodable, Series: []model.Series{
		{Value: 1, Start: time.Hour},
	}}}}
	at := func() (start, end time.Time) {
		p := sums(e.encode(s, time.Time{}))[0]
		return p.StartTime, p.Time
	}
	start, end := at()
	boot = boot.Add(3 * time.Millisecond)
	later, laterEnd := at()
	if !start.Equal(bootTime.Add(time.Hour)) || !later.Equal(start) || laterEnd.Sub(end) != 3*time.Millisecond {
		t.Errorf("%v to %v, then %v to %v", start, end, later, laterEnd)
	}
}

var errUnavailable = status.Error(codes.Unavailable, "not now")

func TestPointsAreOfTodayBeforeTheClockIsMeasured(t *testing.T) {
	e := newMetricEncoder(DefaultMetrics(), func() model.Clock { return model.Clock{} })
	now := bootTime.Add(2 * time.Hour)
	if p := sums(e.encode(one(1), now))[0]; !p.Time.Equal(now) || !p.StartTime.Equal(now.Add(-time.Hour)) {
		t.Errorf("%v to %v", p.StartTime, p.Time)
	}
}

func TestAnswersThatAskForARetryAreRetriedAndOthersAreNot(t *testing.T) {
	invalid := status.Error(codes.InvalidArgument, "never")
	first := func(v verdict) func(int) verdict {
		return func(n int) verdict {
			if n == 0 {
				return v
			}
			return verdict{}
		}
	}
	for _, tt := range []struct {
		name     string
		protocol Protocol
		behave   func(int) verdict
		requests int
		want     MetricsStats
	}{
		{"503 once", HTTPProtobuf, first(verdict{Status: http.StatusServiceUnavailable}), 2, MetricsStats{Points: 1}},
		{"429 once", HTTPProtobuf, first(verdict{Status: http.StatusTooManyRequests}), 2, MetricsStats{Points: 1}},
		{"UNAVAILABLE once", GRPC, first(verdict{Code: errUnavailable}), 2, MetricsStats{Points: 1}},
		{"400", HTTPProtobuf, first(verdict{Status: http.StatusBadRequest}), 1, MetricsStats{Failed: 1}},
		{"INVALID_ARGUMENT", GRPC, first(verdict{Code: invalid}), 1, MetricsStats{Failed: 1}},
		{"partial success over HTTP", HTTPProtobuf, first(verdict{Rejected: 1}), 1, MetricsStats{Rejected: 1}},
		{"partial success over gRPC", GRPC, first(verdict{Rejected: 1}), 1, MetricsStats{Rejected: 1}},
		{"no answer over HTTP", HTTPProtobuf, first(verdict{Hang: make(chan struct{})}), 1, MetricsStats{Failed: 1}},
		{"no answer over gRPC", GRPC, first(verdict{Hang: make(chan struct{})}), 1, MetricsStats{Failed: 1}},
		{"a connection that breaks after it was taken", HTTPProtobuf, first(verdict{Drop: true}), 1, MetricsStats{Failed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := receiveMetrics(t, tt.protocol, tt.behave)
			c := metricsConfig(tt.protocol, r.url)
			c.Timeout = 200 * time.Millisecond
			got := run(t, c, &snapshots{one(1)}, silent())
			if r.Requests() != tt.requests || got.Points != tt.want.Points || got.Failed != tt.want.Failed || got.Rejected != tt.want.Rejected {
				t.Errorf("%d requests, %+v, want %d, %+v", r.Requests(), got, tt.requests, tt.want)
			}
		})
	}
}

// one is a snapshot of one counter.
func one(v float64) *model.Snapshot {
	return &model.Snapshot{Time: 2 * time.Hour, Families: []model.Family{
		{Metric: model.MetricUndecodable, Series: []model.Series{{Value: v, Start: time.Hour}}},
	}}
}

func TestStopEndsWithinItsTimeWhateverTheReceiverDoes(t *testing.T) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel() // it waits
			r := receiveMetrics(t, protocol, func(int) verdict { return verdict{Hang: make(chan struct{})} })
			began := time.Now()
			stats := run(t, metricsConfig(protocol, r.url), &snapshots{one(1)}, silent())
			if took := time.Since(began); took > flushTimeout+time.Second || stats.Failed != 1 {
				t.Errorf("%v, %+v", took, stats)
			}
		})
	}
}

func TestUnreachableReceiverIsLoggedOnceAMinute(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	var log bytes.Buffer
	c := metricsConfig(HTTPProtobuf, "http://"+ln.Addr().String())
	m, err := NewMetrics(c, &snapshots{one(1)}, bootClock, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	m.now = func() time.Time { return now }
	for range 7 { // at 0, 15, 30, 45, 60, 75, 90 s
		m.export(t.Context())
		now = now.Add(15 * time.Second)
	}
	if lines := strings.Count(log.String(), "metrics were not exported"); lines != 2 || !strings.Contains(log.String(), "more_failures=3") {
		t.Errorf("%d lines: %s", lines, log.String())
	}
	if s := m.Stats(); s.Failed != 7 || s.Exports != 0 {
		t.Errorf("%+v", s)
	}
}

// at is one(n) some seconds later.
func at(n int) *model.Snapshot {
	s := one(float64(n))
	s.Time += time.Duration(n) * time.Second
	return s
}

func TestMetricsAreExportedAtEachIntervalAndAtTheStop(t *testing.T) {
	for name, c := range map[string]struct {
		interval    time.Duration
		await, want int
	}{
		"each moment once": {20 * time.Millisecond, 3, 3}, // the third is there for ever
		"at the stop":      {time.Hour, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := receiveMetrics(t, GRPC, nil)
			config := metricsConfig(GRPC, r.url)
			config.Interval = c.interval
			m, err := NewMetrics(config, &snapshots{at(1), at(2), at(3)}, bootClock, silent())
			if err != nil {
				t.Fatal(err)
			}
			if m.Type() != "otlp_grpc_metric_exporter" {
				t.Errorf("type %q", m.Type())
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }()
			for r.Requests() < c.await && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			if c.await > 0 {
				time.Sleep(5 * c.interval)
			}
			cancel()
			if err := <-done; err != nil || r.Requests() != c.want {
				t.Errorf("%d exports, want %d: %v", r.Requests(), c.want, err)
			}
		})
	}
}

func TestConsoleWritesALineOfJSONForEachService(t *testing.T) {
	var out bytes.Buffer
	c := metricsConfig(HTTPProtobuf, "")
	m, err := NewConsoleMetrics(c, &out, &snapshots{everything()}, bootClock, silent())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if m.Type() != "console_metric_exporter" {
		t.Errorf("type %q", m.Type())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || m.Stats().Points != 2*uint64(model.MetricCount) {
		t.Fatalf("%d lines, %+v", len(lines), m.Stats())
	}
	for _, want := range []string{
		`{"resourceMetrics":[{"resource":{"attributes":[`, `"traceId":"01000000000000000000000000000000"`, `"spanId":"0000000000000001"`,
		`"aggregationTemporality":2`, `"startTimeUnixNano":"` + strconv.FormatInt(bootTime.Add(time.Hour).UnixNano(), 10) + `"`,
		`{"key":"http.response.status_code","value":{"intValue":"503"}}`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is missing in %.2000s", want, lines[0])
		}
	}
}

func TestMetricsConfigComesFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
		"OTEL_METRIC_EXPORT_INTERVAL": "1500", "OTEL_METRIC_EXPORT_TIMEOUT": "700", "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        "DELTA",
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram",
		"OTEL_RESOURCE_ATTRIBUTES":                                 "deployment.environment.name=prod",
	}
	c := DefaultMetrics()
	if err := c.Env(func(name string) string { return env[name] }); err != nil {
		t.Fatal(err)
	}
	if c.Protocol != GRPC || c.Interval != 1500*time.Millisecond || c.ExportTimeout != 700*time.Millisecond ||
		c.Timeout != 300*time.Millisecond || c.Temporality != Delta || c.Histograms != ExponentialBuckets || len(c.Resource.Extra) != 1 ||
		c.Validate() != nil {
		t.Errorf("%+v, %v", c, c.Validate())
	}
	for name, value := range map[string]string{
		"OTEL_METRIC_EXPORT_INTERVAL": "1s", "OTEL_METRIC_EXPORT_TIMEOUT": "0", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "stateless", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "collector:4318", "OTEL_RESOURCE_ATTRIBUTES": "prod",
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "summary",
	} {
		c := DefaultMetrics()
		err := c.Env(func(n string) string { return map[string]string{name: value}[n] })
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestDefaultReceiverNeedsNoTLS(t *testing.T) {
	for protocol, address := range map[Protocol]string{GRPC: "127.0.0.1:4317", HTTPProtobuf: "127.0.0.1:4318"} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip(err)
		}
		first := make(chan byte, 1)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 1)
			_, _ = c.Read(b)
			first <- b[0]
			c.Close()
		}()
		c := DefaultMetrics()
		c.Protocol, c.Timeout, c.ExportTimeout = protocol, time.Second, 2*time.Second
		run(t, c, &snapshots{one(1)}, silent())
		ln.Close()
		if b := <-first; b != 'P' { // POST, or HTTP/2's PRI; a TLS hello is 0x16
			t.Errorf("%s begins with %#x", protocol, b)
		}
	}
}
