// SPDX-License-Identifier: Apache-2.0

package render

import "math"

// Waterfall draws a span that takes from start to end of a trace, both shares of it, into w cells: half a cell fine where it
// starts, eighths where it ends. A span shorter than a cell is still seen. A failed one is Bad and has FailedMark behind it, or
// in front of it where there is no room.
func Waterfall(c *Canvas, x, y, w int, start, end float64, failed bool) {
	if w <= 0 {
		return
	}
	start, end = share(start), share(end)
	from, to := start*float64(w), max(start, end)*float64(w)
	style := Accent
	if failed {
		style = Bad
	}
	first := min(int(from), w-1)
	after := first + 1
	switch late := from-float64(first) >= 0.5; {
	case to <= float64(first+1) && late:
		c.Print(x+first, y, "▐", style)
	case to <= float64(first+1):
		Bar(c, x+first, y, 1, max(to-float64(first), 1.0/8), style)
	case late:
		c.Print(x+first, y, "▐", style)
		after = Bar(c, x+first+1, y, w-first-1, (to-float64(first+1))/float64(w-first-1), style) - x
	default:
		after = Bar(c, x+first, y, w-first, (to-float64(first))/float64(w-first), style) - x
	}
	switch {
	case !failed:
	case after < w:
		c.Print(x+after, y, FailedMark, Bad)
	case first > 0:
		c.Print(x+first-1, y, FailedMark, Bad)
	default:
		c.Print(x+w-1, y, FailedMark, Bad)
	}
}

// share keeps v within 0 and 1; what is not a number is 0.
func share(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

// Segment is a part of a bar: how long it is, and the character that fills it.
type Segment struct {
	Size  float64
	Fill  string
	Style Style
}

// Segments draws parts of a whole one after the other so that they fill w cells. One that is not 0 has at least a cell, as long
// as there are cells.
func Segments(c *Canvas, x, y, w int, parts []Segment) {
	total := 0.0
	for _, p := range parts {
		total += positive(p.Size)
	}
	if w <= 0 || total <= 0 {
		return
	}
	done, end := 0.0, x+w
	for i, p := range parts {
		if positive(p.Size) == 0 {
			continue
		}
		done += p.Size
		until := end - w + int(math.Round(done/total*float64(w)))
		until = min(max(until, x+1), end-visible(parts[i+1:]))
		for ; x < until && x < c.W; x++ {
			c.Print(x, y, p.Fill, p.Style)
		}
	}
}

// visible counts the parts that need a cell.
func visible(parts []Segment) int {
	n := 0
	for _, p := range parts {
		if positive(p.Size) > 0 {
			n++
		}
	}
	return n
}

// positive is v where it is a finite number above 0, and 0 elsewhere.
func positive(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 1) {
		return 0
	}
	return v
}
