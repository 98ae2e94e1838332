// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"math"
	"math/bits"
	"time"

	"sonde/agent/model"
)

// maxBuckets is one more than the longest list of bounds; a test holds it against the model.
const maxBuckets = 15

// histogram counts durations. Values are integers, so that the order of requests cannot change a sum.
type histogram struct {
	counts      [maxBuckets]uint64
	sumLow      uint64 // nanoseconds
	sumOverflow uint64 // times that sumLow wrapped: 584 years, which 100,000 concurrent requests spend in two days
}

// observe counts d. A bound belongs to the bucket below it.
func (h *histogram) observe(d time.Duration, bounds []time.Duration) {
	d = max(0, d)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i]++
	var carry uint64
	h.sumLow, carry = bits.Add64(h.sumLow, uint64(d), 0)
	h.sumOverflow += carry
}

func (h *histogram) sumSeconds() float64 {
	return (float64(h.sumOverflow)*(1<<64) + float64(h.sumLow)) / float64(time.Second)
}

// durations returns the bounds of m as integers to compare with.
func durations(m model.Metric) []time.Duration {
	var out []time.Duration
	for _, s := range m.Bounds() {
		out = append(out, time.Duration(math.Round(s*float64(time.Second))))
	}
	return out
}
