// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"math"
	"math/big"
	"math/bits"
	"sync"
)

// maxScale is the finest resolution of exponential histograms: eight buckets for each doubling, each 9 % wider than the one
// before. It is Prometheus's schema for a factor of 1.1.
const maxScale = 3

// A value is 64 bits wide, so a grid has eight buckets for each of its 64 doublings, and one more where the first and the
// last are cut by an edge of the range.
const gridSize = 64<<maxScale + 1

// grid finds the bucket, at maxScale, of an integer that counts parts of the metric's unit: nanoseconds of seconds, bytes of
// bytes. Bounds are rounded down to such a part, which is exact: no value lies between a bound and its floor.
type grid struct {
	perUnit float64
	upper   [gridSize]uint64 // inclusive bound of each bucket
	base    int              // index that the conventions give to the first bucket

	// start is the bucket of the least value with given leading bits: the place of the first one and the four behind it. Values
	// that share them are at most 6 % apart, so that at most one bound lies between two of them.
	start [64 << startBits]uint16
}

const startBits = 4

var (
	nanoseconds = sync.OnceValue(func() *grid { return newGrid(1e9) })
	ones        = sync.OnceValue(func() *grid { return newGrid(1) })
)

// newGrid makes a grid of values that are perUnit to the unit of the metric.
func newGrid(perUnit uint64) *grid {
	g := &grid{perUnit: float64(perUnit)}
	bound := bounds(perUnit)
	for g.base = -64 << maxScale; bound(g.base+1) < 1; g.base++ { // the first bucket that a 1 fits in
	}
	for i := range g.upper {
		g.upper[i] = bound(g.base + i + 1)
	}
	i := 0
	for n := range 64 {
		for t := range uint64(1 << startBits) {
			least := shift((1<<startBits)+t, n-startBits)
			for g.upper[i] < least {
				i++
			}
			g.start[n<<startBits|int(t)] = uint16(i)
		}
	}
	return g
}

func shift(v uint64, by int) uint64 {
	if by < 0 {
		return v >> -by
	}
	return v << by
}

// bounds returns a function from i to the floor of perUnit * 2^(i/2^maxScale), at most the largest integer. Floats of 64 bits
// cannot tell neighbours apart where the range ends.
func bounds(perUnit uint64) func(i int) uint64 {
	const precision = 256
	root := new(big.Float).SetPrec(precision).SetInt64(2)
	for range maxScale {
		root.Sqrt(root)
	}
	steps := [1 << maxScale]*big.Float{new(big.Float).SetPrec(precision).SetUint64(perUnit)}
	for i := 1; i < len(steps); i++ {
		steps[i] = new(big.Float).Mul(steps[i-1], root)
	}
	return func(i int) uint64 {
		step := steps[i&(1<<maxScale-1)]
		v, _ := new(big.Float).SetMantExp(step, i>>maxScale).Uint64()
		return v
	}
}

// find returns the bucket of v, which is not 0.
func (g *grid) find(v uint64) int {
	n := bits.Len64(v) - 1
	t := shift(v, startBits-n) & (1<<startBits - 1)
	i := int(g.start[n<<startBits|int(t)])
	if v > g.upper[i] {
		i++
	}
	return i
}

// layout joins the explicit buckets of a metric with the grid of its values, so that one search finds both.
type layout struct {
	*grid
	unit   []float64 // the bounds as the model has them
	bounds []uint64
	first  [gridSize]uint8 // explicit bucket of the least value in a bucket of the grid
}

// newLayout makes a layout. No two bounds may lie in one bucket of the grid; a test holds that against the model.
func newLayout(unit []float64, g *grid) *layout {
	l := &layout{grid: g, unit: unit, bounds: make([]uint64, len(unit))}
	for i, b := range unit {
		l.bounds[i] = uint64(math.Round(b * g.perUnit))
	}
	b, least := 0, uint64(1)
	for i := range l.first {
		for b < len(l.bounds) && l.bounds[b] < least {
			b++
		}
		l.first[i] = uint8(b)
		if g.upper[i] != math.MaxUint64 {
			least = g.upper[i] + 1
		}
	}
	return l
}

// explicit returns the explicit bucket of v, which the grid has in its bucket i. A bound belongs to the bucket below it.
func (l *layout) explicit(v uint64, i int) int {
	b := int(l.first[i])
	if b < len(l.bounds) && v > l.bounds[b] {
		b++
	}
	return b
}
