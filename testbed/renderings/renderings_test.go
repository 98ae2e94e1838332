// SPDX-License-Identifier: Apache-2.0

// Package renderings holds the two renderings of one snapshot against each other: what Prometheus scrapes and what goes out over
// OTLP are the same series, under names that follow from each other, with the same counts and sums.
//
// The aggregator, the exporters and the connections are real; requests are made up at random, with a fixed seed.
package renderings

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/otlptranslator"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"sonde/agent/aggregate"
	"sonde/agent/model"
	"sonde/exporters/otlp"
	"sonde/exporters/prometheus"
	"sonde/exporters/semconv"
	"sonde/testbed/otelcheck"
)

var services = []*model.Process{
	{ServiceName: "web", Name: "nginx", PID: 10}, {ServiceName: "cart", Name: "cart", PID: 11}, {ServiceName: "db\xff", Name: "db", PID: 12},
}

// traffic feeds n requests of all protocols and some flows.
func traffic(a *aggregate.Aggregator, random *rand.Rand, n int) {
	for i := range n {
		r := &model.Request{
			Role: []model.Role{model.RoleServer, model.RoleClient}[random.IntN(2)], Conn: uint64(i % 50),
			Start: time.Duration(i+1) * time.Millisecond, Client: end(random, 40000), Server: end(random, 8080),
			RequestBytes: uint64(random.IntN(5000)), ResponseBytes: uint64(random.IntN(50000)),
		}
		r.End = r.Start + time.Duration(math.Exp(random.NormFloat64()*2)*float64(5*time.Millisecond))
		r.Span = model.Span{Sampled: i%3 == 0, SpanContext: model.SpanContext{
			TraceID: model.TraceID{0: 1, 15: byte(i)}, SpanID: model.SpanID{0: 1, 7: byte(i)}, Flags: model.FlagSampled,
		}}
		detail(r, random)
		a.Request(r)
		a.Tick(r.End)
		if i%10 == 0 {
			a.Flow(&model.Flow{
				Transport: "tcp", Role: r.Role, State: model.FlowClosed, Client: r.Client, Server: r.Server, Start: r.Start, End: r.End,
				TCP: model.TCPFacts{SRTT: time.Duration(random.IntN(1000)) * time.Microsecond},
			}, model.FlowDelta{BytesTransmitted: 100, BytesReceived: 1000, PacketsTransmitted: 3, PacketsReceived: 4, Retransmits: uint64(i % 3), Final: true})
		}
	}
}

func end(random *rand.Rand, port uint16) model.Endpoint {
	return model.Endpoint{
		Addr:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + random.IntN(3))}), port),
		Process: services[random.IntN(len(services))],
	}
}

func detail(r *model.Request, random *rand.Rand) {
	failed := random.IntN(5) == 0
	if failed {
		r.Outcome = model.OutcomeError
	}
	switch random.IntN(5) {
	case 0, 1:
		r.Protocol, r.HTTP = model.ProtocolHTTP, &model.HTTP{
			Version: "1.1", Method: []string{"GET", "POST", "BREW"}[random.IntN(3)], Scheme: "http", Path: "/cart/7", Host: "cart.example:8080", Status: 200,
		}
		if failed {
			r.HTTP.Status = 503
		}
	case 2:
		r.Protocol, r.RPC = model.ProtocolGRPC, &model.RPC{Method: "shop.Cart/Get"}
		r.HTTP = &model.HTTP{Version: "2", Method: "POST", Scheme: "http", Host: "cart", Status: 200, Path: "/shop.Cart/Get"}
		if failed {
			r.RPC.Status, r.ErrorType = 14, "UNAVAILABLE"
		}
	case 3:
		r.Protocol, r.DB = model.ProtocolPostgreSQL, &model.DB{System: "postgresql", Command: "Query", Summary: "SELECT orders", Rows: 3, RowsKnown: true}
		if failed {
			r.DB.Status, r.ErrorType = "40001", "40001"
		}
	case 4:
		r.Protocol, r.DNS = model.ProtocolDNS, &model.DNS{Name: "cart.example", Type: "A", Class: "IN", Opcode: "QUERY", RCode: "NOERROR"}
		if failed {
			r.DNS.RCode, r.ErrorType = "NXDOMAIN", "nxdomain"
		}
	}
}

// point is a series in both renderings. Value is a sum for histograms, Buckets are not cumulative.
type point struct {
	Value     float64
	Count     uint64
	Buckets   string
	Exemplars int
}

func scrape(t *testing.T, h http.Handler) map[string]point {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out := map[string]point{}
	d := expfmt.NewDecoder(bytes.NewReader(w.Body.Bytes()), expfmt.ResponseFormat(w.Result().Header))
	for {
		var f dto.MetricFamily
		if err := d.Decode(&f); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		if isClientLibrary(f.GetName()) {
			continue
		}
		for _, m := range f.GetMetric() {
			out[key(f.GetName(), labelsOf(m))] = pointOf(m)
		}
	}
}

