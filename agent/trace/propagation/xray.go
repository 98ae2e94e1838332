// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	"sonde/agent/model"
)

// xray reads "X-Amzn-Trace-Id: Root=1-{8}-{24};Parent={16};Sampled={0,1,?}" (AWS X-Ray developer guide, "Tracing header").
// Parts come in any order; others (Self, Lineage) say nothing about parents. A load balancer sends a root alone: no context.
func xray(fields []model.Field) (model.SpanContext, bool) {
	value, n := find(fields, "x-amzn-trace-id")
	if n != unique {
		return model.SpanContext{}, false
	}
	var root, parent, sampled string
	for rest := value; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		key, v, _ := strings.Cut(trim(part), "=")
		var to *string
		switch key {
		case "Root":
			to = &root
		case "Parent":
			to = &parent
		case "Sampled":
			to = &sampled
		default:
			continue
		}
		if *to != "" && *to != v {
			return model.SpanContext{}, false
		}
		*to = v
	}
	c, ok := xrayIDs(root, parent)
	if !ok {
		return model.SpanContext{}, false
	}
	switch sampled {
	case "1":
		c.Flags = model.FlagSampled
	case "0":
	case "", "?":
		c.Deferred = true
	default:
		return model.SpanContext{}, false
	}
	return c, true
}

// xrayIDs joins the time and the random part of a root to a trace id.
func xrayIDs(root, parent string) (c model.SpanContext, ok bool) {
	const version, seconds = "1-", len("1-") + 8
	if !strings.HasPrefix(root, version) || len(root) != seconds+1+24 || root[seconds] != '-' {
		return c, false
	}
	if !either.decode(c.TraceID[:4], root[len(version):seconds]) || !either.decode(c.TraceID[4:], root[seconds+1:]) {
		return c, false
	}
	if !either.decode(c.SpanID[:], parent) {
		return c, false
	}
	return c, c.Valid()
}
