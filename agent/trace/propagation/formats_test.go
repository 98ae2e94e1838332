// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/base64"
	"testing"

	"sonde/agent/model"
)

// fields makes a list of names and values.
func fields(all ...string) (list []model.Field) {
	for i := 0; i < len(all); i += 2 {
		list = append(list, model.Field{Name: all[i], Value: all[i+1]})
	}
	return list
}

const (
	b3Trace = "80f198ee56343ba864fe8b2a57d3eff7"
	b3Span  = "e457b5a2e4d86bd1"
	b3Half  = "000000000000000064fe8b2a57d3eff7"
	both    = b3Trace + "-" + b3Span
)

// The examples are those of openzipkin/b3-propagation, README.
func TestB3Single(t *testing.T) {
	extractAll(t, extractor(t, "b3"), []extraction{
		{"accept with a parent", fields("b3", both+"-1-05e3ac9a4f6e3b90"), both + "-01"},
		{"accept", fields("b3", both+"-1"), both + "-01"},
		{"deny", fields("b3", both+"-0"), both + "-00"},
		{"debug implies accept", fields("b3", both+"-d"), both + "-01"},
		{"defer", fields("b3", both), both + "-00 deferred"},
		{"64-bit trace id", fields("b3", "64fe8b2a57d3eff7-"+b3Span+"-1"), b3Half + "-" + b3Span + "-01"},
		{"name in any case", fields("B3", both+"-1"), both + "-01"},
		{"deny alone is no context", fields("b3", "0"), "none"},
		{"debug alone is no context", fields("b3", "d"), "none"},
		{"unknown state", fields("b3", both+"-2"), "none"},
		{"empty state", fields("b3", both+"-"), "none"},
		{"trace id of zeros", fields("b3", "00000000000000000000000000000000-"+b3Span+"-1"), "none"},
		{"span id of zeros", fields("b3", b3Trace+"-0000000000000000-1"), "none"},
		{"trace id of 96 bits", fields("b3", b3Trace[8:]+"-"+b3Span+"-1"), "none"},
		{"span id cut", fields("b3", b3Trace+"-"+b3Span[1:]+"-1"), "none"},
		{"parent cut", fields("b3", both+"-1-05e3ac9a4f6e3b9"), "none"},
		{"more behind the parent", fields("b3", both+"-1-05e3ac9a4f6e3b90-1"), "none"},
		{"not hexadecimal", fields("b3", "g"+both[1:]+"-1"), "none"},
		{"repeated", fields("b3", both+"-1", "b3", both+"-1"), both + "-01"},
		{"contradictory", fields("b3", both+"-1", "b3", both+"-0"), "none"},
		{"single is preferred to multi", fields("X-B3-TraceId", traceHex, "X-B3-SpanId", spanHex, "b3", both+"-1"), both + "-01"},
		{"multi is read where single is invalid", fields("b3", "x", "X-B3-TraceId", traceHex, "X-B3-SpanId", spanHex),
			traceHex + "-" + spanHex + "-00 deferred"},
	})
}

func TestB3Multi(t *testing.T) {
	ids := func(more ...string) []model.Field {
		return fields(append([]string{"X-B3-TraceId", b3Trace, "X-B3-SpanId", b3Span}, more...)...)
	}
	extractAll(t, extractor(t, "b3multi"), []extraction{
		{"accept with a parent", ids("X-B3-ParentSpanId", "05e3ac9a4f6e3b90", "X-B3-Sampled", "1"), both + "-01"},
		{"deny", ids("X-B3-Sampled", "0"), both + "-00"},
		{"accept of early tracers", ids("X-B3-Sampled", "True"), both + "-01"},
		{"deny of early tracers", ids("X-B3-Sampled", "false"), both + "-00"},
		{"defer", ids(), both + "-00 deferred"},
		{"debug implies accept", ids("X-B3-Flags", "1"), both + "-01"},
		{"debug wins over deny", ids("X-B3-Flags", "1", "X-B3-Sampled", "0"), both + "-01"},
		{"no debug", ids("X-B3-Flags", "0", "X-B3-Sampled", "0"), both + "-00"},
		{"names in lower case", fields("x-b3-traceid", b3Trace, "x-b3-spanid", b3Span, "x-b3-sampled", "1"), both + "-01"},
		{"64-bit trace id", fields("X-B3-TraceId", b3Trace[16:], "X-B3-SpanId", b3Span), b3Half + "-" + b3Span + "-00 deferred"},
		{"upper-case digits", fields("X-B3-TraceId", "80F198EE56343BA864FE8B2A57D3EFF7", "X-B3-SpanId", b3Span), both + "-00 deferred"},
		{"unknown decision", ids("X-B3-Sampled", "yes"), "none"},
		{"unknown flags", ids("X-B3-Flags", "7"), "none"},
		{"contradictory decisions", ids("X-B3-Sampled", "0", "X-B3-Sampled", "1"), "none"},
		{"without a span", fields("X-B3-TraceId", b3Trace, "X-B3-Sampled", "1"), "none"},
		{"without a trace", fields("X-B3-SpanId", b3Span), "none"},
		{"decision alone", fields("X-B3-Sampled", "0"), "none"},
		{"contradictory spans", ids("X-B3-SpanId", spanHex), "none"},
	})
}

