// SPDX-License-Identifier: Apache-2.0

package otelcheck

import (
	"maps"
	"slices"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Spans returns what is wrong with spans, in the order found, each mistake once; nil when nothing is.
func (g *Registry) Spans(all []*tracepb.ResourceSpans) []string {
	r := &report{}
	for _, rs := range all {
		where := g.resource(r, "spans", rs.GetResource().GetAttributes(), rs.GetSchemaUrl())
		if len(rs.GetScopeSpans()) != 1 {
			r.add("%s: %d scopes in one resource", where, len(rs.GetScopeSpans()))
		}
		for _, ss := range rs.GetScopeSpans() {
			g.scope(r, where, ss.GetScope(), ss.GetSchemaUrl())
			for _, s := range ss.GetSpans() {
				g.span(r, s)
			}
		}
	}
	return r.list
}

// hasRemoteFlag says that the flag for a remote parent is known (opentelemetry-proto, SpanFlags).
const hasRemoteFlag = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)

func (g *Registry) span(r *report, s *tracepb.Span) {
	where := "span " + s.GetName()
	if s.GetName() == "" {
		r.add("a span has no name")
	}
	if !isID(s.GetTraceId(), 16) || !isID(s.GetSpanId(), 8) {
		r.add("%s: trace id or span id is not set", where)
	}
	if len(s.GetParentSpanId()) != 0 && !isID(s.GetParentSpanId(), 8) {
		r.add("%s: the parent is neither absent nor an id", where)
	}
	if slices.Equal(s.GetParentSpanId(), s.GetSpanId()) {
		r.add("%s is its own parent", where)
	}
	if s.GetStartTimeUnixNano() == 0 || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
		r.add("%s has no start, or ends before it", where)
	}
	if s.GetFlags()&hasRemoteFlag == 0 {
		r.add("%s: the flags do not say whether the parent is remote", where)
	}
	for _, l := range s.GetLinks() {
		if !isID(l.GetTraceId(), 16) || !isID(l.GetSpanId(), 8) {
			r.add("%s: a link leads nowhere", where)
		}
		g.described(r, where+", link", l.GetAttributes())
	}
	for _, e := range s.GetEvents() {
		g.described(r, where+", event", e.GetAttributes())
	}
	got := g.described(r, where, s.GetAttributes())
	g.outcome(r, where, s, got)
	g.required(r, where, s.GetKind(), got)
	if path := got["url.path"].GetStringValue(); len(path) > 1 && got["http.route"] == nil && s.GetName() == got["http.request.method"].GetStringValue()+" "+path {
		r.add("%s: a path without a route is in the name", where)
	}
}

// outcome: a status of Ok is for applications to set, and an error says which (recording errors).
func (g *Registry) outcome(r *report, where string, s *tracepb.Span, got map[string]*commonpb.AnyValue) {
	code := s.GetStatus().GetCode()
	if code == tracepb.Status_STATUS_CODE_OK {
		r.add("%s: status Ok is never set", where)
	}
	if failed := code == tracepb.Status_STATUS_CODE_ERROR; failed != (got["error.type"] != nil) {
		r.add("%s: status Error and error.type belong together", where)
	}
}

// required finds the convention of a span by the attribute that marks it. A request whose head was not seen has none.
func (g *Registry) required(r *report, where string, kind tracepb.Span_SpanKind, got map[string]*commonpb.AnyValue) {
	server := kind == tracepb.Span_SPAN_KIND_SERVER
	side := map[bool]string{true: "server", false: "client"}[server]
	convention := ""
	switch {
	case kind == tracepb.Span_SPAN_KIND_UNSPECIFIED:
		r.add("%s has no kind", where)
		return
	case kind == tracepb.Span_SPAN_KIND_INTERNAL:
		return
	case got["rpc.system.name"] != nil:
		convention = "rpc.call." + side
	case got["db.system.name"] != nil:
		convention = "db.client"
	case got["messaging.system"] != nil:
		convention = "messaging.send.client"
	case got["http.request.method"] != nil:
		convention = "http." + side
	}
	levels := g.spans[convention].Attributes
	for _, key := range slices.Sorted(maps.Keys(levels)) {
		if levels[key] == required && got[key] == nil {
			r.add("%s (%s): required attribute %s is missing", where, convention, key)
		}
	}
}

func isID(id []byte, size int) bool {
	return len(id) == size && slices.ContainsFunc(id, func(b byte) bool { return b != 0 })
}
