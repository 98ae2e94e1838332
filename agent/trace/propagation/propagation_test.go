// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
)

const (
	traceHex = "0af7651916cd43dd8448eb211c80319c"
	spanHex  = "b7ad6b7169203331"
)

// extraction is a request and what is read from it. want is written as show does.
type extraction struct {
	name   string
	fields []model.Field
	want   string
}

// show writes a context as trace-span-flags, with what else it says; "none" without one.
func show(c model.SpanContext, ok bool) string {
	if !ok {
		return "none"
	}
	s := fmt.Sprintf("%s-%s-%02x", c.TraceID, c.SpanID, uint8(c.Flags))
	if c.Deferred {
		s += " deferred"
	}
	if c.State != "" {
		s += " state=" + c.State
	}
	return s
}

func extractAll(t *testing.T, e *Extractor, cases []extraction) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := show(e.Extract(c.fields)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func extractor(t testing.TB, names ...string) *Extractor {
	t.Helper()
	e, err := New(names)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFirstValidContextInTheConfiguredOrderWins(t *testing.T) {
	w3c := model.Field{Name: "traceparent", Value: "00-" + traceHex + "-000000000000000a-01"}
	bad := model.Field{Name: "traceparent", Value: "00-" + traceHex + "-0000000000000000-01"}
	b3 := model.Field{Name: "b3", Value: traceHex + "-000000000000000b-1"}
	b3Trace := model.Field{Name: "X-B3-TraceId", Value: traceHex}
	b3Span := model.Field{Name: "X-B3-SpanId", Value: "000000000000000c"}
	uber := model.Field{Name: "uber-trace-id", Value: traceHex + ":d:0:1"}
	ddTrace := model.Field{Name: "x-datadog-trace-id", Value: "1"}
	ddSpan := model.Field{Name: "x-datadog-parent-id", Value: "14"}
	amzn := model.Field{Name: "X-Amzn-Trace-Id", Value: "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=000000000000000f"}
	all := []model.Field{amzn, ddSpan, ddTrace, uber, b3Span, b3Trace, b3, w3c}
	for _, c := range []struct {
		names, from string
		fields      []model.Field
	}{
		{"", "a", all},
		{"tracecontext,baggage", "a", all},
		{"xray,tracecontext", "f", all},
		{"datadog,tracecontext,baggage", "e", all},
		{" jaeger , b3 ", "d", all},
		{"b3multi", "b", all}, // either name stands for both
		{"b3", "c", []model.Field{b3Span, b3Trace}},
		{"b3multi,b3", "c", []model.Field{b3Span, b3Trace}},
		{"", "b", []model.Field{bad, b3, uber}},
		{"", "c", []model.Field{uber, b3Span, b3Trace}},
		{"", "d", []model.Field{ddSpan, ddTrace, uber, amzn}},
		{"", "e", []model.Field{amzn, ddSpan, ddTrace}},
		{"", "f", []model.Field{amzn}},
		{"tracecontext", "", all[:7]},
		{"baggage", "", all},
		{"none", "", all},
	} {
		got, ok := extractor(t, strings.Split(c.names, ",")...).Extract(c.fields)
		want := strings.Repeat("0", 15) + c.from
		if ok != (c.from != "") || ok && got.SpanID.String() != want {
			t.Errorf("%q: got %s, want the span %q", c.names, show(got, ok), c.from)
		}
	}
}

func TestUnknownNamesAreRefusedWithTheChoices(t *testing.T) {
	for names, want := range map[string]string{
		"ottrace":           "deprecated and not read; choose from tracecontext, b3, b3multi, jaeger, datadog, xray, opencensus, baggage, none",
		"W3C":               `no format is called "W3C"; choose from tracecontext, `,
		"none,tracecontext": `"none" stands alone`,
	} {
		if _, err := New(strings.Split(names, ",")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", names, err, want)
		}
	}
}

func TestNothingIsAllocatedForFieldsOfOthers(t *testing.T) {
	e := extractor(t)
	for name, fields := range map[string][]model.Field{
		"none":   nil,
		"others": {{Name: "x-request-id", Value: "7"}, {Name: "baggage", Value: "a=b"}},
		"w3c":    {{Name: "traceparent", Value: "00-" + traceHex + "-" + spanHex + "-01"}, {Name: "tracestate", Value: "a=1,b=2"}},
		"b3":     {{Name: "b3", Value: traceHex + "-" + spanHex + "-1"}},
	} {
		if n := testing.AllocsPerRun(100, func() { e.Extract(fields) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkExtract(b *testing.B) {
	parent := model.Field{Name: "traceparent", Value: "00-" + traceHex + "-" + spanHex + "-01"}
	state := model.Field{Name: "tracestate", Value: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}
	for _, c := range []struct {
		name   string
		fields []model.Field
	}{
		{"none", nil},
		{"others", []model.Field{{Name: "x-request-id", Value: "7"}}},
		{"w3c", []model.Field{parent}},
		{"w3c_state", []model.Field{parent, state}},
		{"jaeger", []model.Field{{Name: "uber-trace-id", Value: traceHex + ":" + spanHex + ":0:1"}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := extractor(b)
			b.ReportAllocs()
			for b.Loop() {
				e.Extract(c.fields)
			}
		})
	}
}