// The rules are those of jaegertracing.io, "Propagation Format".
func TestJaeger(t *testing.T) {
	ids := traceHex + "-" + spanHex
	extractAll(t, extractor(t, "jaeger"), []extraction{
		{"sampled", fields("uber-trace-id", traceHex+":"+spanHex+":0:1"), ids + "-01"},
		{"not sampled", fields("uber-trace-id", traceHex+":"+spanHex+":0:0"), ids + "-00"},
		{"debug implies sampled", fields("uber-trace-id", traceHex+":"+spanHex+":0:2"), ids + "-01"},
		{"sampled and debug", fields("uber-trace-id", traceHex+":"+spanHex+":0:3"), ids + "-01"},
		{"firehose alone", fields("uber-trace-id", traceHex+":"+spanHex+":0:8"), ids + "-00"},
		{"flags of two digits", fields("uber-trace-id", traceHex+":"+spanHex+":0:01"), ids + "-01"},
		{"hexadecimal flags", fields("uber-trace-id", traceHex+":"+spanHex+":0:0b"), ids + "-01"},
		{"flags that are decimal 10 are 16", fields("uber-trace-id", traceHex+":"+spanHex+":0:10"), ids + "-00"},
		{"flags too long", fields("uber-trace-id", traceHex+":"+spanHex+":0:001"), "none"},
		{"flags missing", fields("uber-trace-id", traceHex+":"+spanHex+":0:"), "none"},
		{"parent is ignored", fields("uber-trace-id", traceHex+":"+spanHex+":"+spanHex+":1"), ids + "-01"},
		{"URL-encoded", fields("uber-trace-id", traceHex+"%3A"+spanHex+"%3a0%3A1"), ids + "-01"},
		{"escape cut", fields("uber-trace-id", traceHex+"%3"+spanHex+"%3a0%3A1"), "none"},
		{"leading zeros missing", fields("uber-trace-id", "a1:b2:c3:1"), "000000000000000000000000000000a1-00000000000000b2-01"},
		{"more than 64 bits", fields("uber-trace-id", "123456789abcdef01:b:0:1"), "0000000000000001" + "23456789abcdef01-000000000000000b-01"},
		{"more than 128 bits", fields("uber-trace-id", "1"+traceHex+":b:0:1"), "none"},
		{"trace id of zeros", fields("uber-trace-id", "0:1:0:1"), "none"},
		{"span id of zeros", fields("uber-trace-id", "1:0:0:1"), "none"},
		{"too few parts", fields("uber-trace-id", traceHex+":"+spanHex+":1"), "none"},
		{"too many parts", fields("uber-trace-id", "1:2:3:4:1"), "none"},
		{"a sign", fields("uber-trace-id", "+1:2:0:1"), "none"},
		{"no colon", fields("uber-trace-id", "1"), "none"},
		{"name in any case", fields("Uber-Trace-Id", "1:2:0:1"), "00000000000000000000000000000001-0000000000000002-01"},
		{"contradictory", fields("uber-trace-id", "1:2:0:1", "uber-trace-id", "1:3:0:1"), "none"},
		{"debug id is no context", fields("jaeger-debug-id", "x"), "none"},
	})
}

// The examples are those of the AWS X-Ray developer guide, "Tracing header".
func TestXRay(t *testing.T) {
	const (
		root = "Root=1-5759e988-bd862e3fe1be46a994272793"
		ids  = "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8"
		span = ";Parent=53995c3f42cd8ad8"
	)
	extractAll(t, extractor(t, "xray"), []extraction{
		{"root sampled by a load balancer", fields("X-Amzn-Trace-Id", root+";Sampled=1"), "none"},
		{"header with parent and sampled", fields("X-Amzn-Trace-Id", root+span+";Sampled=1"), ids + "-01"},
		{"not sampled", fields("X-Amzn-Trace-Id", root+span+";Sampled=0"), ids + "-00"},
		{"decision asked for", fields("X-Amzn-Trace-Id", root+span+";Sampled=?"), ids + "-00 deferred"},
		{"decision left out", fields("X-Amzn-Trace-Id", root+span), ids + "-00 deferred"},
		{"lineage", fields("X-Amzn-Trace-Id", root+span+";Sampled=0;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2"), ids + "-00"},
		{"self before root", fields("X-Amzn-Trace-Id", "Self=1-67891234-12456789abcdef012345678;"+root+span+";Sampled=1"), ids + "-01"},
		{"any order, blanks", fields("x-amzn-trace-id", "Sampled=1; Parent=53995c3f42cd8ad8 ; "+root), ids + "-01"},
		{"version 2", fields("X-Amzn-Trace-Id", "Root=2-5759e988-bd862e3fe1be46a994272793"+span), "none"},
		{"root without dashes", fields("X-Amzn-Trace-Id", "Root=1-5759e988abd862e3fe1be46a994272793"+span), "none"},
		{"parent cut", fields("X-Amzn-Trace-Id", root+";Parent=53995c3f42cd8ad"), "none"},
		{"parent of zeros", fields("X-Amzn-Trace-Id", root+";Parent=0000000000000000"), "none"},
		{"two parents", fields("X-Amzn-Trace-Id", root+span+";Parent=53995c3f42cd8ad9"), "none"},
		{"unknown decision", fields("X-Amzn-Trace-Id", root+span+";Sampled=2"), "none"},
		{"empty", fields("X-Amzn-Trace-Id", ""), "none"},
	})
}

