// SPDX-License-Identifier: Apache-2.0

package otelcheck

import (
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const schemaURL = "https://opentelemetry.io/schemas/1.43.0"

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func goodResource() *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "cart"), number("process.pid", 7)}}
}

func goodSpan() *tracepb.ResourceSpans {
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	return &tracepb.ResourceSpans{Resource: goodResource(), SchemaUrl: schemaURL, ScopeSpans: []*tracepb.ScopeSpans{{
		Scope: &commonpb.InstrumentationScope{Name: "sonde"}, SchemaUrl: schemaURL,
		Spans: []*tracepb.Span{{
			Name: "GET /cart", TraceId: id, SpanId: id[:8], ParentSpanId: id[8:], Kind: tracepb.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: 1, EndTimeUnixNano: 2, Flags: 0x101,
			Attributes: []*commonpb.KeyValue{
				text("http.request.method", "GET"), text("url.path", "/cart"), text("url.scheme", "http"),
				text("http.route", "/cart"), number("http.response.status_code", 200), text("sonde.parent.evidence", "header"),
			},
		}},
	}}}
}

func goodMetric() *metricpb.ResourceMetrics {
	h := &metricpb.HistogramDataPoint{
		StartTimeUnixNano: 1, TimeUnixNano: 2, Count: 3, BucketCounts: []uint64{1, 2}, ExplicitBounds: []float64{0.1},
		Attributes: []*commonpb.KeyValue{text("http.request.method", "GET"), text("url.scheme", "http")},
		Exemplars:  []*metricpb.Exemplar{{TimeUnixNano: 2, TraceId: make([]byte, 16), SpanId: []byte{0, 0, 0, 0, 0, 0, 0, 1}}},
	}
	h.Exemplars[0].TraceId[3] = 1
	return &metricpb.ResourceMetrics{Resource: goodResource(), ScopeMetrics: []*metricpb.ScopeMetrics{{
		Scope: &commonpb.InstrumentationScope{Name: "sonde"}, SchemaUrl: schemaURL,
		Metrics: []*metricpb.Metric{{
			Name: "http.server.request.duration", Unit: "s", Description: "Duration.",
			Data: &metricpb.Metric_Histogram{Histogram: &metricpb.Histogram{
				AggregationTemporality: metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
				DataPoints:             []*metricpb.HistogramDataPoint{h},
			}},
		}},
	}}}
}

func TestGoodSpansAndMetricsHaveNoViolation(t *testing.T) {
	g := Open(t)
	if v := g.Spans([]*tracepb.ResourceSpans{goodSpan(), goodSpan()}); v != nil {
		t.Error(v)
	}
	if v := g.Metrics([]*metricpb.ResourceMetrics{goodMetric()}); v != nil {
		t.Error(v)
	}
}

func TestEachMistakeInASpanIsReported(t *testing.T) {
	g := Open(t)
	add := func(kv *commonpb.KeyValue) func(*tracepb.ResourceSpans, *tracepb.Span) {
		return func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Attributes = append(s.Attributes, kv) }
	}
	for _, tt := range []struct {
		name, complaint string
		spoil           func(*tracepb.ResourceSpans, *tracepb.Span)
	}{
		{"unknown attribute", "is not in the registry", add(text("http.path", "/"))},
		{"a template's name without a key", "is not in the registry", add(text("http.request.header", "a"))},
		{"template of another type", "is of type string, the registry says string[]", add(text("http.request.header.accept", "a"))},
		{"attribute of another type", "is of type string, the registry says int", add(text("server.port", "80"))},
		{"deprecated attribute", "is deprecated (now service.peer.name)", add(text("peer.service", "db"))},
		{"value that is no member", "is no member", add(text("network.transport", "tls"))},
		{"member misspelt", "is no member", add(text("rpc.system.name", "gRPC"))},
		{"attribute twice", "is there twice", add(text("url.scheme", "http"))},
		{"attribute without value", "has no value", add(&commonpb.KeyValue{Key: "url.query"})},
		{"required attribute missing", "required attribute url.path is missing", func(_ *tracepb.ResourceSpans, s *tracepb.Span) {
			s.Attributes = slices.Delete(s.Attributes, 1, 2)
		}},
		{"no trace id", "trace id or span id is not set", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.TraceId = make([]byte, 16) }},
		{"zero parent", "neither absent nor an id", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.ParentSpanId = make([]byte, 8) }},
		{"own parent", "its own parent", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.ParentSpanId = s.SpanId }},
		{"ends early", "ends before it", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.StartTimeUnixNano = 3 }},
		{"flags empty", "the flags do not say", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Flags = 1 }},
		{"no kind", "has no kind", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Kind = 0 }},
		{"status ok", "status Ok is never set", func(_ *tracepb.ResourceSpans, s *tracepb.Span) {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
		}},
		{"error without type", "belong together", func(_ *tracepb.ResourceSpans, s *tracepb.Span) {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}},
		{"path as name", "a path without a route", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Attributes = slices.Delete(s.Attributes, 3, 4) }},
		{"empty link", "a link leads nowhere", func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Links = []*tracepb.Span_Link{{}} }},
		{"no service", "has no service.name", func(rs *tracepb.ResourceSpans, _ *tracepb.Span) { rs.Resource = nil }},
		{"another's name", "is reserved", func(rs *tracepb.ResourceSpans, _ *tracepb.Span) {
			rs.Resource.Attributes = append(rs.Resource.Attributes, text("telemetry.sdk.name", "opentelemetry"))
		}},
		{"no schema", "schema_url", func(rs *tracepb.ResourceSpans, _ *tracepb.Span) { rs.ScopeSpans[0].SchemaUrl = "" }},
		{"a scope for each span", "2 scopes", func(rs *tracepb.ResourceSpans, _ *tracepb.Span) {
			rs.ScopeSpans = append(rs.ScopeSpans, rs.ScopeSpans[0])
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rs := goodSpan()
			tt.spoil(rs, rs.ScopeSpans[0].Spans[0])
			one(t, g.Spans([]*tracepb.ResourceSpans{rs, rs}), tt.complaint)
		})
	}
}

