// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"math/bits"
	"time"

	"sonde/agent/model"
)

// maxBuckets is one more than the longest list of bounds; a test holds it against the model.
const maxBuckets = 15

// histogram counts values. They are integers, so that the order of requests cannot change a sum.
type histogram struct {
	counts      [maxBuckets]uint64
	sumLow      uint64 // parts of the unit: nanoseconds, bytes
	sumOverflow uint64 // times that sumLow wrapped: 584 years, which 100,000 concurrent requests spend in two days
	exponential exponential
	exemplars   *exemplars // nil before the first
}

// observation is a value on its way into histograms. They share the search for its bucket.
type observation struct {
	value  uint64
	bucket int            // on the grid; means nothing for 0
	sample *model.Request // that may be an exemplar; nil when its span is not exported
}

// duration measures r.
func (g *grid) duration(r *model.Request) observation {
	o := g.observe(uint64(r.Duration()))
	if exported(&r.Span) {
		o.sample = r
	}
	return o
}

// observe prepares a value for histograms without exemplars.
func (g *grid) observe(v uint64) observation {
	o := observation{value: v}
	if v != 0 {
		o.bucket = g.find(v)
	}
	return o
}

// exported tells whether the span of a request can be looked up later.
func exported(s *model.Span) bool {
	return (s.Sampled || s.Kept != "") && !s.Silenced && s.Valid()
}

// observe counts o, which the grid of l measured.
func (h *histogram) observe(o *observation, l *layout) {
	b := 0
	if o.value != 0 {
		b = l.explicit(o.value, o.bucket)
	}
	h.counts[b]++
	var carry uint64
	h.sumLow, carry = bits.Add64(h.sumLow, o.value, 0)
	h.sumOverflow += carry
	h.exponential.observe(o.value, o.bucket+l.base)
	if o.sample != nil {
		h.exemplify(b, o)
	}
}

// took counts a time that no request stands for.
func (h *histogram) took(d time.Duration, l *layout) {
	o := l.observe(uint64(max(0, d)))
	h.observe(&o, l)
}

// sum returns the sum of all values in the unit.
func (h *histogram) sum(perUnit float64) float64 {
	return (float64(h.sumOverflow)*(1<<64) + float64(h.sumLow)) / perUnit
}

// exemplars are the newest requests in the buckets that have had any.
type exemplars struct {
	place [maxBuckets]uint8 // in list, from 1; 0 where a bucket has none
	list  []exemplar
}

type exemplar struct {
	value uint64
	time  time.Duration
	trace model.TraceID
	span  model.SpanID
}

// exemplarEvery is the age at which an exemplar gives way. No reader comes more often, and copying identifiers for each
// request would cost more than counting it.
const exemplarEvery = time.Second

func (h *histogram) exemplify(bucket int, o *observation) {
	x := h.exemplars
	if x == nil {
		x = &exemplars{}
		h.exemplars = x
	}
	at := int(x.place[bucket])
	if at == 0 {
		x.list = append(x.list, exemplar{})
		at = len(x.list)
		x.place[bucket] = uint8(at)
	} else if o.sample.End-x.list[at-1].time < exemplarEvery {
		return
	}
	x.list[at-1] = exemplar{value: o.value, time: o.sample.End, trace: o.sample.Span.TraceID, span: o.sample.Span.SpanID}
}

// copyTo fills a copy for a snapshot, in memory of s.
func (h *histogram) copyTo(to *model.Histogram, l *layout, s *slabs) {
	counts := s.counts.take(len(l.unit) + 1)
	copy(counts, h.counts[:])
	*to = model.Histogram{Bounds: l.unit, Counts: counts, Sum: h.sum(l.perUnit)}
	to.Exponential = &s.exponentials.take(1)[0]
	h.exponential.copyTo(to.Exponential, s.counts.take(h.exponential.size()), l.perUnit)
	if x := h.exemplars; x != nil {
		to.Exemplars = s.exemplars.take(len(x.list))[:0]
		for _, at := range x.place {
			if at != 0 {
				to.Exemplars = append(to.Exemplars, x.list[at-1].copy(l.perUnit))
			}
		}
	}
}

func (x *exemplar) copy(perUnit float64) model.Exemplar {
	return model.Exemplar{Value: float64(x.value) / perUnit, Time: x.time, TraceID: x.trace, SpanID: x.span}
}

// sizes counts sizes: bytes, rows. They need no finer buckets than the explicit ones, and have no exemplars.
type sizes struct {
	counts [maxBuckets]uint64
	sum    uint64 // 18 exabytes
}

func (s *sizes) observe(n uint64, l *layout) {
	b := 0
	if n != 0 {
		b = l.explicit(n, l.find(n))
	}
	s.counts[b]++
	s.sum += n
}

func (s *sizes) empty() bool { return s.counts == [maxBuckets]uint64{} }

func (s *sizes) copyTo(to *model.Histogram, l *layout, mem *slabs) {
	counts := mem.counts.take(len(l.unit) + 1)
	copy(counts, s.counts[:])
	*to = model.Histogram{Bounds: l.unit, Counts: counts, Sum: float64(s.sum) / l.perUnit}
}

// slabs is memory for the copies of a snapshot, made in large pieces without the lock.
type slabs struct {
	counts       slab[uint64]
	exponentials slab[model.Exponential]
	exemplars    slab[model.Exemplar]
	histograms   slab[model.Histogram]
}

// reserve makes room for as much as was used since the last call.
func (s *slabs) reserve() {
	s.counts.reserve()
	s.exponentials.reserve()
	s.exemplars.reserve()
	s.histograms.reserve()
}

// slab hands out parts of a slice.
type slab[T any] struct {
	free []T
	used int // since the last reserve
}

func (s *slab[T]) reserve() {
	if want := s.used + s.used/4; len(s.free) < want {
		s.free = make([]T, want)
	}
	s.used = 0
}

// take returns n elements, all zero. It allocates when a guess was too low.
func (s *slab[T]) take(n int) []T {
	s.used += n
	if len(s.free) < n {
		s.free = make([]T, max(n, minSlab))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

const minSlab = 64
