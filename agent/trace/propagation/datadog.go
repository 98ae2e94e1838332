// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/binary"
	"strconv"
	"strings"

	"sonde/agent/model"
)

// datadog reads x-datadog-trace-id and x-datadog-parent-id, decimal numbers of 64 bits, and x-datadog-sampling-priority, which
// is positive for what is kept. The upper half of the trace id is the tag _dd.p.tid of x-datadog-tags.
func datadog(fields []model.Field) (model.SpanContext, bool) {
	trace, n := find(fields, "x-datadog-trace-id")
	parent, m := find(fields, "x-datadog-parent-id")
	if n != unique || m != unique {
		return model.SpanContext{}, false
	}
	low, ok := decimal(trace)
	span, ok2 := decimal(parent)
	high, ok3 := datadogUpper(fields)
	if !ok || !ok2 || !ok3 || low == 0 {
		return model.SpanContext{}, false
	}
	c := context(high, low, span)
	priority, n := find(fields, "x-datadog-sampling-priority")
	switch n {
	case absent:
		c.Deferred = true
	case contradictory:
		return model.SpanContext{}, false
	default:
		p, err := strconv.Atoi(priority)
		if err != nil {
			return model.SpanContext{}, false
		}
		if p > 0 {
			c.Flags = model.FlagSampled
		}
	}
	return c, c.Valid()
}

// decimal does without strconv, whose errors hold a copy of what they complain of.
func decimal(s string) (n uint64, ok bool) {
	const most = ^uint64(0)
	if s == "" || len(s) > len("18446744073709551615") {
		return 0, false
	}
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if d > 9 || n > (most-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// datadogUpper returns the upper half of the trace id, 0 where there is none. Datadog's tracers go on without one that is
// malformed, and so must who wants to find the same trace.
func datadogUpper(fields []model.Field) (upper uint64, ok bool) {
	tags, n := find(fields, "x-datadog-tags")
	if n == contradictory {
		return 0, false
	}
	for rest := tags; rest != ""; {
		var tag string
		tag, rest, _ = strings.Cut(rest, ",")
		if v, found := strings.CutPrefix(trim(tag), "_dd.p.tid="); found {
			var b [8]byte
			if !lower.decode(b[:], v) {
				return 0, true
			}
			return binary.BigEndian.Uint64(b[:]), true
		}
	}
	return 0, true
}
