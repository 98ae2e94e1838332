// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Bucket is one bucket of a latency histogram: durations up to Upper and above the bucket before.
type Bucket struct {
	Upper time.Duration
	Count uint64
}

// Mark names a place of a histogram, "p99".
type Mark struct {
	Label string
	At    time.Duration // nothing is marked where it is not above 0
}

// series are the steps that rows of a histogram may have within a decade, the finest first. Bounds that people think in stay the
// same while the traffic changes, so that rows do not jump.
var series = [][]float64{{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}, {1, 1.5, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}}

// longestBar is where a longer bar would only lead the eye away from its number.
const longestBar = 56

// Histogram draws buckets, ascending, as horizontal bars with their upper bound, their count and the marks that lie in them. As
// many buckets share a line as the height of c needs; one that lies across a bound counts where its upper end is.
func Histogram(c *Canvas, buckets []Bucket, marks []Mark) {
	rows := histogramRows(buckets, c.H)
	if len(rows) == 0 {
		Left(c, "no durations yet", Dim)
		return
	}
	var most uint64
	for _, r := range rows {
		most = max(most, r.Count)
	}
	marked := c.W >= 40
	bar := c.W - DurationWidth - 1 - 1 - CountWidth
	if marked {
		bar = min(bar-marksWidth(marks), longestBar)
	}
	for y, r := range rows {
		line := c.Part(0, y, c.W, 1)
		Right(line.Part(0, 0, DurationWidth, 1), Bound(r.Upper), Dim)
		Bar(line, DurationWidth+1, 0, bar, float64(r.Count)/float64(most), Accent)
		x := DurationWidth + 1 + max(bar, 0)
		style := Text
		if r.Count == 0 {
			style = Dim
		}
		Right(line.Part(x+1, 0, CountWidth, 1), Count(r.Count), style)
		labels := marksOf(rows, y, marks)
		switch {
		case labels == "":
		case marked:
			line.Print(x+1+CountWidth+1, 0, "◂"+labels, Strong)
		case bar > 0: // what is narrow shows a mark where no bar is
			line.Print(x, 0, "◂", Strong)
		}
	}
}

// HistogramHeight is how many lines Histogram fills of those that it is given: a line says that there are no durations.
func HistogramHeight(buckets []Bucket, given int) int {
	return min(max(len(histogramRows(buckets, given)), 1), max(given, 0))
}

// marksWidth is what marks need that all lie in one line.
func marksWidth(marks []Mark) int {
	w := Width(" ◂")
	for _, m := range marks {
		w += 1 + Width(m.Label)
	}
	return w
}

// marksOf joins the labels of marks that lie in row y.
func marksOf(rows []Bucket, y int, marks []Mark) string {
	var b strings.Builder
	for _, m := range marks {
		after := y == 0 || m.At > rows[y-1].Upper
		until := y == len(rows)-1 || m.At <= rows[y].Upper
		if m.At > 0 && after && until {
			b.WriteByte(' ')
			b.WriteString(m.Label)
		}
	}
	return b.String()
}

// histogramRows gathers buckets in as many rows as there is room for, at bounds of the finest series that fits.
func histogramRows(buckets []Bucket, height int) []Bucket {
	for len(buckets) > 0 && buckets[0].Count == 0 {
		buckets = buckets[1:]
	}
	for len(buckets) > 0 && buckets[len(buckets)-1].Count == 0 {
		buckets = buckets[:len(buckets)-1]
	}
	if len(buckets) == 0 || height <= 0 {
		return nil
	}
	var rows []Bucket
	low, high := buckets[0].Upper, buckets[len(buckets)-1].Upper
	for _, steps := range series {
		if rows = bounds(steps, low, high); len(rows) <= height {
			break
		}
	}
	rows = rows[max(len(rows)-height, 0):] // the lowest takes what is below it
	for _, b := range buckets {
		i, _ := slices.BinarySearchFunc(rows, b.Upper, func(r Bucket, d time.Duration) int { return cmp.Compare(r.Upper, d) })
		rows[min(i, len(rows)-1)].Count += b.Count
	}
	return rows
}

// bounds returns empty rows from the last bound that is not below low to the first that is not below high; at least one.
func bounds(steps []float64, low, high time.Duration) []Bucket {
	var rows []Bucket
	for decade := 1.0; decade < math.MaxInt64; decade *= 10 {
		for _, s := range steps {
			upper := time.Duration(math.MaxInt64)
			if v := math.Round(decade * s); v < math.MaxInt64 {
				upper = time.Duration(v)
			}
			if upper < low || len(rows) > 0 && upper <= rows[len(rows)-1].Upper {
				continue
			}
			rows = append(rows, Bucket{Upper: upper})
			if upper >= high {
				return rows
			}
		}
	}
	return append(rows, Bucket{Upper: math.MaxInt64})
}
