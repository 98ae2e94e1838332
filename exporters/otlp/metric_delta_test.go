// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"sonde/agent/model"
)

func deltaEncoder(h HistogramAggregation) *metricEncoder {
	c := DefaultMetrics()
	c.Temporality, c.Histograms = Delta, h
	return newMetricEncoder(c, bootClock)
}

// sums returns the points of the first counter.
func sums(exports []*export) []metricdata.DataPoint[float64] {
	for _, x := range exports {
		for _, m := range x.metrics.ScopeMetrics[0].Metrics {
			return m.Data.(metricdata.Sum[float64]).DataPoints
		}
	}
	return nil
}

func TestDeltaOfACounterIsWhatItGrewBy(t *testing.T) {
	type step struct {
		at, start time.Duration
		value     float64 // -1 for a series that is not shown
		want      float64 // -1 for no point
		from      time.Duration
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"the first point is all since the beginning", []step{{10, 2, 5, 5, 2}, {20, 2, 8, 3, 10}, {30, 2, 8, -1, 0}, {40, 2, 9, 1, 30}}},
		{"a series that began again", []step{{10, 2, 5, 5, 2}, {20, 15, 7, 7, 15}, {30, 15, 8, 1, 20}}},
		{"a series that fell without saying so", []step{{10, 0, 5, 5, 0}, {20, 0, 3, 3, 0}}},
		{"an idle series that comes back goes on", []step{{10, 2, 5, 5, 2}, {20, 2, -1, -1, 0}, {30, 2, 6, 1, 20}}},
		{"after an hour out of sight it is new", []step{{10, 2, 5, 5, 2}, {4000, 2, -1, -1, 0}, {4010, 2, 6, 6, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := deltaEncoder(ExplicitBuckets)
			for i, s := range tt.steps {
				snapshot := &model.Snapshot{Time: s.at * time.Second}
				if s.value >= 0 {
					snapshot.Families = []model.Family{{Metric: model.MetricUndecodable, Series: []model.Series{
						{Value: s.value, Start: s.start * time.Second},
					}}}
				}
				points := sums(e.encode(snapshot, time.Time{}))
				if s.want < 0 {
					if len(points) != 0 {
						t.Errorf("step %d: %v, want none", i, points)
					}
					continue
				}
				if len(points) != 1 || points[0].Value != s.want || !points[0].Time.Equal(bootTime.Add(s.at*time.Second)) ||
					s.start != 0 && !points[0].StartTime.Equal(bootTime.Add(s.from*time.Second)) {
					t.Errorf("step %d: %+v, want %v from %v", i, points, s.want, s.from)
				}
			}
		})
	}
}

// counted is a histogram that values are added to, as the aggregator keeps it.
type counted struct {
	sum      float64
	counts   map[int]uint64
	explicit []uint64
	scale    int8
}

func (c *counted) add(v float64, bounds []float64) {
	if c.counts == nil {
		c.counts, c.explicit, c.scale = map[int]uint64{}, make([]uint64, len(bounds)+1), 6
	}
	c.sum += v
	at, _ := slices.BinarySearch(bounds, v)
	c.explicit[at]++
	c.counts[int(math.Ceil(math.Log2(v)*math.Exp2(float64(c.scale))))-1]++
	for {
		low, high := math.MaxInt, math.MinInt
		for i := range c.counts {
			low, high = min(low, i), max(high, i)
		}
		if high-low < 20 {
			return
		}
		merged := map[int]uint64{}
		for i, n := range c.counts {
			merged[i>>1] += n
		}
		c.counts, c.scale = merged, c.scale-1
	}
}

func (c *counted) histogram(bounds []float64) *model.Histogram {
	low, high := math.MaxInt, math.MinInt
	for i := range c.counts {
		low, high = min(low, i), max(high, i)
	}
	x := &model.Exponential{Scale: c.scale, Offset: int32(low), Counts: make([]uint64, high-low+1)}
	for i, n := range c.counts {
		x.Counts[i-low] = n
	}
	return &model.Histogram{Bounds: bounds, Counts: slices.Clone(c.explicit), Sum: c.sum, Exponential: x}
}

