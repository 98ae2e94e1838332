// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"sonde/agent/model"
)

// reference is the bucket of v by the definition: (2^(i/8), 2^((i+1)/8)].
func reference(v float64) int { return int(math.Ceil(math.Log2(v)*(1<<maxScale))) - 1 }

func TestGridAgreesWithTheDefinition(t *testing.T) {
	for _, g := range []*grid{nanoseconds(), ones()} {
		random := rand.New(rand.NewPCG(1, 2))
		for range 1_000_000 {
			v := random.Uint64()>>(random.UintN(63)) | 1
			got, want := g.find(v)+g.base, reference(float64(v)/g.perUnit)
			if got == want {
				continue
			}
			// Next to a bound the logarithm is what is wrong. Integers decide: the bound is between their neighbours.
			if near := math.Abs(math.Log2(float64(v)/g.perUnit)*8 - math.Round(math.Log2(float64(v)/g.perUnit)*8)); near > 1e-9 {
				t.Fatalf("%d in parts of 1/%g: got bucket %d, want %d", v, g.perUnit, got, want)
			}
		}
		for i := range g.upper {
			if i > 0 && g.upper[i] < g.upper[i-1] {
				t.Fatalf("bound %d is %d, below the one before", i, g.upper[i])
			}
			v := g.upper[i]
			if v > 1 && (i == 0 || v > g.upper[i-1]) {
				if at := g.find(v); at != i {
					t.Errorf("the bound %d is in bucket %d, want %d: a bound belongs to the bucket below it", v, at, i)
				}
			}
			if v < math.MaxUint64 && (i == len(g.upper)-1 || v < g.upper[i+1]) {
				if at := g.find(v + 1); at <= i {
					t.Errorf("%d is in bucket %d, want one above %d", v+1, at, i)
				}
			}
		}
	}
}

func TestPowersOfTwoAreExactBounds(t *testing.T) {
	g := nanoseconds()
	for _, tt := range []struct {
		d    time.Duration
		want int
	}{
		{time.Second, -1}, {time.Second + 1, 0}, {2 * time.Second, 7}, {2*time.Second + 1, 8}, {500 * time.Millisecond, -9},
		{1024 * time.Second, 79}, {1024*time.Second + 1, 80},
		{1, -240}, {math.MaxInt64, 264}, // 2^-29.9 and 2^33.1 seconds
	} {
		if got := g.find(uint64(tt.d)) + g.base; got != tt.want {
			t.Errorf("%v: bucket %d, want %d", tt.d, got, tt.want)
		}
	}
}

func TestExplicitBucketsFollowTheGrid(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for m := range model.MetricCount {
		bounds := m.Bounds()
		if bounds == nil || bounds[0] == 5 { // the old names are in milliseconds and converted
			continue
		}
		g := nanoseconds()
		if bounds[len(bounds)-1] > 1000 {
			g = ones()
		}
		l := newLayout(bounds, g)
		check := func(v uint64) {
			want, _ := slices.BinarySearch(l.bounds, v)
			if got := l.explicit(v, l.find(v)); got != want {
				t.Fatalf("metric %d: %d is in bucket %d, want %d", m, v, got, want)
			}
		}
		for _, b := range l.bounds {
			for _, v := range []uint64{b - 1, b, b + 1} {
				if v > 0 && v < math.MaxUint64 {
					check(v)
				}
			}
		}
		for range 100_000 {
			check(random.Uint64()>>random.UintN(64) | 1)
		}
	}
}

// distributions of durations, from a narrow one to one that needs three coarser scales.
var distributions = map[string]func(*rand.Rand) time.Duration{
	"one value":  func(*rand.Rand) time.Duration { return 3 * time.Millisecond },
	"normal":     func(r *rand.Rand) time.Duration { return max(0, time.Duration(5e6+r.NormFloat64()*2e6)) },
	"log-normal": func(r *rand.Rand) time.Duration { return time.Duration(1e6 * math.Exp(2*r.NormFloat64())) },
	"all powers": func(r *rand.Rand) time.Duration { return time.Duration(r.Uint64() >> (1 + r.UintN(63))) },
	"with zeros": func(r *rand.Rand) time.Duration { return time.Duration(r.UintN(3)) * time.Millisecond },
	"growing":    func(r *rand.Rand) time.Duration { return time.Duration(1) << r.UintN(60) },
}

