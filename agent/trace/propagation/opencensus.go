// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/base64"
	"strings"

	"sonde/agent/model"
)

// binaryBytes is the length of a context in OpenCensus's binary format: a version, and three parts that begin with their number.
const binaryBytes = 1 + (1 + 16) + (1 + 8) + (1 + 1)

// openCensus reads grpc-trace-bin: base64 of 00 00{16 trace} 01{8 span} 02{1 flags} (census-instrumentation/opencensus-specs,
// encodings/BinaryEncoding.md). gRPC leaves padding to the sender.
func openCensus(fields []model.Field) (model.SpanContext, bool) {
	value, n := find(fields, "grpc-trace-bin")
	if n != unique {
		return model.SpanContext{}, false
	}
	value = strings.TrimRight(value, "=")
	var b [binaryBytes + 2]byte
	if base64.RawStdEncoding.DecodedLen(len(value)) > len(b) {
		return model.SpanContext{}, false
	}
	size, err := base64.RawStdEncoding.Decode(b[:], []byte(value))
	if err != nil || size < binaryBytes-2 || b[0] != 0 || b[1] != 0 || b[18] != 1 {
		return model.SpanContext{}, false
	}
	var c model.SpanContext
	copy(c.TraceID[:], b[2:18])
	copy(c.SpanID[:], b[19:27])
	if size >= binaryBytes && b[27] == 2 { // without options nothing is sampled
		c.Flags = model.TraceFlags(b[28]) & model.FlagSampled
	}
	return c, c.Valid()
}
