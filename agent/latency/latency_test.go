// SPDX-License-Identifier: Apache-2.0

package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestEveryDurationIsInTheBucketThatSaysSo(t *testing.T) {
	values := []time.Duration{math.MinInt64, -1, 0, 1, time.Microsecond, 1023, 1024, 1025, time.Second, 1 << 40, 1<<40 + 1, math.MaxInt64}
	for i := range Buckets - 1 {
		values = append(values, Upper(i)-1, Upper(i), Upper(i)+1)
	}
	for range 10_000 {
		values = append(values, time.Duration(rand.Uint64()>>(1+rand.IntN(63))))
	}
	for _, d := range values {
		i := Bucket(d)
		if d > Upper(i) || i > 0 && d <= Upper(i-1) {
			t.Fatalf("%d is in bucket %d, which ends at %d", d, i, Upper(i))
		}
	}
}

func TestBucketsAreNinePercentWide(t *testing.T) {
	for i := 1; i < Buckets-1; i++ {
		if width := float64(Upper(i)) / float64(Upper(i-1)); width < 1.085 || width > 1.095 {
			t.Errorf("bucket %d ends at %d, %.3f times the one before", i, Upper(i), width)
		}
	}
	if Upper(0) > 1100*time.Nanosecond || Upper(Buckets-2) < 1000*time.Second {
		t.Errorf("the buckets span %v to %v", Upper(0), Upper(Buckets-2))
	}
}

func TestQuantilesAreUpperBoundsWithinABucket(t *testing.T) {
	var h, left, right Histogram
	var all []time.Duration
	for i := range 5000 {
		d := time.Duration(math.Exp(rand.NormFloat64()*2) * float64(time.Millisecond))
		all = append(all, d)
		h.Add(d)
		if i%3 == 0 {
			left.Add(d)
		} else {
			right.Add(d)
		}
	}
	left.Merge(&right)
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.9999, 1} {
		exact := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
		got := h.Quantile(q)
		if got < exact || float64(got) > 1.091*float64(exact)+1024 {
			t.Errorf("quantile %v: %v, exactly %v", q, got, exact)
		}
		if merged := left.Quantile(q); merged != got {
			t.Errorf("quantile %v: %v of the parts, %v of the whole", q, merged, got)
		}
	}
	if h.Max() != all[len(all)-1] || left.Max() != h.Max() || h.Count() != 5000 || left.Count() != 5000 {
		t.Errorf("max %v and %v, count %d and %d", h.Max(), left.Max(), h.Count(), left.Count())
	}
}

func TestOneDurationIsItsOwnQuantile(t *testing.T) {
	for _, d := range []time.Duration{0, 3, 1, time.Millisecond + 1, 2000 * time.Second} {
		var h Histogram
		h.Add(d)
		if h.Quantile(0) != d || h.Quantile(0.5) != d || h.Quantile(1) != d || h.Max() != d {
			t.Errorf("%v: median %v, max %v", d, h.Quantile(0.5), h.Max())
		}
	}
}

func TestLeastIsNotBelowWhatWasCounted(t *testing.T) {
	var h Histogram
	h.Add(time.Second)
	h.Add(2 * time.Second)
	if q := h.Quantile(0); q < time.Second || q > 1100*time.Millisecond {
		t.Errorf("least %v", q)
	}
}

func TestEmptyHistogramHasNoQuantile(t *testing.T) {
	var h, other Histogram
	h.Merge(&other)
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("something is in it")
	}
	h.Add(time.Hour)
	h.Reset()
	h.Each(func(int, uint64) { t.Error("a bucket survived Reset") })
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("something survived Reset")
	}
	h.Add(time.Microsecond)
	if h.Max() != time.Microsecond || h.Quantile(0.5) != time.Microsecond {
		t.Error("it does not count after Reset")
	}
}

func TestBucketsBetweenTheFirstAndTheLastAreTold(t *testing.T) {
	var h Histogram
	h.Add(Upper(20))
	h.Add(Upper(23))
	h.Add(Upper(23))
	var got [][2]int
	h.Each(func(bucket int, count uint64) { got = append(got, [2]int{bucket, int(count)}) })
	if want := [][2]int{{20, 1}, {21, 0}, {22, 0}, {23, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func BenchmarkAdd(b *testing.B) {
	var h Histogram
	d := time.Microsecond
	for b.Loop() {
		h.Add(d)
		if d = d * 3 / 2; d > time.Minute {
			d = time.Microsecond
		}
	}
}
