// SPDX-License-Identifier: Apache-2.0

// Package sampling decides which spans are exported: Head when a span starts, by OTEL_TRACES_SAMPLER, and Tail when it is over,
// for the errors and the slowest among those that the head left out.
//
// Metrics count every request whatever is decided here. Who calls it: agent/trace asks Head; Tail is a sink that stands before
// the exporters of spans.
package sampling

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sonde/agent/model"
)

// samplers are the values of OTEL_TRACES_SAMPLER that sonde knows.
var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

// DefaultSampler is what the OpenTelemetry specification asks for where none is configured.
const DefaultSampler = "parentbased_always_on"

// Head decides when a span starts. Safe for concurrent use.
type Head struct {
	below       uint64 // numbers of traces below are sampled
	parentBased bool
}

// everything is above each number of a trace, which has 63 bits.
const everything = 1 << 63

// New returns the sampler of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. An empty name is DefaultSampler. The argument is
// the share of traces that the samplers by ratio keep, from 0 to 1, and 1 when it is empty; others ignore it.
func New(name, arg string) (*Head, error) {
	if name == "" {
		name = DefaultSampler
	}
	if !slices.Contains(samplers, name) {
		return nil, fmt.Errorf("traces sampler %q is not known to sonde; choose from %s", name, strings.Join(samplers, ", "))
	}
	h := &Head{below: everything}
	name, h.parentBased = strings.CutPrefix(name, "parentbased_")
	switch name {
	case "always_off":
		h.below = 0
	case "traceidratio":
		share, err := ratio(arg)
		if err != nil {
			return nil, err
		}
		// The same product as in OpenTelemetry's Go SDK, so that services that sample themselves agree.
		h.below = uint64(share * everything)
	}
	return h, nil
}

func ratio(arg string) (float64, error) {
	if arg == "" {
		return 1, nil
	}
	share, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("traces sampler argument %q is no share of traces; give a number from 0 to 1", arg)
	}
	return share, nil
}

// Sample decides on a span. parent is the context that its trace came to this node with, nil for a trace that began here, so
// that all spans of a trace are decided alike. A context whose format deferred the decision has not made one.
func (h *Head) Sample(span, parent *model.SpanContext) bool {
	if h.follows(parent) {
		return parent.Flags&model.FlagSampled != 0
	}
	return binary.BigEndian.Uint64(span.TraceID[8:])>>1 < h.below
}

// Denies tells whether the parent, as in Sample, says not to sample and this sampler honours it; see model.Span.Denied.
func (h *Head) Denies(parent *model.SpanContext) bool {
	return h.follows(parent) && parent.Flags&model.FlagSampled == 0
}

func (h *Head) follows(parent *model.SpanContext) bool {
	return h.parentBased && parent != nil && !parent.Deferred
}
