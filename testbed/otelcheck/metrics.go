// SPDX-License-Identifier: Apache-2.0

package otelcheck

import (
	"maps"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// Metrics returns what is wrong with metrics, in the order found, each mistake once; nil when nothing is.
func (g *Registry) Metrics(all []*metricpb.ResourceMetrics) []string {
	r := &report{}
	for _, rm := range all {
		where := g.resource(r, "metrics", rm.GetResource().GetAttributes(), rm.GetSchemaUrl())
		if len(rm.GetScopeMetrics()) == 0 {
			r.add("%s: there are none", where)
		}
		for _, sm := range rm.GetScopeMetrics() {
			g.scope(r, where, sm.GetScope(), sm.GetSchemaUrl())
			names := map[string]bool{}
			for _, m := range sm.GetMetrics() {
				if names[m.GetName()] {
					r.add("%s: metric %s is there twice", where, m.GetName())
				}
				names[m.GetName()] = true
				g.metric(r, m)
			}
		}
	}
	return r.list
}

// serviceGraph begins the metrics of service graphs, whose names and labels are those of Tempo and of the Collector's
// connector: dashboards know them by these.
const serviceGraph = "traces_service_graph_"

var serviceGraphLabels = []string{
	"client", "server", "connection_type", "source", "client_service_namespace", "server_service_namespace",
}

// old holds metrics and attributes of the conventions up to 1.37, which sonde sends beside the new ones when it is asked to
// (OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup).
var old = []string{
	"rpc.server.duration", "rpc.client.duration", "rpc.system", "rpc.service", "rpc.grpc.status_code",
}

func (g *Registry) metric(r *report, m *metricpb.Metric) {
	where := "metric " + m.GetName()
	known, isKnown := g.metrics[m.GetName()]
	switch {
	case isKnown:
		g.instrument(r, where, m, known)
	case !strings.HasPrefix(m.GetName(), ownPrefix) && !strings.HasPrefix(m.GetName(), serviceGraph) &&
		!strings.HasPrefix(m.GetName(), "traces."):
		r.add("%s is not in the registry and does not begin with %q", where, ownPrefix)
	}
	if m.GetDescription() == "" {
		r.add("%s has no description", where)
	}
	for _, p := range points(r, m) {
		attributes := slices.DeleteFunc(slices.Clone(p.attributes), func(kv *commonpb.KeyValue) bool {
			return isLocal(m.GetName(), kv.GetKey())
		})
		g.point(r, where, p, g.described(r, where, attributes), known.Attributes)
	}
}

// isLocal tells of attributes that mean something in one metric alone: those of the service graph, and those of sonde's own
// metrics that are a single word, which the name of the metric is the namespace of.
func isLocal(metric, key string) bool {
	if strings.HasPrefix(strings.ReplaceAll(metric, ".", "_"), serviceGraph) {
		return slices.Contains(serviceGraphLabels, key)
	}
	return strings.HasPrefix(metric, ownPrefix) && !strings.Contains(key, ".")
}

func (g *Registry) point(r *report, where string, p point, got map[string]*commonpb.AnyValue, levels map[string]string) {
	if p.time == 0 || p.hasStart && p.start > p.time {
		r.add("%s: a point has no time, or begins after it", where)
	}
	if p.hasStart && p.start == 0 {
		r.add("%s: a point does not say when it began", where)
	}
	if _, overflow := got["otel.metric.overflow"]; overflow {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(levels)) {
		if levels[key] == required && got[key] == nil {
			r.add("%s: required attribute %s is missing", where, key)
		}
	}
}

func (g *Registry) instrument(r *report, where string, m *metricpb.Metric, known metric) {
	if known.Deprecated != nil && !slices.Contains(old, m.GetName()) {
		r.add("%s is deprecated", where)
	}
	if m.GetUnit() != known.Unit {
		r.add("%s has unit %q, the registry says %q", where, m.GetUnit(), known.Unit)
	}
	if got := instrumentOf(m); got != known.Instrument {
		r.add("%s is a %s, the registry says %s", where, got, known.Instrument)
	}
}

func instrumentOf(m *metricpb.Metric) string {
	switch d := m.GetData().(type) {
	case *metricpb.Metric_Gauge:
		return "gauge"
	case *metricpb.Metric_Sum:
		if d.Sum.GetIsMonotonic() {
			return "counter"
		}
		return "updowncounter"
	case *metricpb.Metric_Histogram, *metricpb.Metric_ExponentialHistogram:
		return "histogram"
	}
	return "nothing"
}

// point is what all kinds of points have.
type point struct {
	attributes  []*commonpb.KeyValue
	start, time uint64
	hasStart    bool // gauges need none
}

func points(r *report, m *metricpb.Metric) []point {
	var out []point
	temporality := metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch d := m.GetData().(type) {
	case *metricpb.Metric_Gauge:
		for _, p := range d.Gauge.GetDataPoints() {
			out = append(out, point{p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), false})
		}
	case *metricpb.Metric_Sum:
		temporality = d.Sum.GetAggregationTemporality()
		for _, p := range d.Sum.GetDataPoints() {
			out = append(out, point{p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), true})
		}
	case *metricpb.Metric_Histogram:
		temporality = d.Histogram.GetAggregationTemporality()
		for _, p := range d.Histogram.GetDataPoints() {
			out = append(out, point{p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), true})
			explicit(r, m.GetName(), p)
		}
	case *metricpb.Metric_ExponentialHistogram:
		temporality = d.ExponentialHistogram.GetAggregationTemporality()
		for _, p := range d.ExponentialHistogram.GetDataPoints() {
			out = append(out, point{p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), true})
			exponential(r, m.GetName(), p)
		}
	}
	if len(out) == 0 {
		r.add("metric %s has no points", m.GetName())
	}
	if temporality == metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED {
		r.add("metric %s does not say its temporality", m.GetName())
	}
	return out
}

func explicit(r *report, name string, p *metricpb.HistogramDataPoint) {
	var sum uint64
	for _, c := range p.GetBucketCounts() {
		sum += c
	}
	if sum != p.GetCount() || len(p.GetBucketCounts()) != len(p.GetExplicitBounds())+1 {
		r.add("metric %s: the buckets of a histogram do not add up to its count", name)
	}
	if !slices.IsSorted(p.GetExplicitBounds()) {
		r.add("metric %s: bounds do not ascend", name)
	}
	exemplars(r, name, p.GetExemplars())
}

func exponential(r *report, name string, p *metricpb.ExponentialHistogramDataPoint) {
	sum := p.GetZeroCount()
	for _, c := range slices.Concat(p.GetPositive().GetBucketCounts(), p.GetNegative().GetBucketCounts()) {
		sum += c
	}
	if sum != p.GetCount() {
		r.add("metric %s: the buckets of an exponential histogram do not add up to its count", name)
	}
	exemplars(r, name, p.GetExemplars())
}

func exemplars(r *report, name string, all []*metricpb.Exemplar) {
	for _, e := range all {
		if !isID(e.GetTraceId(), 16) || !isID(e.GetSpanId(), 8) || e.GetTimeUnixNano() == 0 {
			r.add("metric %s: an exemplar lacks trace, span or time", name)
		}
	}
}