func isClientLibrary(name string) bool {
	return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_") || name == "target_info"
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

func pointOf(m *dto.Metric) point {
	h := m.GetHistogram()
	if h == nil {
		return point{Value: m.GetCounter().GetValue() + m.GetGauge().GetValue()}
	}
	p := point{Value: h.GetSampleSum(), Count: h.GetSampleCount()}
	var below uint64
	for _, b := range h.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		p.Buckets += fmt.Sprint(b.GetCumulativeCount()-below, " ")
		below = b.GetCumulativeCount()
	}
	for _, b := range h.GetBucket() {
		if b.GetExemplar() != nil {
			p.Exemplars++
		}
	}
	p.Buckets += fmt.Sprint(h.GetSampleCount() - below)
	return p
}

func key(name string, labels map[string]string) string {
	var b strings.Builder
	b.WriteString(name)
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, " %s=%q", l, labels[l])
	}
	return b.String()
}

// receive exports once and returns what arrived.
func receive(t *testing.T, a *aggregate.Aggregator, histograms otlp.HistogramAggregation) []*metricpb.ResourceMetrics {
	t.Helper()
	var all []*metricpb.ResourceMetrics
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request colmetricpb.ExportMetricsServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		all = append(all, request.ResourceMetrics...) // one request at a time
	}))
	defer server.Close()
	c := otlp.DefaultMetrics()
	c.Endpoint, c.Histograms = server.URL+"/v1/metrics", histograms
	m, err := otlp.NewMetrics(c, a, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil || m.Stats().Failed != 0 {
		t.Fatalf("%v, %+v", err, m.Stats())
	}
	return all
}

func clock() model.Clock { return model.Clock{Boot: time.Now().Add(-time.Hour)} }

// translated renders OTLP as Prometheus, by the rules of OpenTelemetry's compatibility specification.
func translated(t *testing.T, all []*metricpb.ResourceMetrics) map[string]point {
	t.Helper()
	out := map[string]point{}
	for _, rm := range all {
		service := text(rm.Resource.Attributes, "service.name")
		for _, m := range rm.ScopeMetrics[0].Metrics {
			add := func(attributes []*commonpb.KeyValue, p point) {
				labels := map[string]string{}
				if service != semconv.Scope && service != semconv.UnknownService {
					labels["service_name"] = service
				}
				for _, kv := range attributes {
					labels[label(t, kv.Key)] = valueOf(kv.Value)
				}
				k := key(name(t, m), labels)
				if _, twice := out[k]; twice {
					t.Errorf("%s is there twice", k)
				}
				out[k] = p
			}
			for _, p := range slices.Concat(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()) {
				add(p.Attributes, point{Value: p.GetAsDouble()})
			}
			for _, p := range m.GetHistogram().GetDataPoints() {
				buckets := strings.Trim(fmt.Sprint(p.BucketCounts), "[]")
				add(p.Attributes, point{Value: p.GetSum(), Count: p.Count, Buckets: buckets, Exemplars: len(p.Exemplars)})
			}
		}
	}
	return out
}

func name(t *testing.T, m *metricpb.Metric) string {
	kind := otlptranslator.MetricType(otlptranslator.MetricTypeGauge)
	switch {
	case m.GetSum().GetIsMonotonic():
		kind = otlptranslator.MetricTypeMonotonicCounter
	case m.GetSum() != nil:
		kind = otlptranslator.MetricTypeNonMonotonicCounter
	case m.GetHistogram() != nil:
		kind = otlptranslator.MetricTypeHistogram
	}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func label(t *testing.T, key string) string {
	namer := otlptranslator.LabelNamer{}
	name, err := namer.Build(key)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func text(all []*commonpb.KeyValue, key string) string {
	for _, kv := range all {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

func valueOf(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	}
	return v.GetStringValue()
}

func TestPrometheusAndOTLPTellTheSame(t *testing.T) {
	cfg := aggregate.Default()
	cfg.MaxSeries = 12 // so that some overflow
	a := aggregate.New(cfg, nil)
	traffic(a, rand.New(rand.NewPCG(7, 7)), 3000)
	pc := prometheus.Default()
	pc.Clock = clock
	got := scrape(t, pc.New(a, slog.New(slog.DiscardHandler)).Handler())
	want := translated(t, receive(t, a, otlp.ExplicitBuckets))
	histograms, exemplars, overflow := 0, 0, 0
	for k, p := range want {
		if got[k] != p {
			t.Errorf("%s\n  OTLP       %+v\n  Prometheus %+v", k, p, got[k])
		}
		exemplars += p.Exemplars
		if p.Count > 0 {
			histograms++
		}
		if strings.Contains(k, `otel_metric_overflow="true"`) {
			overflow++
		}
	}
	for k := range got {
		if _, both := want[k]; !both {
			t.Errorf("%s: Prometheus alone has it", k)
		}
	}
	if histograms < 20 || exemplars < 20 || overflow < 3 {
		t.Errorf("%d histograms, %d exemplars, %d overflow series: too few to tell", histograms, exemplars, overflow)
	}
}

func TestMetricsOfAllProtocolsKeepTheConventions(t *testing.T) {
	registry := otelcheck.Open(t)
	cfg := aggregate.Default()
	cfg.OldRPC = true
	a := aggregate.New(cfg, nil)
	traffic(a, rand.New(rand.NewPCG(8, 8)), 3000)
	for _, histograms := range []otlp.HistogramAggregation{otlp.ExplicitBuckets, otlp.ExponentialBuckets} {
		for _, v := range registry.Metrics(receive(t, a, histograms)) {
			t.Errorf("%s: %s", histograms, v)
		}
	}
}
