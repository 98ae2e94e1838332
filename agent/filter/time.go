// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of Unix time in seconds. A smaller number is more likely a duration that lost its unit than a day in the
// seventies; a larger one is in milliseconds, or past the year 9999, which RFC 3339 cannot write.
const (
	minUnix = 100_000_000
	maxUnix = 253_402_300_799
)

// ParseTime reads the value of --since: how long before now ("5m", "1h30m"), a time of today in now's zone ("14:05",
// "14:05:30"), RFC 3339 ("2026-01-02T14:05:00Z"), or Unix time in seconds. It has no opinion on times after now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if t, ok := parseUnix(s); ok {
		return t, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 && !isNumber(s) {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, timeError(s)
}

// parseUnix reads whole or fractional seconds.
func parseUnix(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if !isNumber(s) || len(fraction) > 9 {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < minUnix || seconds > maxUnix {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(seconds, nanos).UTC(), err == nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

func timeError(s string) error {
	const accepted = "accepted are 5m, 1h30m, 14:05, 14:05:30, 2026-01-02T14:05:00Z, or seconds since 1970"
	if isNumber(s) {
		return fmt.Errorf("time %q is no time in seconds since 1970 (for a duration add its unit: 5m): %s", s, accepted)
	}
	return fmt.Errorf("time %q: %s", s, accepted)
}
