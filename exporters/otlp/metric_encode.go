// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// ownService is the service of metrics that are about none: the agent's own, and those of this machine's interfaces.
const ownService = semconv.Scope

// metricEncoder turns snapshots into what OpenTelemetry's clients take. It is for one goroutine.
type metricEncoder struct {
	cfg    MetricsConfig
	clock  func() model.Clock
	deltas *deltas // nil for cumulative points

	// began is the clock of the first snapshot. The beginning of a series is told by it for ever: a beginning that moves with
	// each measurement of the clock would look like a restart.
	began      *model.Clock
	firstSight time.Time // of a series that does not tell when it began

	resources map[string]*resource.Resource
	attrs     []attribute.KeyValue // scratch
}

func newMetricEncoder(cfg MetricsConfig, clock func() model.Clock) *metricEncoder {
	e := &metricEncoder{cfg: cfg, clock: clock, resources: map[string]*resource.Resource{}}
	if cfg.Temporality != Cumulative {
		e.deltas = newDeltas()
	}
	return e
}

// export is the metrics of one service.
type export struct {
	metrics metricdata.ResourceMetrics
	points  int
}

// encode returns the metrics of each service, by name. The result refers to the snapshot. now is the wall time of snapshots
// that do not tell theirs.
func (e *metricEncoder) encode(s *model.Snapshot, now time.Time) []*export {
	clock := e.clock()
	if clock.Boot.IsZero() && s.Time != 0 { // not yet measured: what was seen last is about now
		clock.Boot = now.Add(-s.Time)
	}
	if e.began == nil {
		e.began, e.firstSight = &clock, now
	}
	if s.Time != 0 {
		now = clock.Wall(s.Time)
	}
	m := moment{clock: clock, now: now}
	exports := map[string]*export{}
	for i := range s.Families {
		f := &s.Families[i]
		for service, series := range byService(semconv.Of(f.Metric), f.Series) {
			x := exports[service]
			if x == nil {
				x = e.newExport(service)
				exports[service] = x
			}
			x.add(semconv.Of(f.Metric), e.aggregation(f.Metric, series, m))
		}
	}
	if e.deltas != nil {
		e.deltas.end(s.Time, now)
	}
	return sortedExports(exports)
}

// moment is the time of one export.
type moment struct {
	clock model.Clock
	now   time.Time
}

