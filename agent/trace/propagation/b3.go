// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	"sonde/agent/model"
)

// b3Single reads "b3: {trace}-{span}[-{0,1,d}[-{parent}]]" (openzipkin/b3-propagation, "Single Header").
func b3Single(fields []model.Field) (model.SpanContext, bool) {
	value, n := find(fields, "b3")
	if n != unique {
		return model.SpanContext{}, false
	}
	trace, rest, _ := strings.Cut(value, "-")
	span, rest, decided := strings.Cut(rest, "-")
	c, ok := b3(trace, span)
	if !ok {
		return model.SpanContext{}, false
	}
	if !decided {
		c.Deferred = true
		return c, true
	}
	state, parent, child := strings.Cut(rest, "-")
	if child {
		if _, ok := spanID(parent); !ok {
			return model.SpanContext{}, false
		}
	}
	switch state {
	case "1", "d": // debug implies sampled
		c.Flags = model.FlagSampled
	case "0":
	default:
		return model.SpanContext{}, false
	}
	return c, true
}

// b3Multi reads the fields X-B3-* (openzipkin/b3-propagation, "Multiple Headers"). The parent of the parent does not matter.
func b3Multi(fields []model.Field) (model.SpanContext, bool) {
	trace, n := find(fields, "x-b3-traceid")
	span, m := find(fields, "x-b3-spanid")
	if n != unique || m != unique {
		return model.SpanContext{}, false
	}
	c, ok := b3(trace, span)
	if !ok || !b3Decision(fields, &c) {
		return model.SpanContext{}, false
	}
	return c, true
}

// b3Decision reads whether to sample. Early tracers wrote true and false.
func b3Decision(fields []model.Field, c *model.SpanContext) bool {
	debug, n := find(fields, "x-b3-flags")
	sampled, m := find(fields, "x-b3-sampled")
	if n == contradictory || m == contradictory {
		return false
	}
	switch debug {
	case "1":
		c.Flags = model.FlagSampled
		return true
	case "0", "":
	default:
		return false
	}
	switch {
	case sampled == "1" || named(sampled, "true"):
		c.Flags = model.FlagSampled
	case sampled == "0" || named(sampled, "false"):
	case sampled == "":
		c.Deferred = true
	default:
		return false
	}
	return true
}

func b3(trace, span string) (c model.SpanContext, ok bool) {
	if c.TraceID, ok = traceID(trace); !ok {
		return c, false
	}
	c.SpanID, ok = spanID(span)
	return c, ok
}
