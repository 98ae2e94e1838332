// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"cmp"
	"maps"
	"slices"

	"sonde/agent/model"
)

// Snapshot returns a copy of all series that are not idle, and the agent's own metrics. It copies a chunk of series at a
// time, so that feeding goes on meanwhile: each series is consistent in itself, one may be a moment newer than another.
func (a *Aggregator) Snapshot() *model.Snapshot {
	a.snapshots.Lock()
	defer a.snapshots.Unlock()
	f := families{limit: a.cfg.MaxSeries}

	f.set(model.MetricHTTPServerDuration, histograms(a, &a.server, model.MetricHTTPServerDuration.Bounds()))
	f.set(model.MetricHTTPClientDuration, histograms(a, &a.client, model.MetricHTTPClientDuration.Bounds()))
	flows := copyOf(a, &a.flows)
	f.set(model.MetricFlowIO, directions(flows, func(c *flowCounters) (transmitted, received uint64) {
		return c.bytesTransmitted, c.bytesReceived
	}))
	f.set(model.MetricFlowPackets, directions(flows, func(c *flowCounters) (transmitted, received uint64) {
		return c.packetsTransmitted, c.packetsReceived
	}))
	f.set(model.MetricTCPConnections, counters(a, &a.ended))
	f.set(model.MetricTCPFailures, counters(a, &a.failures))
	f.set(model.MetricTCPRetransmits, counters(a, &a.retransmits))
	f.set(model.MetricTCPRTT, histograms(a, &a.rtt, model.MetricTCPRTT.Bounds()))
	f.set(model.MetricTCPDuration, histograms(a, &a.lifetime, model.MetricTCPDuration.Bounds()))
	f.set(model.MetricRequestsUnaggregated, counters(a, &a.unaggregated))
	if a.self != nil {
		self := a.self.Self()
		self.add(&f)
	}
	return f.snapshot()
}

func copyOf[K comparable, V any](a *Aggregator, t *table[K, V]) []sample[V] {
	a.mu.Lock()
	now := a.now
	a.mu.Unlock()
	return t.copy(&a.mu, now, a.cfg.IdleTimeout)
}

func counters[K comparable](a *Aggregator, t *table[K, uint64]) []model.Series {
	samples := copyOf(a, t)
	out := make([]model.Series, len(samples))
	for i := range samples {
		out[i] = model.Series{Labels: samples[i].labels, Value: float64(samples[i].value)}
	}
	return out
}

func histograms[K comparable](a *Aggregator, t *table[K, histogram], bounds []float64) []model.Series {
	samples := copyOf(a, t)
	out, all := make([]model.Series, len(samples)), make([]model.Histogram, len(samples))
	for i := range samples {
		h := &samples[i].value // the copy belongs to this snapshot
		all[i] = model.Histogram{Bounds: bounds, Counts: h.counts[:len(bounds)+1], Sum: h.sumSeconds()}
		out[i] = model.Series{Labels: samples[i].labels, Histogram: &all[i]}
	}
	return out
}

// directions makes two series of each sample. The overflow series keeps its direction too: so the sums of both
// directions stay exact.
func directions(flows []sample[flowCounters], of func(*flowCounters) (uint64, uint64)) []model.Series {
	out := make([]model.Series, 0, 2*len(flows))
	for i := range flows {
		transmitted, received := of(&flows[i].value)
		out = append(out,
			model.Series{Labels: with(flows[i].labels, transmit), Value: float64(transmitted)},
			model.Series{Labels: with(flows[i].labels, receive), Value: float64(received)})
	}
	return out
}

var (
	transmit = model.Label{Attr: model.AttrDirection, Value: "transmit"}
	receive  = model.Label{Attr: model.AttrDirection, Value: "receive"}
)

func with(ls []model.Label, l model.Label) []model.Label {
	return append(slices.Clip(ls), l)
}

func named(a model.Attr, value string) model.Label { return model.Label{Attr: a, Value: valid(value)} }

// families collects the series of a snapshot.
type families struct {
	series [model.MetricCount][]model.Series
	merge  [model.MetricCount]bool // filled by add: not yet known to be free of twins
	limit  int
}

func (f *families) set(m model.Metric, s []model.Series) { f.series[m] = s }

func (f *families) add(m model.Metric, value float64, ls ...model.Label) {
	f.series[m] = append(f.series[m], model.Series{Labels: labels(ls...), Value: value})
	f.merge[m] = true
}

func (f *families) addCounts(m model.Metric, attr model.Attr, counts map[string]uint64) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		f.add(m, float64(counts[name]), named(attr, name))
	}
}

func (f *families) addBytes(m model.Metric, b Bytes) {
	f.add(m, float64(b.Transmitted), transmit)
	f.add(m, float64(b.Received), receive)
}

func (f *families) snapshot() *model.Snapshot {
	s := &model.Snapshot{}
	for m, series := range f.series {
		if f.merge[m] {
			series = bound(merge(series), f.limit)
		}
		if len(series) > 0 {
			s.Families = append(s.Families, model.Family{Metric: model.Metric(m), Series: series})
		}
	}
	return s
}

// merge adds up series with equal labels: eBPF programs that are attached at several places share a name.
func merge(series []model.Series) []model.Series {
	slices.SortStableFunc(series, func(a, b model.Series) int { return slices.CompareFunc(a.Labels, b.Labels, compareLabels) })
	out := series[:0]
	for _, s := range series {
		if n := len(out); n > 0 && slices.Equal(out[n-1].Labels, s.Labels) {
			out[n-1].Value += s.Value
			continue
		}
		out = append(out, s)
	}
	return out
}

func compareLabels(a, b model.Label) int {
	return cmp.Or(cmp.Compare(a.Attr, b.Attr), cmp.Compare(a.Value, b.Value))
}

// bound folds what is over the limit into an overflow series.
func bound(series []model.Series, limit int) []model.Series {
	if len(series) <= limit {
		return series
	}
	rest := model.Series{Labels: []model.Label{{Attr: model.AttrOverflow, Value: "true"}}}
	for _, s := range series[limit-1:] {
		rest.Value += s.Value
	}
	return append(series[:limit-1], rest)
}