func sortedExports(exports map[string]*export) []*export {
	names := make([]string, 0, len(exports))
	for name, x := range exports {
		if x.points > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make([]*export, len(names))
	for i, name := range names {
		out[i] = exports[name]
	}
	return out
}

func byService(m *semconv.Metric, all []model.Series) map[string][]*model.Series {
	out := map[string][]*model.Series{}
	for i := range all {
		service := serviceOf(m, all[i].Labels)
		out[service] = append(out[service], &all[i])
	}
	return out
}

// serviceOf finds whom a series is about. One that lacks the service of its metric is about a process that was not found, or
// about several that a limit of series folded together.
func serviceOf(m *semconv.Metric, labels []model.Label) string {
	unknown := m.Has(model.AttrService)
	for _, l := range labels {
		switch {
		case l.Attr == model.AttrService:
			return l.Value
		case l.Attr == model.AttrView && l.Value == model.ViewInterface.String():
			unknown = false
		}
	}
	if unknown {
		return semconv.UnknownService
	}
	return ownService
}

func (e *metricEncoder) newExport(service string) *export {
	r := e.resources[service]
	if r == nil {
		if len(e.resources) >= maxResources {
			clear(e.resources)
		}
		r = e.resource(service)
		e.resources[service] = r
	}
	return &export{metrics: metricdata.ResourceMetrics{Resource: r, ScopeMetrics: []metricdata.ScopeMetrics{{
		Scope: instrumentation.Scope{Name: semconv.Scope, Version: validString(e.cfg.Resource.Version), SchemaURL: SchemaURL},
	}}}}
}

// resource describes a service on this machine. Series are no finer than that: they add up its processes.
func (e *metricEncoder) resource(service string) *resource.Resource {
	var attrs resourceAttributesOf
	p := &model.Process{ServiceName: service}
	if service == semconv.UnknownService {
		p.ServiceName = "" // the user may name it (OTEL_SERVICE_NAME)
	}
	e.cfg.Resource.Visit(p, &attrs)
	if service == ownService && e.cfg.Resource.Version != "" {
		attrs.String("service.version", e.cfg.Resource.Version)
	}
	return resource.NewWithAttributes(SchemaURL, attrs...)
}

type resourceAttributesOf []attribute.KeyValue

func (a *resourceAttributesOf) String(key, value string) {
	*a = append(*a, attribute.String(key, validString(value)))
}

func (a *resourceAttributesOf) Int(key string, value int64) {
	*a = append(*a, attribute.Int64(key, value))
}

func (x *export) add(m *semconv.Metric, data metricdata.Aggregation) {
	n := 0
	switch d := data.(type) {
	case metricdata.Gauge[float64]:
		n = len(d.DataPoints)
	case metricdata.Sum[float64]:
		n = len(d.DataPoints)
	case metricdata.Histogram[float64]:
		n = len(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		n = len(d.DataPoints)
	}
	if n == 0 { // nothing happened since the last export
		return
	}
	x.points += n
	scope := &x.metrics.ScopeMetrics[0]
	scope.Metrics = append(scope.Metrics, metricdata.Metrics{Name: m.Name, Description: m.Description, Unit: m.Unit, Data: data})
}

func (e *metricEncoder) aggregation(id model.Metric, series []*model.Series, m moment) metricdata.Aggregation {
	switch semconv.Of(id).Kind {
	case semconv.Counter:
		return e.counter(id, series, m)
	case semconv.UpDownCounter:
		return metricdata.Sum[float64]{DataPoints: e.values(series, m), Temporality: metricdata.CumulativeTemporality}
	case semconv.Histogram:
		if e.cfg.Histograms == ExponentialBuckets && !slices.ContainsFunc(series, lacksExponential) {
			return e.exponential(id, series, m)
		}
		return e.explicit(id, series, m)
	}
	points := e.values(series, m)
	for i := range points {
		points[i].StartTime = time.Time{}
	}
	return metricdata.Gauge[float64]{DataPoints: points}
}

func lacksExponential(s *model.Series) bool { return s.Histogram.Exponential == nil }

func (e *metricEncoder) temporality() metricdata.Temporality {
	if e.deltas != nil {
		return metricdata.DeltaTemporality
	}
	return metricdata.CumulativeTemporality
}

// values are points of what is sent as it is.
func (e *metricEncoder) values(series []*model.Series, m moment) []metricdata.DataPoint[float64] {
	points := make([]metricdata.DataPoint[float64], len(series))
	for i, s := range series {
		points[i] = metricdata.DataPoint[float64]{
			Attributes: e.attributes(s.Labels), StartTime: e.start(s, m), Time: m.now, Value: s.Value,
		}
	}
	return points
}

func (e *metricEncoder) counter(id model.Metric, series []*model.Series, m moment) metricdata.Aggregation {
	sum := metricdata.Sum[float64]{Temporality: e.temporality(), IsMonotonic: true}
	if e.deltas == nil {
		sum.DataPoints = e.values(series, m)
		return sum
	}
	for _, s := range series {
		p := metricdata.DataPoint[float64]{StartTime: e.start(s, m), Time: m.now, Value: s.Value}
		if last, known := e.deltas.last(id, s); known {
			p.Value, p.StartTime = s.Value-last.value, e.deltas.at
		}
		if p.Value != 0 {
			p.Attributes = e.attributes(s.Labels)
			sum.DataPoints = append(sum.DataPoints, p)
		}
		e.deltas.keep(s)
	}
	return sum
}

// start is the wall time of the beginning of a series, which never moves.
func (e *metricEncoder) start(s *model.Series, m moment) time.Time {
	at := e.firstSight
	if s.Start != 0 {
		at = e.began.Wall(s.Start)
	}
	if at.After(m.now) {
		return m.now
	}
	return at
}

// attributes returns labels without the service, which is the resource's.
func (e *metricEncoder) attributes(labels []model.Label) attribute.Set {
	e.attrs = e.attrs[:0]
	for _, l := range labels {
		if l.Attr != model.AttrService {
			e.attrs = append(e.attrs, attributeOf(semconv.OfAttr(l.Attr).Key, l))
		}
	}
	return attribute.NewSet(e.attrs...)
}

// attributeOf gives a label the type that the conventions say. Labels are text, as Prometheus has no other.
func attributeOf(key string, l model.Label) attribute.KeyValue {
	switch l.Attr {
	case model.AttrOverflow:
		return attribute.Bool(key, true)
	case model.AttrStatus, model.AttrServerPort, model.AttrRPCStatusOld:
		if n, err := strconv.ParseInt(l.Value, 10, 64); err == nil {
			return attribute.Int64(key, n)
		}
	}
	return attribute.String(key, validString(l.Value))
}