func TestDeltasOfAHistogramAddUpToWhatItCounted(t *testing.T) {
	bounds := model.MetricHTTPServerDuration.Bounds()
	random := rand.New(rand.NewPCG(1, 2))
	explicit, exponential := deltaEncoder(ExplicitBuckets), deltaEncoder(ExponentialBuckets)
	var c counted
	buckets, byUpper := make([]uint64, len(bounds)+1), map[float64]uint64{}
	for i := range 60 {
		spread := float64(i) / 10 // the range widens: scales fall meanwhile
		for range random.IntN(20) + 1 {
			c.add(0.1*math.Exp2(spread*(random.Float64()-0.5)), bounds)
		}
		s := &model.Snapshot{Time: time.Duration(i+1) * time.Minute, Families: []model.Family{{Metric: model.MetricHTTPServerDuration, Series: []model.Series{
			{Histogram: c.histogram(bounds), Start: time.Second},
		}}}}
		h := explicit.encode(s, time.Time{})[0].metrics.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64])
		for at, n := range h.DataPoints[0].BucketCounts {
			buckets[at] += n
		}
		x := exponential.encode(s, time.Time{})[0].metrics.ScopeMetrics[0].Metrics[0].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]
		for at, n := range x.PositiveBucket.Counts {
			upper := math.Exp2(float64(int(x.PositiveBucket.Offset)+at+1) / math.Exp2(float64(x.Scale)))
			byUpper[upper] += n
		}
		if x.Count != h.DataPoints[0].Count {
			t.Fatalf("export %d: %d values in exponential buckets, %d in explicit ones", i, x.Count, h.DataPoints[0].Count)
		}
	}
	if !slices.Equal(buckets, c.explicit) {
		t.Errorf("explicit: %v, want %v", buckets, c.explicit)
	}
	merged := map[int]uint64{} // at the last scale
	for upper, n := range byUpper {
		merged[int(math.Ceil(math.Log2(upper)*math.Exp2(float64(c.scale))-1e-9))-1] += n
	}
	for i, n := range c.counts {
		if merged[i] != n {
			t.Errorf("exponential bucket %d: %d, want %d", i, merged[i], n)
		}
	}
	if c.scale > 3 {
		t.Errorf("scale %d: nothing was merged", c.scale)
	}
}

func TestHistogramThatBeganAgainIsSentWhole(t *testing.T) {
	bounds := model.MetricHTTPServerDuration.Bounds()
	for _, kind := range []HistogramAggregation{ExplicitBuckets, ExponentialBuckets} {
		for _, restarted := range []time.Duration{time.Second, 10 * time.Second} { // silently, and with a new beginning
			e := deltaEncoder(kind)
			var n uint64
			for i, h := range []*model.Histogram{histogramOf(bounds, 0.2, 5), histogramOf(bounds, 0.01, 2)} {
				s := &model.Snapshot{Time: time.Duration(i+1) * time.Minute, Families: []model.Family{{Metric: model.MetricHTTPServerDuration, Series: []model.Series{
					{Histogram: h, Start: []time.Duration{time.Second, restarted}[i]},
				}}}}
				if i == 1 {
					h.Exponential.Offset -= 16
				}
				switch d := e.encode(s, time.Time{})[0].metrics.ScopeMetrics[0].Metrics[0].Data.(type) {
				case metricdata.Histogram[float64]:
					n = d.DataPoints[0].Count
				case metricdata.ExponentialHistogram[float64]:
					n = d.DataPoints[0].Count
				}
			}
			if n != 2 {
				t.Errorf("%s, began at %v: %d values, want 2", kind, restarted, n)
			}
		}
	}
}

func TestHistogramThatComesBackGoesOnWithoutItsSnapshot(t *testing.T) {
	bounds := model.MetricHTTPServerDuration.Bounds()
	for _, kind := range []HistogramAggregation{ExplicitBuckets, ExponentialBuckets} {
		e := deltaEncoder(kind)
		var got []uint64
		for i, n := range []uint64{5, 0, 7} {
			s := &model.Snapshot{Time: time.Duration(i+1) * time.Minute}
			if n > 0 {
				s.Families = []model.Family{{Metric: model.MetricHTTPServerDuration, Series: []model.Series{{Histogram: histogramOf(bounds, 0.2, n), Start: time.Second}}}}
			}
			var first *model.Histogram
			for _, k := range e.deltas.series {
				first = k.histogram
			}
			for _, x := range e.encode(s, time.Time{}) {
				switch d := x.metrics.ScopeMetrics[0].Metrics[0].Data.(type) {
				case metricdata.Histogram[float64]:
					got = append(got, d.DataPoints[0].Count)
				case metricdata.ExponentialHistogram[float64]:
					got = append(got, d.DataPoints[0].Count)
				}
			}
			if i == 1 { // what belonged to the snapshot is nobody's now
				clear(first.Counts)
				clear(first.Exponential.Counts)
			}
		}
		if !slices.Equal(got, []uint64{5, 2}) {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestExemplarIsSentOnceWithDeltas(t *testing.T) {
	e := deltaEncoder(ExplicitBuckets)
	bounds := model.MetricHTTPServerDuration.Bounds()
	var got []int
	for i, last := range []time.Duration{50, 50, 130} {
		h := histogramOf(bounds, 0.2, uint64(i+1))
		h.Exemplars[0].Time = last * time.Second
		s := &model.Snapshot{Time: time.Duration(i+1) * time.Minute, Families: []model.Family{{Metric: model.MetricHTTPServerDuration, Series: []model.Series{
			{Histogram: h, Start: time.Second},
		}}}}
		d := e.encode(s, time.Time{})[0].metrics.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64])
		got = append(got, len(d.DataPoints[0].Exemplars))
	}
	if !slices.Equal(got, []int{1, 0, 1}) {
		t.Errorf("exemplars: %v", got)
	}
}
