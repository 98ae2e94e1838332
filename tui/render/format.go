// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"sonde/agent/units"
)

// Unknown is what stands where nothing was measured: never a zero.
const Unknown = "-"

// Widths in cells that texts of quantities need at most.
const (
	RateWidth     = 6 // "999.9k"
	PercentWidth  = 6 // "100.0%"
	DurationWidth = 7 // "999.9ms"
	SizeWidth     = 7 // "999.9MB"
	CountWidth    = 6 // "999.9k"
	ClockWidth    = 12
	CoresWidth    = 7 // "1234.5%"
)

// Width returns how many cells Print takes for s.
func Width(s string) int {
	total := 0
	for len(s) > 0 {
		cluster, rest, width, _ := uniseg.FirstGraphemeClusterInString(s, -1)
		s = rest
		if cluster[0] < ' ' || cluster[0] == 0x7f {
			width = 1
		}
		total += width
	}
	return total
}

// Cut returns s as far as it fits into w cells; an ellipsis takes the place of what does not.
func Cut(s string, w int) string {
	if len(s) <= w || Width(s) <= w {
		return s
	}
	if w <= 0 {
		return ""
	}
	end, used := 0, 0
	for rest := s; len(rest) > 0; {
		cluster, next, width, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		if cluster[0] < ' ' || cluster[0] == 0x7f {
			width = 1
		}
		if used+width > w-1 {
			break
		}
		used, end, rest = used+width, end+len(cluster), next
	}
	return s[:end] + "…"
}

// Left draws s at the left of the first line of c, cut with an ellipsis where it is too long.
func Left(c *Canvas, s string, style Style) { c.Print(0, 0, Cut(s, c.W), style) }

// Right draws s at the right of the first line of c. A number that does not fit is not shown in part, which would be another
// number.
func Right(c *Canvas, s string, style Style) {
	w := Width(s)
	if w > c.W {
		s, w = "…", 1
	}
	c.Print(c.W-w, 0, s, style)
}

// Rate writes how often a second: "0.0", "<0.1", "12.3", "1.2k". One digit behind the point and a blank where a prefix would
// stand, so that points are below each other where it is aligned to the right. Unknown for what is not a number.
func Rate(v float64) string {
	switch {
	case math.IsNaN(v) || v < 0:
		return Unknown
	case v == 0:
		return "0.0 "
	case v < 0.05:
		return "<0.1 "
	}
	return prefixed(v, " ")
}

// prefixed writes v with a decimal prefix and one digit behind the point. Rounding never makes four digits in front of it.
func prefixed(v float64, none string) string {
	const prefixes = "kMGTPE"
	prefix := -1
	for v >= 999.95 && prefix < len(prefixes)-1 {
		v /= 1000
		prefix++
	}
	switch {
	case v >= 999.95:
		return ">999E"
	case prefix < 0:
		return strconv.FormatFloat(v, 'f', 1, 64) + none
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + prefixes[prefix:prefix+1]
}

// Count writes a number of things: all digits up to 99999, a prefix above.
func Count(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	return prefixed(float64(n), "")
}

// Percent writes part of whole: "0.0%", "<0.1%", "12.3%", ">99.9%" for what is almost all. Unknown where whole is 0.
func Percent(part, whole uint64) string {
	if whole == 0 {
		return Unknown
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == 0:
		return "0.0%"
	case p < 0.05:
		return "<0.1%"
	case part < whole && p >= 99.95:
		return ">99.9%"
	case part > whole:
		return ">100%"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + "%"
}

// Cores writes processor time in cores as a percentage of one: "0.4%", "123.4%". Unknown for what is not a number.
func Cores(v float64) string {
	v *= 100
	switch {
	case math.IsNaN(v) || v < 0:
		return Unknown
	case v > 0 && v < 0.05:
		return "<0.1%"
	case v >= 9999.95:
		return ">9999%"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + "%"
}

// Duration writes how long something took: "120us", "1.2ms", "999.9ms", "2m03s", "99h59m", "12d". Unknown for a negative one.
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 100*time.Hour {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return string(units.AppendDuration(nil, d, 1))
}

// Age writes how long something has been there, in whole seconds. Unknown for a negative one.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return Unknown
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return Duration(d)
}

// Nanoseconds writes an average time, which has a fraction: "836ns", "3.8us". Unknown for what is not above 0.
func Nanoseconds(v float64) string {
	switch {
	case math.IsNaN(v) || v <= 0:
		return Unknown
	case v < 999.5:
		return strconv.FormatFloat(v, 'f', 0, 64) + "ns"
	case v < 999_950:
		return strconv.FormatFloat(v/1000, 'f', 1, 64) + "us"
	case v >= math.MaxInt64:
		return Duration(math.MaxInt64)
	}
	return Duration(time.Duration(v))
}

// Size writes bytes in decimal units: "82B", "1.2kB".
func Size(n uint64) string { return string(units.AppendSize(nil, n)) }

// SizeRate writes bytes a second without the "/s", which belongs into the title of its column.
func SizeRate(v float64) string {
	switch {
	case math.IsNaN(v) || v < 0:
		return Unknown
	case v >= math.MaxUint64:
		return Size(math.MaxUint64)
	case v > 0 && v < 1:
		return "<1B"
	}
	return Size(uint64(v))
}

// Clock writes the time of day with milliseconds in the zone that t has. Unknown for the zero time.
func Clock(t time.Time) string {
	if t.IsZero() {
		return Unknown
	}
	return string(units.AppendClock(nil, t)[:ClockWidth])
}

// Bound writes the bound of a bucket: a duration without a fraction that is 0.
func Bound(d time.Duration) string { return strings.Replace(Duration(d), ".0", "", 1) }
