// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"net/url"
	"strings"

	client "github.com/uber/jaeger-client-go"

	"sonde/agent/model"
)

// Flags of Jaeger's format. Debug asks for more than sampled does, so it implies it.
const (
	jaegerSampled = 1 << iota
	jaegerDebug
)

// longestJaeger is that of a context whose every colon is escaped.
const longestJaeger = 32 + 16 + 16 + 2 + 3*len("%3A")

// jaeger reads "uber-trace-id: {trace}:{span}:{parent}:{flags}", perhaps URL-encoded, whose numbers are hexadecimal without
// leading zeros.
func jaeger(fields []model.Field) (model.SpanContext, bool) {
	value, n := find(fields, "uber-trace-id")
	if n != unique || len(value) > longestJaeger {
		return model.SpanContext{}, false
	}
	if strings.IndexByte(value, '%') >= 0 {
		plain, err := url.QueryUnescape(value)
		if err != nil {
			return model.SpanContext{}, false
		}
		value = plain
	}
	last := strings.LastIndexByte(value, ':')
	if last < 0 {
		return model.SpanContext{}, false
	}
	flags, ok := hexByte(value[last+1:])
	if !ok {
		return model.SpanContext{}, false
	}
	// The client takes flags for decimal, so it gets some that are the same either way.
	parsed, err := client.ContextFromString(value[:last+1] + "0")
	if err != nil {
		return model.SpanContext{}, false
	}
	c := context(parsed.TraceID().High, parsed.TraceID().Low, uint64(parsed.SpanID()))
	if flags&(jaegerSampled|jaegerDebug) != 0 {
		c.Flags = model.FlagSampled
	}
	return c, c.Valid()
}

// hexByte reads one or two digits.
func hexByte(s string) (byte, bool) {
	var v byte
	for i := range len(s) {
		d := either[s[i]]
		if d == notHex || i == 2 {
			return 0, false
		}
		v = v<<4 | d
	}
	return v, s != ""
}