// The rules are those of Datadog's tracers: identifiers are decimal, the upper half of a trace id is a tag.
func TestDatadog(t *testing.T) {
	ids := func(more ...string) []model.Field {
		return fields(append([]string{"x-datadog-trace-id", "9532127138774266268", "x-datadog-parent-id", "13235353014750950193"}, more...)...)
	}
	const low, high, span = "8448eb211c80319c", "640cfd8d00000000", "b7ad6b7169203331"
	short := "0000000000000000" + low + "-" + span
	extractAll(t, extractor(t, "datadog"), []extraction{
		{"auto keep", ids("x-datadog-sampling-priority", "1"), short + "-01"},
		{"user keep", ids("x-datadog-sampling-priority", "2"), short + "-01"},
		{"auto reject", ids("x-datadog-sampling-priority", "0"), short + "-00"},
		{"user reject", ids("x-datadog-sampling-priority", "-1"), short + "-00"},
		{"no priority", ids(), short + "-00 deferred"},
		{"priority is no number", ids("x-datadog-sampling-priority", "high"), "none"},
		{"128-bit trace id", ids("x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.dm=-1,_dd.p.tid="+high),
			high + low + "-" + span + "-01"},
		{"upper half malformed", ids("x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.tid=640C"), short + "-01"},
		{"contradictory tags", ids("x-datadog-tags", "_dd.p.tid="+high, "x-datadog-tags", "_dd.p.tid=0000000000000001"), "none"},
		{"names in any case", fields("X-Datadog-Trace-Id", "1", "X-DATADOG-PARENT-ID", "2", "X-Datadog-Sampling-Priority", "1"),
			"00000000000000000000000000000001-0000000000000002-01"},
		{"trace id of zero", fields("x-datadog-trace-id", "0", "x-datadog-parent-id", "2"), "none"},
		{"parent id of zero", fields("x-datadog-trace-id", "1", "x-datadog-parent-id", "0"), "none"},
		{"largest number", fields("x-datadog-trace-id", "18446744073709551615", "x-datadog-parent-id", "2"),
			"0000000000000000ffffffffffffffff-0000000000000002-00 deferred"},
		{"more than 64 bits", fields("x-datadog-trace-id", "18446744073709551616", "x-datadog-parent-id", "2"), "none"},
		{"negative", fields("x-datadog-trace-id", "-1", "x-datadog-parent-id", "2"), "none"},
		{"empty", fields("x-datadog-trace-id", "", "x-datadog-parent-id", ""), "none"},
		{"origin alone", fields("x-datadog-origin", "rum"), "none"},
	})
}

// The format is that of census-instrumentation/opencensus-specs, encodings/BinaryEncoding.md.
func TestOpenCensusBinary(t *testing.T) {
	const ids = "404142434445464748494a4b4c4d4e4f-6162636465666768"
	value := "\x00" + "\x00@ABCDEFGHIJKLMNO" + "\x01abcdefgh" + "\x02\x01"
	plain, padded := base64.RawStdEncoding.EncodeToString, base64.StdEncoding.EncodeToString
	extractAll(t, extractor(t, "opencensus"), []extraction{
		{"example of the specification", fields("grpc-trace-bin", padded([]byte(value))), ids + "-01"},
		{"without padding", fields("grpc-trace-bin", plain([]byte(value))), ids + "-01"},
		{"not sampled", fields("grpc-trace-bin", plain([]byte(value[:28]+"\x00"))), ids + "-00"},
		{"without options", fields("grpc-trace-bin", plain([]byte(value[:27]))), ids + "-00"},
		{"version 1", fields("grpc-trace-bin", plain([]byte("\x01"+value[1:]))), "none"},
		{"cut", fields("grpc-trace-bin", plain([]byte(value[:26]))), "none"},
		{"parts out of order", fields("grpc-trace-bin", plain([]byte(value[:18]+"\x02"+value[19:]))), "none"},
		{"too long", fields("grpc-trace-bin", plain([]byte(value+value))), "none"},
		{"not base64", fields("grpc-trace-bin", "!"), "none"},
	})
}
