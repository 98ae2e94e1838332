// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"strconv"
	"strings"
)

// statusRange holds the statuses from..to, both included. Three digits are all that a status line can hold
// (RFC 9112 4); statuses above 599 are invalid and seen in the wild.
type statusRange struct{ from, to int }

// parseStatus reads "404", "5+", "40+" and "400-499".
func parseStatus(s string) (statusRange, bool) {
	if begin, ok := strings.CutSuffix(s, "+"); ok {
		return beginning(begin)
	}
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, okFrom := threeDigits(first)
	to, okTo := threeDigits(last)
	return statusRange{from, to}, okFrom && okTo && from <= to
}

// beginning is Hubble's form: "5+" is 500 to 599, "40+" is 400 to 409.
func beginning(digits string) (statusRange, bool) {
	if len(digits) != 1 && len(digits) != 2 {
		return statusRange{}, false
	}
	from, okFrom := threeDigits((digits + "00")[:3])
	to, okTo := threeDigits((digits + "99")[:3])
	return statusRange{from, to}, okFrom && okTo
}

func threeDigits(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && len(s) == 3 && n >= 100 // a sign would leave two digits
}
