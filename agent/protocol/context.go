// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"

	"sonde/agent/model"
)

// CarriesContext tells whether a field of this name, in any case, may carry trace context in one of the formats that
// agent/trace/propagation reads. Parsers keep the values of such fields, and recordings may hold them.
func CarriesContext(name []byte) bool {
	var b [longestContext]byte
	if len(name) > len(b) || contextLengths&(1<<len(name)) == 0 { // nearly always
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

// contextLengths has the bits of the lengths of their names set.
const contextLengths = 1<<len("b3") | 1<<len("tracestate") | 1<<len("traceparent") | 1<<len("x-b3-sampled") | 1<<len("uber-trace-id") |
	1<<len("grpc-trace-bin") | 1<<len("x-amzn-trace-id") | 1<<len("x-b3-parentspanid") | 1<<len("x-datadog-trace-id") |
	1<<len("x-datadog-parent-id") | 1<<len("x-datadog-sampling-priority")

const longestContext = len("x-datadog-sampling-priority")

// KeepField adds a field that carries context to those kept, in the limits of model.MaxFields. A value over model.MaxField is
// left out: a part of it would say something else.
func KeepField(fields []model.Field, name string, value []byte) []model.Field {
	if len(fields) >= model.MaxFields || len(value) > model.MaxField {
		return fields
	}
	return append(fields, model.Field{Name: name, Value: string(value)})
}

// userTag is what Datadog's libraries call the identifier of a user, where a service has them hand it on.
const userTag = "_dd.p.usr.id="

// PrivateTag returns the part of a field's value that a recording must not hold although the field carries context: who a
// user is. Nearly always there is none, and from is to.
func PrivateTag(name, value []byte) (from, to int) {
	if len(name) != len("x-datadog-tags") || !bytes.EqualFold(name, []byte("x-datadog-tags")) {
		return 0, 0
	}
	if from = bytes.Index(value, []byte(userTag)); from < 0 {
		return 0, 0
	}
	from += len(userTag)
	if n := bytes.IndexByte(value[from:], ','); n >= 0 {
		return from, from + n
	}
	return from, len(value)
}