func TestExponentialAgreesWithOpenTelemetry(t *testing.T) {
	for name, draw := range distributions {
		t.Run(name, func(t *testing.T) {
			reader := metric.NewManualReader(metric.WithAggregationSelector(func(metric.InstrumentKind) metric.Aggregation {
				return metric.AggregationBase2ExponentialHistogram{MaxSize: maxExponential, MaxScale: maxScale}
			}))
			theirs, err := metric.NewMeterProvider(metric.WithReader(reader)).Meter("test").Float64Histogram("d")
			if err != nil {
				t.Fatal(err)
			}
			a, r, random := New(Default(), nil), serverRequest("GET", 200), rand.New(rand.NewPCG(5, 6))
			for range 20_000 {
				r.End = r.Start + draw(random)
				a.Request(&r)
				theirs.Record(context.Background(), r.Duration().Seconds())
			}
			var all metricdata.ResourceMetrics
			if err := reader.Collect(context.Background(), &all); err != nil {
				t.Fatal(err)
			}
			want := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]
			h := family(a.Snapshot(), model.MetricHTTPServerDuration)[0].Histogram
			compareExponential(t, h, &want)
		})
	}
}

func compareExponential(t *testing.T, h *model.Histogram, want *metricdata.ExponentialHistogramDataPoint[float64]) {
	t.Helper()
	got := h.Exponential
	if int32(got.Scale) != want.Scale || got.ZeroCount != want.ZeroCount || len(got.Counts) > maxExponential {
		t.Errorf("scale %d, %d zeros, %d buckets; want scale %d, %d zeros", got.Scale, got.ZeroCount, len(got.Counts), want.Scale, want.ZeroCount)
	}
	theirs := trim(want.PositiveBucket.Counts)
	if len(got.Counts) > 0 && got.Offset != want.PositiveBucket.Offset+int32(slices.IndexFunc(want.PositiveBucket.Counts, func(n uint64) bool { return n > 0 })) {
		t.Errorf("offset %d, want %d", got.Offset, want.PositiveBucket.Offset)
	}
	if !slices.Equal(got.Counts, theirs) {
		t.Errorf("counts\n%v, want\n%v", got.Counts, theirs)
	}
	low, _ := want.Min.Value()
	high, _ := want.Max.Value()
	if got.Min != low || math.Abs(got.Max-high) > 1e-15*high { // their sum of seconds and rest is rounded twice
		t.Errorf("from %g to %g, want %g to %g", got.Min, got.Max, low, high)
	}
	n := got.ZeroCount
	for _, c := range got.Counts {
		n += c
	}
	if n != h.Count() || n != want.Count {
		t.Errorf("%d values, %d in explicit buckets, want %d", n, h.Count(), want.Count)
	}
}

func trim(counts []uint64) []uint64 {
	full := func(n uint64) bool { return n > 0 }
	from := slices.IndexFunc(counts, full)
	if from < 0 {
		return nil
	}
	to := len(counts)
	for counts[to-1] == 0 {
		to--
	}
	return counts[from:to]
}

func TestCountsGoOnWhere32BitsWrap(t *testing.T) {
	var e exponential
	g := nanoseconds()
	add := func(d time.Duration) { e.observe(uint64(d), g.find(uint64(d))+g.base) }
	add(time.Millisecond)
	at := slices.IndexFunc(e.low, func(n uint32) bool { return n > 0 })
	e.low[at] = math.MaxUint32
	add(time.Millisecond)
	add(time.Millisecond)
	for d := time.Microsecond; d < 1000*time.Hour; d *= 2 { // grows on both sides, then halves
		if d != time.Millisecond {
			add(d)
		}
	}
	var to model.Exponential
	e.copyTo(&to, make([]uint64, e.size()), 1e9)
	var total uint64
	for _, n := range to.Counts {
		total += n
	}
	if want := uint64(1<<32) + 1 + 42; total != want || to.Scale >= maxScale {
		t.Errorf("%d values at scale %d, want %d at a coarser scale than %d", total, to.Scale, want, maxScale)
	}
}

func TestObservingCostsNoAllocationOnceTheRangeIsKnown(t *testing.T) {
	var h histogram
	l := newLayout(model.MetricHTTPServerDuration.Bounds(), nanoseconds())
	random := rand.New(rand.NewPCG(7, 8))
	once := func() {
		for range 1000 {
			h.took(distributions["log-normal"](random), l)
		}
	}
	for range 20 {
		once()
	}
	if n := testing.AllocsPerRun(20, once); n > 0 {
		t.Errorf("%v allocations in 1000 values", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h histogram
	l := newLayout(model.MetricHTTPServerDuration.Bounds(), nanoseconds())
	random := rand.New(rand.NewPCG(9, 10))
	values := make([]time.Duration, 1024)
	for i := range values {
		values[i] = distributions["log-normal"](random)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.took(values[i%len(values)], l)
		i++
	}
}
