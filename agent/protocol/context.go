// SPDX-License-Identifier: Apache-2.0

package protocol

// CarriesContext tells whether a field of this name, in any case, may carry trace context in one of the formats that
// agent/trace/propagation reads. Parsers keep the values of such fields, and recordings may hold them.
func CarriesContext(name []byte) bool {
	var b [longestContext]byte
	if len(name) > len(b) || len(name) < len("b3") {
		return false
	}
	switch name[0] | 0x20 {
	case 't', 'b', 'x', 'u', 'g':
	default:
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	switch string(b[:len(name)]) {
	case "traceparent", "tracestate",
		"b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
		"uber-trace-id", "x-amzn-trace-id", "grpc-trace-bin",
		"x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags":
		return true
	}
	return false
}

const longestContext = len("x-datadog-sampling-priority")