func TestEachMistakeInAMetricIsReported(t *testing.T) {
	g := Open(t)
	for _, tt := range []struct {
		name, complaint string
		spoil           func(*metricpb.Metric, *metricpb.HistogramDataPoint)
	}{
		{"unknown metric", "is not in the registry", func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) { m.Name = "tcp.rtt" }},
		{"deprecated metric", "is deprecated", func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) {
			m.Name, m.Unit = "messaging.publish.duration", "s"
		}},
		{"other unit", `has unit "ms"`, func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) { m.Unit = "ms" }},
		{"other instrument", "is a gauge, the registry says histogram", func(m *metricpb.Metric, h *metricpb.HistogramDataPoint) {
			m.Data = &metricpb.Metric_Gauge{Gauge: &metricpb.Gauge{DataPoints: []*metricpb.NumberDataPoint{
				{TimeUnixNano: 1, Attributes: h.Attributes},
			}}}
		}},
		{"no points", "has no points", func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) { m.GetHistogram().DataPoints = nil }},
		{"no temporality", "temporality", func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) { m.GetHistogram().AggregationTemporality = 0 }},
		{"no description", "has no description", func(m *metricpb.Metric, _ *metricpb.HistogramDataPoint) { m.Description = "" }},
		{"no start", "when it began", func(_ *metricpb.Metric, h *metricpb.HistogramDataPoint) { h.StartTimeUnixNano = 0 }},
		{"counts differ", "do not add up", func(_ *metricpb.Metric, h *metricpb.HistogramDataPoint) { h.Count++ }},
		{"exemplar without span", "an exemplar lacks", func(_ *metricpb.Metric, h *metricpb.HistogramDataPoint) { h.Exemplars[0].SpanId = nil }},
		{"single word on a metric of the conventions", "attribute role is not", func(_ *metricpb.Metric, h *metricpb.HistogramDataPoint) {
			h.Attributes = append(h.Attributes, text("role", "client"))
		}},
		{"required attribute missing", "required attribute http.request.method", func(_ *metricpb.Metric, h *metricpb.HistogramDataPoint) {
			h.Attributes = h.Attributes[1:]
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rm := goodMetric()
			m := rm.ScopeMetrics[0].Metrics[0]
			tt.spoil(m, m.GetHistogram().DataPoints[0])
			one(t, g.Metrics([]*metricpb.ResourceMetrics{rm}), tt.complaint)
		})
	}
}

func TestOverflowSeriesNeedNoRequiredAttributes(t *testing.T) {
	rm := goodMetric()
	rm.ScopeMetrics[0].Metrics[0].GetHistogram().DataPoints[0].Attributes = []*commonpb.KeyValue{{
		Key: "otel.metric.overflow", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}},
	}}
	if v := Open(t).Metrics([]*metricpb.ResourceMetrics{rm}); v != nil {
		t.Error(v)
	}
}

func TestAttributesOfOwnMetricsAndServiceGraphsAreTheirs(t *testing.T) {
	for _, name := range []string{"sonde.tcp.rtt", "traces_service_graph_request_server"} {
		rm := goodMetric()
		m := rm.ScopeMetrics[0].Metrics[0]
		m.Name = name
		m.GetHistogram().DataPoints[0].Attributes = []*commonpb.KeyValue{text("client", "web"), text("server", "db")}
		if v := Open(t).Metrics([]*metricpb.ResourceMetrics{rm}); v != nil {
			t.Error(v)
		}
	}
}

func one(t *testing.T, got []string, want string) {
	t.Helper()
	if len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("got %q, want one with %q", got, want)
	}
}
