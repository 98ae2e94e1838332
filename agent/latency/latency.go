// SPDX-License-Identifier: Apache-2.0

// Package latency counts durations in buckets of equal relative width and tells their quantiles.
//
// The buckets are the same everywhere, so that histograms of parts add up to the histogram of the whole, and so that two
// outputs never disagree on a percentile: eight an octave, each 9 % wide, from 1 us to 18 minutes. It is for what people look
// at; the histograms of exported metrics, with sums, bounds of their own and exemplars, are agent/aggregate's. It knows no
// request and no time of day. Called by agent/store and cmd/sonde.
package latency

import (
	"math"
	"math/bits"
	"time"
)

const (
	octave  = 8  // buckets that a doubling is divided into
	lowest  = 10 // the first bucket ends at 2^lowest ns, about a microsecond
	highest = 40 // the last but one ends at 2^highest ns, about 18 minutes
)

// Buckets is the number of buckets: one for all that is shorter than a microsecond, one for all that is too long.
const Buckets = (highest-lowest)*octave + 2

var uppers = bounds()

func bounds() (u [Buckets]time.Duration) {
	for i := range Buckets - 1 {
		u[i] = time.Duration(math.Exp2(lowest + float64(i)/octave))
	}
	u[Buckets-1] = math.MaxInt64
	return u
}

// Bucket returns the bucket that d belongs to, 0 <= Bucket(d) < Buckets. A negative d counts as 0.
func Bucket(d time.Duration) int {
	if d <= uppers[0] {
		return 0
	}
	from := (bits.Len64(uint64(d-1)) - 1 - lowest) * octave // its upper bound is a power of two below d
	if from >= Buckets-2 {
		return Buckets - 1
	}
	for i := from + 1; ; i++ {
		if d <= uppers[i] {
			return i
		}
	}
}

// Upper returns the longest duration of bucket i, which is the greatest there is for the last one.
func Upper(i int) time.Duration { return uppers[i] }

// Histogram counts durations. The zero value is empty and ready. It takes memory for the buckets between the shortest and the
// longest duration that it saw: some 300 bytes where they differ by a factor of ten. Not safe for concurrent use.
type Histogram struct {
	counts []uint64 // of buckets first, first+1, ...
	first  int
	count  uint64
	max    time.Duration
}

// Add counts d. A negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	h.max = max(h.max, d)
	h.add(Bucket(d), 1)
}

func (h *Histogram) add(bucket int, n uint64) {
	h.count += n
	if at := bucket - h.first; uint(at) >= uint(len(h.counts)) {
		h.reach(bucket)
	}
	h.counts[bucket-h.first] += n
}

// reach makes room for a bucket, and for some beside it: durations spread, and each step would cost an allocation.
func (h *Histogram) reach(bucket int) {
	const spare = 4
	from, to := max(0, bucket-spare), min(Buckets, bucket+spare+1)
	if len(h.counts) > 0 {
		from, to = min(from, h.first), max(to, h.first+len(h.counts))
	}
	counts := make([]uint64, to-from)
	if len(h.counts) > 0 {
		copy(counts[h.first-from:], h.counts)
	}
	h.counts, h.first = counts, from
}

// Merge adds what other counted. other is not changed.
func (h *Histogram) Merge(other *Histogram) {
	h.max = max(h.max, other.max)
	for i, n := range other.counts {
		if n > 0 {
			h.add(other.first+i, n)
		}
	}
}

// Reset forgets everything and keeps the memory.
func (h *Histogram) Reset() {
	clear(h.counts)
	h.count, h.max = 0, 0
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.count }

// Max returns the longest duration exactly, 0 when none was counted.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the fraction q of those counted, 0 <= q <= 1, does not exceed: the upper bound of the bucket
// that holds it, which is at most 9 % above, and never more than Max. It is 0 when none was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.count)))
	rank = min(max(rank, 1), h.count)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(uppers[h.first+i], h.max)
		}
	}
	return h.max
}

// Each calls f for the buckets from the first to the last that counted anything, in ascending order, empty ones between them
// included.
func (h *Histogram) Each(f func(bucket int, count uint64)) {
	from, to := 0, len(h.counts)
	for from < to && h.counts[from] == 0 {
		from++
	}
	for to > from && h.counts[to-1] == 0 {
		to--
	}
	for i := from; i < to; i++ {
		f(h.first+i, h.counts[i])
	}
}
