// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
)

// write renders c in a format. It is the inverse of reading.
var write = map[string]func(c model.SpanContext) []model.Field{
	"tracecontext": func(c model.SpanContext) []model.Field {
		return fields("traceparent", fmt.Sprintf("00-%s-%s-%02x", c.TraceID, c.SpanID, uint8(c.Flags)), "tracestate", c.State)
	},
	"b3": func(c model.SpanContext) []model.Field {
		s := c.TraceID.String() + "-" + c.SpanID.String()
		if !c.Deferred {
			s += fmt.Sprintf("-%d", c.Flags)
		}
		return fields("b3", s)
	},
	"jaeger": func(c model.SpanContext) []model.Field {
		return fields("uber-trace-id", fmt.Sprintf("%s:%s:0:%d", c.TraceID, c.SpanID, c.Flags))
	},
	"xray": func(c model.SpanContext) []model.Field {
		t := c.TraceID.String()
		s := "Root=1-" + t[:8] + "-" + t[8:] + ";Parent=" + c.SpanID.String()
		if !c.Deferred {
			s += fmt.Sprintf(";Sampled=%d", c.Flags)
		}
		return fields("x-amzn-trace-id", s)
	},
	"datadog": func(c model.SpanContext) []model.Field {
		f := fields(
			"x-datadog-trace-id", fmt.Sprint(binary.BigEndian.Uint64(c.TraceID[8:])),
			"x-datadog-parent-id", fmt.Sprint(binary.BigEndian.Uint64(c.SpanID[:])),
			"x-datadog-tags", "_dd.p.tid="+c.TraceID.String()[:16])
		if !c.Deferred {
			f = append(f, model.Field{Name: "x-datadog-sampling-priority", Value: fmt.Sprint(c.Flags)})
		}
		return f
	},
	"opencensus": func(c model.SpanContext) []model.Field {
		b := append([]byte{0, 0}, c.TraceID[:]...)
		b = append(append(b, 1), c.SpanID[:]...)
		return fields("grpc-trace-bin", base64.StdEncoding.EncodeToString(append(b, 2, byte(c.Flags))))
	},
}

// FuzzExtract reads lines of "name: value" in every format: nothing panics, and what is valid says the same when it is
// written and read again.
func FuzzExtract(f *testing.F) {
	f.Add("traceparent: 00-" + traceHex + "-" + spanHex + "-01\ntracestate: a=1\ntracestate: b=2")
	f.Add("b3: " + both + "-1-05e3ac9a4f6e3b90")
	f.Add("X-B3-TraceId: " + b3Trace + "\nX-B3-SpanId: " + b3Span + "\nX-B3-Flags: 1")
	f.Add("uber-trace-id: 1%3A2%3A0%3A3")
	f.Add("X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?")
	f.Add("x-datadog-trace-id: 1\nx-datadog-parent-id: 2\nx-datadog-sampling-priority: -1\nx-datadog-tags: _dd.p.tid=640cfd8d00000000")
	f.Add("grpc-trace-bin: AABAQUJDREVGR0hJSktMTU5PAWFiY2RlZmdoAgE=")
	f.Fuzz(func(t *testing.T, text string) {
		var list []model.Field
		for line := range strings.SplitSeq(text, "\n") {
			name, value, _ := strings.Cut(line, ":")
			list = append(list, model.Field{Name: name, Value: value})
		}
		for name, again := range write {
			e := extractor(t, name)
			c, ok := e.Extract(list)
			if !ok {
				continue
			}
			if !c.Valid() {
				t.Fatalf("%s: an invalid context: %s", name, show(c, ok))
			}
			if name == "datadog" && binary.BigEndian.Uint64(c.TraceID[8:]) == 0 {
				t.Fatalf("a lower half of zeros: %s", show(c, ok))
			}
			if got := show(e.Extract(again(c))); got != show(c, ok) {
				t.Fatalf("%s: read again %s, not %s", name, got, show(c, ok))
			}
		}
	})
}
