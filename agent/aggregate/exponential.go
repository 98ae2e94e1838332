// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"math"

	"sonde/agent/model"
)

// maxExponential is the limit of buckets of an exponential histogram, as OpenTelemetry's SDKs and Prometheus's advice have
// it: twenty doublings at the finest scale.
const maxExponential = 160

// exponential counts values in buckets of equal relative width. It holds memory for the range of values that it saw, in
// 32 bits a bucket as long as they do: few series count more than that.
type exponential struct {
	low      []uint32 // low halves of the counts
	high     []uint32 // high halves; nil until a low one wrapped
	zero     uint64   // values of 0
	min, max uint64
	first    int16 // index of the first bucket, counted on the grid and divided by the widening
	coarser  uint8 // maxScale less the scale
}

// observe counts v, which the grid has at index i: its bucket and the grid's base together. i means nothing for 0.
func (e *exponential) observe(v uint64, i int) {
	if v < e.min || e.empty() {
		e.min = v
	}
	e.max = max(e.max, v)
	if v == 0 {
		e.zero++
		return
	}
	at := i>>e.coarser - int(e.first)
	if uint(at) >= uint(len(e.low)) {
		at = e.reach(i)
	}
	e.low[at]++
	if e.low[at] == 0 {
		e.carry(at)
	}
}

// empty is true before the first value: no value but 0 leaves the greatest at 0, and that is counted.
func (e *exponential) empty() bool { return e.max == 0 && e.zero == 0 }

func (e *exponential) carry(at int) {
	if e.high == nil {
		e.high = make([]uint32, len(e.low))
	}
	e.high[at]++
}

// reach makes room for index i and returns the place of its bucket. It halves the resolution while the range needs more
// buckets than the limit.
func (e *exponential) reach(i int) int {
	from, to := e.used()
	for {
		least, most := i>>e.coarser, i>>e.coarser
		if from < to {
			least, most = min(least, int(e.first)+from), max(most, int(e.first)+to-1)
		}
		if most-least < maxExponential {
			e.resize(least, most, from, to)
			return i>>e.coarser - int(e.first)
		}
		e.halve()
		from, to = e.used()
	}
}

// used returns the range of places that hold counts.
func (e *exponential) used() (from, to int) {
	to = len(e.low)
	for from < to && e.at(from) == 0 {
		from++
	}
	for to > from && e.at(to-1) == 0 {
		to--
	}
	return from, to
}

func (e *exponential) at(i int) uint64 {
	n := uint64(e.low[i])
	if e.high != nil {
		n |= uint64(e.high[i]) << 32
	}
	return n
}

// resize makes the buckets those from least to most, and some at either end where the limit allows: values spread, and each
// time that costs an allocation.
func (e *exponential) resize(least, most, from, to int) {
	const spare = 7
	if wider := most | spare; wider-least < maxExponential {
		most = wider
	}
	if wider := least &^ spare; most-wider < maxExponential {
		least = wider
	}
	shift := int(e.first) + from - least
	low := make([]uint32, most-least+1)
	if from < to {
		copy(low[shift:], e.low[from:to])
		if e.high != nil {
			high := make([]uint32, len(low))
			copy(high[shift:], e.high[from:to])
			e.high = high
		}
	}
	e.low, e.first = low, int16(least)
}

// halve joins buckets in pairs.
func (e *exponential) halve() {
	first := int(e.first) >> 1
	joined := make([]uint64, (int(e.first)+len(e.low)-1)>>1-first+1)
	for i := range e.low {
		joined[(int(e.first)+i)>>1-first] += e.at(i)
	}
	e.low, e.high, e.first = make([]uint32, len(joined)), nil, int16(first)
	e.coarser++
	for i, n := range joined {
		e.low[i] = uint32(n)
		if n > math.MaxUint32 {
			if e.high == nil {
				e.high = make([]uint32, len(joined))
			}
			e.high[i] = uint32(n >> 32)
		}
	}
}

// size is how many counts a copy needs.
func (e *exponential) size() int { return len(e.low) }

// copyTo fills a copy. It uses counts, which has room for all, and leaves the empty buckets at the ends out.
func (e *exponential) copyTo(to *model.Exponential, counts []uint64, perUnit float64) {
	*to = model.Exponential{
		Scale: int8(maxScale - int(e.coarser)), ZeroCount: e.zero,
		Min: float64(e.min) / perUnit, Max: float64(e.max) / perUnit,
	}
	from, end := e.used()
	if from == end {
		return
	}
	to.Offset, to.Counts = int32(e.first)+int32(from), counts[:end-from:end-from]
	for i := from; i < end; i++ {
		to.Counts[i-from] = e.at(i)
	}
}
