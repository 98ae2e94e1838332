// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestHistogramHasBoundsThatPeopleThinkIn(t *testing.T) {
	buckets := []Bucket{{900 * time.Microsecond, 10}, {1100 * time.Microsecond, 80}, {4 * time.Millisecond, 40}, {19 * time.Millisecond, 1}}
	marks := []Mark{{"p50", 1100 * time.Microsecond}, {"p95", 4 * time.Millisecond}, {"p99", 19 * time.Millisecond}, {"none", 0}}
	c := NewCanvas(65, 6)
	Histogram(c, buckets, marks)
	want := `    1ms ███▉                                10
    2ms ███████████████████████████████     80 ◂ p50
    5ms ███████████████▌                    40 ◂ p95
   10ms                                      0
   20ms ▍                                    1 ◂ p99

`
	if got := c.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestHistogramOfAnyRangeFitsItsHeight(t *testing.T) {
	for _, tt := range []struct {
		name    string
		buckets []Bucket
		height  int
		want    []string // the labels of its lines
	}{
		{"no buckets", nil, 3, []string{"no"}},
		{"empty buckets", []Bucket{{1, 0}, {2, 0}}, 3, []string{"no"}},
		{"one bucket", []Bucket{{time.Millisecond, 1}}, 3, []string{"1ms"}},
		{"empty ends are left out", []Bucket{{1, 0}, {time.Second, 1}, {time.Minute, 0}}, 3, []string{"1s"}},
		{"all that time can be", []Bucket{{1, 1}, {math.MaxInt64, 1}}, 3, []string{"1157d", "11574d", "106751d"}},
		{"one line", []Bucket{{time.Millisecond, 1}, {time.Second, 1}}, 1, []string{"1s"}},
		{"a bucket of nothing", []Bucket{{0, 1}}, 3, []string{"1ns"}},
		{"coarser steps where finer ones are too many", []Bucket{{time.Millisecond, 1}, {20 * time.Millisecond, 1}}, 4, []string{"1ms", "3ms", "10ms", "30ms"}},
		{"finer steps where they fit", []Bucket{{time.Millisecond, 1}, {20 * time.Millisecond, 1}}, 5, []string{"1ms", "2ms", "5ms", "10ms", "20ms"}},
		{"below nothing", []Bucket{{-5, 1}, {-1, 1}}, 3, []string{"1ns"}},
		{"falling", []Bucket{{time.Second, 1}, {time.Millisecond, 1}}, 3, []string{"1s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(60, tt.height)
			Histogram(c, tt.buckets, nil)
			var labels []string
			for line := range strings.Lines(c.String()) {
				if words := strings.Fields(line); len(words) > 0 {
					labels = append(labels, words[0])
				}
			}
			if strings.Join(labels, " ") != strings.Join(tt.want, " ") {
				t.Errorf("got %q, want %q\n%s", labels, tt.want, c)
			}
			if got := HistogramHeight(tt.buckets, tt.height); got != len(tt.want) {
				t.Errorf("HistogramHeight says %d of %d lines", got, len(tt.want))
			}
		})
	}
}

func TestHistogramLosesNoRequest(t *testing.T) {
	var buckets []Bucket
	var want uint64
	for upper := 100.0; upper < 1e11; upper *= 1.09 {
		n := uint64(upper) % 97
		buckets, want = append(buckets, Bucket{time.Duration(upper), n}), want+n
	}
	for height := 1; height < 40; height++ {
		var got uint64
		rows := histogramRows(buckets, height)
		for _, r := range rows {
			got += r.Count
		}
		if got != want || len(rows) > height {
			t.Errorf("%d lines: %d rows with %d of %d requests", height, len(rows), got, want)
		}
	}
}

func TestMarkOutsideIsAtTheEnd(t *testing.T) {
	c := NewCanvas(60, 5)
	Histogram(c, []Bucket{{time.Millisecond, 5}, {2 * time.Millisecond, 5}}, []Mark{{"fast", time.Microsecond}, {"slow", time.Second}})
	lines := strings.Split(c.String(), "\n")
	if last := lines[HistogramHeight([]Bucket{{time.Millisecond, 5}, {2 * time.Millisecond, 5}}, 5)-1]; !strings.HasSuffix(lines[0], "◂ fast") || !strings.HasSuffix(last, "◂ slow") {
		t.Errorf("got\n%s", c)
	}
}

func TestNarrowHistogramMarksWithoutWords(t *testing.T) {
	c := NewCanvas(24, 1)
	Histogram(c, []Bucket{{time.Millisecond, 5}}, []Mark{{"p50", time.Millisecond}})
	if got := c.String(); got != "    1ms █████████◂     5\n" {
		t.Errorf("got %q", got)
	}
}
