// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"math"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
)

func TestDurationOnABoundBelongsBelowIt(t *testing.T) {
	a := New(Default(), nil)
	for _, d := range []time.Duration{0, 5 * time.Millisecond, 5*time.Millisecond + 1, 10 * time.Second, 10*time.Second + 1, time.Hour} {
		r := serverRequest("GET", 200)
		r.End = r.Start + d
		a.Request(&r)
	}
	h := family(a.Snapshot(), model.MetricHTTPServerDuration)[0].Histogram
	want := []uint64{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}
	if !slices.Equal(h.Counts, want) {
		t.Errorf("got %v, want %v", h.Counts, want)
	}
	if want := 3620.010000002; math.Abs(h.Sum-want) > 1e-9 {
		t.Errorf("sum %.9f, want %.9f", h.Sum, want)
	}
}

func TestBucketsHaveRoomForAllBounds(t *testing.T) {
	for m := range model.MetricCount {
		if n := len(m.Bounds()) + 1; n > maxBuckets {
			t.Errorf("metric %d has %d buckets, there is room for %d", m, n, maxBuckets)
		}
	}
}

func TestSumGoesOnWhereNanosecondsWrap(t *testing.T) {
	var h histogram
	for range 3 {
		h.took(math.MaxInt64, newLayout(nil, nanoseconds()))
	}
	if got, want := h.sum(1e9), 3*float64(math.MaxInt64)/1e9; math.Abs(got/want-1) > 1e-15 {
		t.Errorf("got %g, want %g", got, want)
	}
}
