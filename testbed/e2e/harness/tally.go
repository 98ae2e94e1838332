// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"sort"
	"strings"
)

// Tally is a multiset of requests of any protocol, by a line that names what the test looks at.
type Tally map[string]int

// Both adds n requests that both ends of a connection on this machine report alike.
func (t Tally) Both(n int, line string) {
	t["client "+line] += n
	t["server "+line] += n
}

// Total is the number of requests, each end counted.
func (t Tally) Total() int {
	n := 0
	for _, v := range t {
		n += v
	}
	return n
}

// CountBy counts the requests among events by role, outcome (with its reason) and the given attributes: "client ok GET".
// Attributes that a request does not have leave no trace.
func CountBy(events []Event, keys ...string) Tally {
	t := Tally{}
	for i := range events {
		if events[i].Type == "request" {
			t[events[i].Line(keys...)]++
		}
	}
	return t
}

// Line is what CountBy counts an event by.
func (e *Event) Line(keys ...string) string {
	words := []string{e.Role, e.Outcome}
	if e.Reason != "" {
		words[1] += "/" + e.Reason
	}
	for _, k := range keys {
		if v := e.Attributes.Text(k); v != "" {
			words = append(words, v)
		}
	}
	return strings.Join(words, " ")
}

// DiffTally returns "" when both are the same, else a line for each kind that differs, at most 20, with the totals.
func DiffTally(want, got Tally) string {
	kinds := map[string]bool{}
	for k := range want {
		kinds[k] = true
	}
	for k := range got {
		kinds[k] = true
	}
	var lines []string
	for k := range kinds {
		if want[k] != got[k] {
			lines = append(lines, fmt.Sprintf("  %s want %d, got %d", k, want[k], got[k]))
		}
	}
	if len(lines) == 0 {
		return ""
	}
	sort.Strings(lines)
	if len(lines) > 20 {
		lines = append(lines[:20], fmt.Sprintf("  and %d more kinds", len(lines)-20))
	}
	return fmt.Sprintf("requests differ (all: want %d, got %d):\n%s", want.Total(), got.Total(), strings.Join(lines, "\n"))
}
