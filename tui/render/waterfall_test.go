// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
)

func TestSpansLieWhereTheyWere(t *testing.T) {
	for _, tt := range []struct {
		name       string
		start, end float64
		failed     bool
		want       string
	}{
		{"all of the trace", 0, 1, false, "████████"},
		{"first half", 0, 0.5, false, "████"},
		{"second half", 0.5, 1, false, "    ████"},
		{"begins in the middle of a cell", 1.5 / 8, 3.0 / 8, false, " ▐█"},
		{"ends within a cell", 0, 1.25 / 8, false, "█▎"},
		{"shorter than a cell", 2.0 / 8, 2.01 / 8, false, "  ▏"},
		{"shorter than a cell and late in it", 2.6 / 8, 2.7 / 8, false, "  ▐"},
		{"nothing at the end", 1, 1, false, "       ▐"},
		{"nothing at the start", 0, 0, false, "▏"},
		{"failed has its mark behind it", 0, 0.5, true, "████!"},
		{"failed until the end has it in front", 0.5, 1, true, "   !████"},
		{"failed all the time has it in its end", 0, 1, true, "███████!"},
		{"ends before it begins", 0.5, 0.2, false, "    ▏"},
		{"outside", -3, 7, false, "████████"},
		{"not a number", math.NaN(), math.NaN(), false, "▏"},
		{"without end", 0, math.Inf(1), false, "████████"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(8, 1)
			Waterfall(c, 0, 0, 8, tt.start, tt.end, tt.failed)
			if got := strings.TrimSuffix(c.String(), "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSegmentsFillTheirWidth(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sizes [3]float64
		w     int
		want  string
	}{
		{"in proportion", [3]float64{1, 2, 1}, 8, "aabbbbcc"},
		{"little is seen", [3]float64{1, 1_000_000, 1}, 8, "abbbbbbc"},
		{"nothing is not", [3]float64{0, 5, 0}, 4, "bbbb"},
		{"not known", [3]float64{-1, math.NaN(), 3}, 4, "cccc"},
		{"nothing at all", [3]float64{}, 4, ""},
		{"less cells than parts", [3]float64{1, 1, 1}, 2, "bc"},
		{"no cells", [3]float64{1, 1, 1}, 0, ""},
		{"without end", [3]float64{math.Inf(1), 1, math.MaxFloat64}, 4, "bccc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(tt.w, 1)
			Segments(c, 0, 0, tt.w, []Segment{{tt.sizes[0], "a", Text}, {tt.sizes[1], "b", Text}, {tt.sizes[2], "c", Text}})
			if got := strings.TrimSuffix(c.String(), "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzBars holds that nothing is drawn outside of the cells that were given, whatever the numbers are.
func FuzzBars(f *testing.F) {
	f.Add(0.0, 1.0, 8, 2, true)
	f.Add(math.NaN(), math.Inf(1), 3, -2, false)
	f.Fuzz(func(t *testing.T, a, b float64, w, x int, failed bool) {
		w, x = min(max(w, -1), 40), min(max(x, 0), 40)
		for name, draw := range map[string]func(*Canvas){
			"waterfall": func(c *Canvas) { Waterfall(c, x, 0, w, a, b, failed) },
			"segments":  func(c *Canvas) { Segments(c, x, 0, w, []Segment{{a, "a", Text}, {b, "b", Text}}) },
			"bar":       func(c *Canvas) { Bar(c, x, 0, w, a, Text) },
			"gauge":     func(c *Canvas) { Gauge(c, x, 0, w, uint64(max(a, 0)), uint64(max(b, 0)), Text) },
		} {
			c := NewCanvas(60, 1)
			draw(c)
			for i := range c.W {
				if inside := i >= x && i < x+w; !inside && c.At(i, 0).Text != "" {
					t.Fatalf("%s at %d, %d wide, draws into cell %d", name, x, w, i)
				}
			}
		}
	})
}
