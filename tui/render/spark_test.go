// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
)

func TestSparklineEndsAtTheRight(t *testing.T) {
	for _, tt := range []struct {
		name           string
		values, errors []uint32
		w              int
		want           string
	}{
		{"nothing is blank", []uint32{0, 0, 0}, nil, 3, ""},
		{"no values", nil, nil, 3, ""},
		{"scales to its own highest", []uint32{1, 2, 4, 8}, nil, 4, "▁▂▄█"},
		{"what is little is seen", []uint32{1, 0, 1_000_000}, nil, 3, "▁ █"},
		{"less parts than cells", []uint32{4, 8}, nil, 4, "  ▄█"},
		{"more parts than cells share them", []uint32{8, 8, 4, 4}, nil, 2, "█▄"},
		{"a part in two cells counts in both", []uint32{8, 8, 8}, nil, 2, "██"},
		{"a tenth of errors is a mark", []uint32{8, 8, 8}, []uint32{0, 8, 0}, 3, "█!█"},
		{"few errors leave the bar", []uint32{80, 80}, []uint32{0, 1}, 2, "██"},
		{"errors of other parts are not shown", []uint32{8, 8}, []uint32{8}, 2, "██"},
		{"largest numbers", []uint32{math.MaxUint32, math.MaxUint32 / 2}, []uint32{0, math.MaxUint32 / 2}, 2, "█!"},
		{"no room", []uint32{1}, nil, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCanvas(tt.w, 1)
			Spark(c, 0, 0, tt.w, tt.values, tt.errors)
			if got := strings.TrimSuffix(c.String(), "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestErrorsOfASparklineAreBad(t *testing.T) {
	c := NewCanvas(3, 1)
	Spark(c, 0, 0, 3, []uint32{100, 100, 100}, []uint32{0, 1, 50})
	for x, want := range []Style{Accent, Bad, Bad} {
		if got := c.At(x, 0).Style; got != want {
			t.Errorf("cell %d: style %d, want %d", x, got, want)
		}
	}
}

func TestGaugeShowsWhatIsFreeToo(t *testing.T) {
	for _, tt := range []struct {
		value, full uint64
		w           int
		want        string
	}{
		{0, 10, 4, "····"},
		{1, 1_000_000, 4, "▏···"}, // a little is not nothing
		{5, 10, 4, "██··"},
		{10, 10, 4, "████"},
		{20, 10, 4, "████"},
		{1, 0, 4, ""}, // not known
		{1, 2, 0, ""},
		{math.MaxUint64, math.MaxUint64, 2, "██"},
	} {
		c := NewCanvas(4, 1)
		Gauge(c, 0, 0, tt.w, tt.value, tt.full, Accent)
		if got := strings.TrimSuffix(c.String(), "\n"); got != tt.want {
			t.Errorf("%d of %d: got %q, want %q", tt.value, tt.full, got, tt.want)
		}
	}
}
