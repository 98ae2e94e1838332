// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"maps"
)

// Kind is what makes two reported requests the same kind of request.
type Kind struct {
	Role, Method, Path string
	Status             int
	Outcome            string
}

// Counts is a multiset of requests.
type Counts map[Kind]int

// Add counts n exchanges as both ends of a loopback connection report them. The semantic conventions call 4xx an error of the
// client alone and 5xx an error of both.
func (c Counts) Add(method, path string, status, n int) {
	c[Kind{"client", method, path, status, outcome(status >= 400)}] += n
	c[Kind{"server", method, path, status, outcome(status >= 500)}] += n
}

func outcome(failed bool) string {
	if failed {
		return "error"
	}
	return "ok"
}

// AddSent adds what a load client counted: "GET /ok 200" to a number.
func (c Counts) AddSent(sent map[string]int) error {
	for line, n := range sent {
		var method, path string
		var status int
		if _, err := fmt.Sscan(line, &method, &path, &status); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
		c.Add(method, path, status, n)
	}
	return nil
}

// Total is the number of requests, each end counted.
func (c Counts) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}

// Role returns the part of one role.
func (c Counts) Role(role string) Counts {
	part := maps.Clone(c)
	maps.DeleteFunc(part, func(k Kind, _ int) bool { return k.Role != role })
	return part
}

// CountRequests counts the requests among events.
func CountRequests(events []Event) Counts {
	c := Counts{}
	for i := range events {
		if e := &events[i]; e.Type == "request" {
			method := e.Attributes.Method
			if e.Attributes.Original != "" {
				method = e.Attributes.Original
			}
			c[Kind{e.Role, method, e.Attributes.Path, e.Attributes.Status, e.Outcome}]++
		}
	}
	return c
}

// Diff returns "" when both are the same, else a line for each kind that differs, at most 20, with the totals.
func Diff(want, got Counts) string { return DiffTally(want.tally(), got.tally()) }

func (c Counts) tally() Tally {
	t := Tally{}
	for k, n := range c {
		t[fmt.Sprintf("%-6s %-7s %-40s %3d %-10s", k.Role, k.Method, brief(k.Path), k.Status, k.Outcome)] += n
	}
	return t
}
