// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuantitiesReadAsPeopleWriteThem(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Rate(0), "0.0 "}, {Rate(0.04), "<0.1 "}, {Rate(0.05), "0.1 "}, {Rate(12.34), "12.3 "}, {Rate(999.94), "999.9 "},
		{Rate(999.96), "1.0k"}, {Rate(1234), "1.2k"}, {Rate(999_960), "1.0M"}, {Rate(1e300), ">999E"}, {Rate(math.Inf(1)), ">999E"},
		{Rate(math.NaN()), "-"}, {Rate(-1), "-"},
		{Count(0), "0"}, {Count(99_999), "99999"}, {Count(100_000), "100.0k"}, {Count(999_999), "1.0M"}, {Count(math.MaxUint64), "18.4E"},
		{Percent(0, 0), "-"}, {Percent(0, 10), "0.0%"}, {Percent(1, 1_000_000), "<0.1%"}, {Percent(1, 8), "12.5%"},
		{Percent(999_999, 1_000_000), ">99.9%"}, {Percent(10, 10), "100.0%"}, {Percent(11, 10), ">100%"},
		{Cores(0), "0.0%"}, {Cores(0.0001), "<0.1%"}, {Cores(0.0434), "4.3%"}, {Cores(12.345), "1234.5%"}, {Cores(1e9), ">9999%"},
		{Cores(math.NaN()), "-"}, {Cores(math.Inf(1)), ">9999%"},
		{Duration(-1), "-"}, {Duration(0), "0ns"}, {Duration(999_999_999), "999.9ms"}, {Duration(99*time.Hour + 59*time.Minute), "99h59m"},
		{Duration(100 * time.Hour), "4d"}, {Duration(math.MaxInt64), "106751d"},
		{Age(-1), "-"}, {Age(1500 * time.Millisecond), "1s"}, {Age(time.Minute), "1m00s"},
		{Nanoseconds(0), "-"}, {Nanoseconds(math.NaN()), "-"}, {Nanoseconds(836.4), "836ns"}, {Nanoseconds(999.6), "1.0us"},
		{Nanoseconds(3836), "3.8us"}, {Nanoseconds(999_949), "999.9us"}, {Nanoseconds(1e6), "1.0ms"}, {Nanoseconds(math.Inf(1)), "106751d"},
		{SizeRate(math.NaN()), "-"}, {SizeRate(-1), "-"}, {SizeRate(0), "0B"}, {SizeRate(0.5), "<1B"}, {SizeRate(1234.9), "1.2kB"},
		{SizeRate(math.Inf(1)), "18.4EB"},
		{Clock(time.Time{}), "-"}, {Clock(time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.UTC)), "03:04:05.006"},
		{Bound(time.Millisecond), "1ms"}, {Bound(1500 * time.Microsecond), "1.5ms"}, {Bound(10 * time.Second), "10s"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// FuzzQuantities holds that no quantity needs more room than its column has: one that did would be shown in part.
func FuzzQuantities(f *testing.F) {
	f.Add(0.0, uint64(0), uint64(0))
	f.Add(999.95, uint64(999_949), uint64(999_950))
	f.Add(math.Inf(1), uint64(math.MaxUint64), uint64(1))
	f.Fuzz(func(t *testing.T, v float64, n, m uint64) {
		for _, tt := range []struct {
			text  string
			width int
		}{
			{Rate(v), RateWidth}, {Count(n), CountWidth}, {Percent(n, m), PercentWidth}, {Cores(v), CoresWidth},
			{Duration(time.Duration(n)), DurationWidth}, {Age(time.Duration(n)), DurationWidth}, {Nanoseconds(v), DurationWidth},
			{Bound(time.Duration(n)), DurationWidth}, {Size(n), SizeWidth}, {SizeRate(v), SizeWidth}, {Clock(time.Unix(0, int64(n))), ClockWidth},
		} {
			if w := Width(tt.text); w > tt.width || w == 0 {
				t.Errorf("%v, %d, %d: %q takes %d cells of %d", v, n, m, tt.text, w, tt.width)
			}
		}
	})
}

func TestTextIsCutAtWholeCharacters(t *testing.T) {
	for _, tt := range []struct {
		text string
		w    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"目录服务", 8, "目录服务"},
		{"目录服务", 7, "目录服…"},
		{"目录服务", 6, "目录…"}, // half a character is none
		{"\x1b\x1b\x1b", 2, "\x1b…"},
		{"anything", 0, ""},
		{"anything", 1, "…"},
		{"e\u0301tude", 4, "e\u0301tu…"},
		{"", 3, ""},
	} {
		if got := Cut(tt.text, tt.w); got != tt.want {
			t.Errorf("%q in %d cells: got %q, want %q", tt.text, tt.w, got, tt.want)
		}
	}
}

func TestNumberThatDoesNotFitIsNotShownInPart(t *testing.T) {
	c := NewCanvas(4, 1)
	Right(c, "12345", Text)
	if got := c.String(); got != "   …\n" {
		t.Errorf("got %q", got)
	}
}

// FuzzWidth holds that Width tells what Print does, and that Cut never needs more than it is given.
func FuzzWidth(f *testing.F) {
	f.Add("plain", 3)
	f.Add("目\x1b[2J\x7f\u202e\u200b👩‍👩‍👧é", 5)
	f.Fuzz(func(t *testing.T, s string, w int) {
		w = min(max(w, 0), 200)
		c := NewCanvas(len(s)*2+2, 1)
		if got := c.Print(0, 0, s, Text); got != Width(s) {
			t.Errorf("%q: printed %d cells, Width says %d", s, got, Width(s))
		}
		if got := Width(Cut(s, w)); got > w {
			t.Errorf("%q: cut to %d cells takes %d", s, w, got)
		}
		if strings.ContainsAny(c.String(), "\x1b\x07\r") {
			t.Errorf("%q: a control character reaches the screen", s)
		}
	})
}
