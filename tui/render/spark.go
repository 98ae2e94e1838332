// SPDX-License-Identifier: Apache-2.0

package render

import "math"

// eighths of a cell from the bottom, and from the left.
var (
	rising  = [...]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
	growing = [...]string{" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}
)

// FailedMark stands for failure wherever colour alone would say it.
const FailedMark = "!"

// sparkErrors is the share of errors from which a part of a sparkline is a mark and no longer a bar: below it, the height is
// what tells more.
const sparkErrors = 0.1

// Spark draws values, oldest first, as a line of bars that ends at column x+w: the newest is at the right. The highest of them
// fills its cell. Parts with errors have the style Bad, and those where a tenth failed are FailedMark. Values that are more than
// there are cells share them.
func Spark(c *Canvas, x, y, w int, values, errors []uint32) {
	if w <= 0 || len(values) == 0 {
		return
	}
	if len(errors) != len(values) { // not of the same parts
		errors = nil
	}
	n := min(w, len(values))
	bars, failed := spread(values, n), spread(errors, n)
	top := 0.0
	for _, v := range bars {
		top = max(top, v)
	}
	for i, v := range bars {
		bad := len(failed) == n && failed[i] > 0
		switch column := x + w - n + i; {
		case bad && failed[i] >= v*sparkErrors:
			c.Print(column, y, FailedMark, Bad)
		case v > 0 && bad:
			c.Print(column, y, rising[step(v, top)], Bad)
		case v > 0:
			c.Print(column, y, rising[step(v, top)], Accent)
		}
	}
}

// step is v in eighths of top, 1 at least: what happened is seen.
func step(v, top float64) int {
	s := math.Round(v / top * 8)
	if !(s >= 1) { // also NaN
		return 1
	}
	return int(min(s, 8))
}

// spread adds values up in n parts of equal length; nil when there are none. A value that lies in two parts counts in both by
// its share.
func spread(values []uint32, n int) []float64 {
	if len(values) == 0 || n <= 0 {
		return nil
	}
	parts := make([]float64, n)
	length := float64(len(values)) / float64(n)
	for i := range parts {
		from, to := float64(i)*length, float64(i+1)*length
		for j := int(from); j < len(values) && float64(j) < to; j++ {
			share := min(to, float64(j+1)) - max(from, float64(j))
			if share > 1e-9 {
				parts[i] += float64(values[j]) * share
			}
		}
	}
	return parts
}

// Bar draws a bar from column x on that fills the share of w cells, in eighths of a cell, and returns the column after it. What
// is above 0 is seen, what is above 1 fills all.
func Bar(c *Canvas, x, y, w int, share float64, style Style) int {
	if w <= 0 || !(share > 0) {
		return x
	}
	n := int(max(1, math.Round(min(share, 1)*float64(w)*8)))
	for ; n >= 8; n -= 8 {
		x = c.Print(x, y, growing[8], style)
	}
	if n > 0 {
		x = c.Print(x, y, growing[n], style)
	}
	return x
}

// Gauge draws how full something is into w cells. Nothing is drawn where full is 0: then it is not known.
func Gauge(c *Canvas, x, y, w int, value, full uint64, style Style) {
	if full == 0 {
		return
	}
	for i := Bar(c, x, y, w, float64(value)/float64(full), style); i < x+w; {
		i = c.Print(i, y, "·", Dim)
		if i >= c.W {
			return
		}
	}
}
