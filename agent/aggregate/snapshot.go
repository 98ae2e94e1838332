// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"sonde/agent/model"
)

// Snapshot returns a copy of all series that are not idle, and the agent's own metrics. It copies a chunk of series at a
// time, so that feeding goes on meanwhile: each series is consistent in itself, one may be a moment newer than another.
func (a *Aggregator) Snapshot() *model.Snapshot {
	a.snapshots.Lock()
	defer a.snapshots.Unlock()
	a.mu.Lock()
	r := &reading{mu: &a.mu, now: a.now, idle: a.cfg.IdleTimeout}
	f := families{limit: a.cfg.MaxSeries, began: max(0, a.began)}
	a.mu.Unlock()

	a.readHTTP(r, &f)
	a.readRPC(r, &f)
	a.readDB(r, &f)
	a.readMessaging(r, &f)
	f.set(model.MetricDNSLookup, histograms(r, &a.dnsClients, a.requestLayout))
	f.set(model.MetricDNSServer, histograms(r, &a.dnsServers, a.requestLayout))
	f.set(model.MetricTLSHandshake, histograms(r, &a.handshakes, a.requestLayout))
	f.set(model.MetricWebSocketSession, histograms(r, &a.sessions, a.lifetimeLayout))
	a.readEdges(r, &f)
	a.readSpans(r, &f)
	a.readFlows(r, &f)
	f.set(model.MetricRequestsUnaggregated, counters(r, &a.unaggregated))
	if a.self != nil {
		self := a.self.Self()
		self.add(&f)
	}
	return f.snapshot(r.now)
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
	began  time.Duration // when the agent began to count
	series [model.MetricCount][]model.Series
	merge  [model.MetricCount]bool // filled by add: not yet known to be free of twins
	limit  int
}

func (f *families) set(m model.Metric, s []model.Series) { f.series[m] = s }

// expect makes room for n series of each of ms.
func (f *families) expect(n int, ms ...model.Metric) {
	for _, m := range ms {
		f.series[m] = make([]model.Series, 0, n)
	}
}

// put appends a series of a table, whose labels no other has.
func (f *families) put(m model.Metric, s model.Series) { f.series[m] = append(f.series[m], s) }

func (f *families) add(m model.Metric, value float64, ls ...model.Label) {
	f.series[m] = append(f.series[m], model.Series{Labels: labels(ls...), Value: value, Start: f.began})
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

func (f *families) snapshot(now time.Duration) *model.Snapshot {
	s := &model.Snapshot{Time: now}
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
	rest := model.Series{Start: series[0].Start, Labels: []model.Label{{Attr: model.AttrOverflow, Value: "true"}}}
	for _, s := range series[limit-1:] {
		rest.Value += s.Value
	}
	return append(series[:limit-1], rest)
}
