// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// Source gives the metrics of now. Snapshot is called at each scrape, possibly by several at once.
type Source interface{ Snapshot() *model.Snapshot }

// collector writes snapshots. It describes nothing beforehand: series of one metric have different labels, because an
// attribute without a value is left out, which client_golang allows for such collectors alone.
type collector struct {
	source     Source
	clock      func() model.Clock
	describe   semconv.Resource
	descs      [model.MetricCount]*prometheus.Desc
	labelNames [model.AttrCount]string
}

func newCollector(source Source, cfg Config) *collector {
	c := &collector{source: source, clock: cfg.Clock, describe: cfg.Resource}
	for m := range model.MetricCount {
		c.descs[m] = prometheus.NewDesc(semconv.Of(m).Prometheus, semconv.Of(m).Description, nil, nil)
	}
	for a := range model.AttrCount {
		c.labelNames[a] = semconv.OfAttr(a).Prometheus
	}
	return c
}

// Describe sends nothing, which makes the collector an unchecked one.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes a snapshot and sends its series.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	snapshot := c.source.Snapshot()
	var now moment
	if c.clock != nil {
		clock := c.clock()
		now = moment{clock, !clock.Boot.IsZero()} // the first scrape may come before the first measurement
	}
	for _, service := range services(snapshot) {
		out <- newTarget(&c.describe, service)
	}
	for i := range snapshot.Families {
		f := &snapshot.Families[i]
		if semconv.Of(f.Metric).PushOnly {
			continue
		}
		kind := semconv.Of(f.Metric).Kind
		metrics := make([]metric, len(f.Series))
		pairs := c.labelPairs(f.Series)
		for j := range f.Series {
			s := &f.Series[j]
			m := &metrics[j]
			m.desc, m.kind, m.series, m.now = c.descs[f.Metric], kind, s, now
			m.labels, pairs = pairs[:len(s.Labels):len(s.Labels)], pairs[len(s.Labels):]
			out <- m
		}
	}
}

// labelPairs returns the labels of all series one after the other, those of each series in the order of their names: the
// registry would make a sorted copy otherwise. All of them are allocated at once: a scrape is made of little else.
func (c *collector) labelPairs(series []model.Series) []*dto.LabelPair {
	n := 0
	for i := range series {
		n += len(series[i].Labels)
	}
	pairs, pointers := make([]dto.LabelPair, n), make([]*dto.LabelPair, 0, n)
	for i := range series {
		from := len(pointers)
		for j := range series[i].Labels {
			l := &series[i].Labels[j]
			p := &pairs[len(pointers)]
			p.Name, p.Value = &c.labelNames[l.Attr], &l.Value
			if !utf8.ValidString(l.Value) { // the registry would leave the series out
				valid := strings.ToValidUTF8(l.Value, "\uFFFD")
				p.Value = &valid
			}
			pointers = append(pointers, p)
		}
		slices.SortFunc(pointers[from:], func(a, b *dto.LabelPair) int { return strings.Compare(*a.Name, *b.Name) })
	}
	return pointers
}

// metric is one series as client_golang wants it.
type metric struct {
	desc   *prometheus.Desc
	kind   semconv.Kind
	labels []*dto.LabelPair
	series *model.Series
	now    moment
}

func (m *metric) Desc() *prometheus.Desc { return m.desc }

// Write fills out, which is empty.
func (m *metric) Write(out *dto.Metric) error {
	out.Label = m.labels
	switch m.kind {
	case semconv.Counter:
		out.Counter = &dto.Counter{Value: &m.series.Value, CreatedTimestamp: m.now.of(m.series.Start)}
	case semconv.Histogram:
		h := m.series.Histogram
		out.Histogram = classic(h)
		native(out.Histogram, h.Exponential)
		exemplars(out.Histogram, h, m.now)
		out.Histogram.CreatedTimestamp = m.now.of(m.series.Start)
	default:
		out.Gauge = &dto.Gauge{Value: &m.series.Value}
	}
	return nil
}

// classic makes the counts cumulative, as Prometheus has them. The bucket up to infinity is implied by the count.
func classic(h *model.Histogram) *dto.Histogram {
	n := len(h.Bounds)
	buckets, pointers, counts := make([]dto.Bucket, n), make([]*dto.Bucket, n, n+1), make([]uint64, n+1)
	var sum uint64
	for i := range counts {
		sum += h.Counts[i]
		counts[i] = sum
		if i < n {
			buckets[i].UpperBound, buckets[i].CumulativeCount = &h.Bounds[i], &counts[i]
			pointers[i] = &buckets[i]
		}
	}
	return &dto.Histogram{SampleCount: &counts[n], SampleSum: &h.Sum, Bucket: pointers}
}
