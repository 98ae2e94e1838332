// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// encoder appends spans in one of Thrift's protocols. A struct has the same bytes alone and in a list, so batches are put
// together from them later. It is for one goroutine.
type encoder struct {
	clock   func() model.Clock
	version string // of sonde
	walker  semconv.SpanWalker
	out     *thrift.TMemoryBuffer
	to      thrift.TProtocol
	name    []byte
	tags    []*jaeger.Tag
}

func newEncoder(c *Config, clock func() model.Clock, protocol protocol) *encoder {
	e := &encoder{
		clock: clock, version: c.Resource.Version, walker: semconv.SpanWalker{Methods: c.Methods}, out: thrift.NewTMemoryBuffer(),
	}
	e.to = protocol(e.out)
	return e
}

// append adds the span of r to b.
func (e *encoder) append(b []byte, r *model.Request) []byte {
	e.out.Reset()
	if err := e.span(r).Write(context.Background(), e.to); err != nil {
		return b // memory takes everything
	}
	return append(b, e.out.Bytes()...)
}

func (e *encoder) span(r *model.Request) *jaeger.Span {
	s := &r.Span
	high, low := traceID(s.TraceID)
	clock := e.clock()
	e.name = e.walker.Methods.AppendSpanName(e.name[:0], r)
	span := &jaeger.Span{
		TraceIdHigh: high, TraceIdLow: low, SpanId: spanID(s.SpanID), ParentSpanId: spanID(s.Parent),
		OperationName: valid(string(e.name)), Flags: 1, // sampled: it is exported
		StartTime: clock.Wall(r.Start).UnixMicro(), Duration: int64(r.Duration() / time.Microsecond),
		References: references(s),
	}
	e.tags = nil
	e.walker.Visit(r, e)
	e.status(r)
	span.Tags = e.tags
	return span
}

// status adds what Jaeger's own translation of OTLP adds beside the attributes.
func (e *encoder) status(r *model.Request) {
	e.String("span.kind", semconv.KindOf(r).String())
	code, description := semconv.StatusOf(r)
	if code == semconv.StatusError {
		e.Bool("error", true)
		e.String("otel.status_code", "ERROR")
	}
	if description != "" {
		e.String("otel.status_description", description)
	}
	if r.Span.State != "" {
		e.String("w3c.tracestate", r.Span.State)
	}
	e.String("otel.scope.name", semconv.Scope)
	if e.version != "" {
		e.String("otel.scope.version", e.version)
	}
}

// references tells the parent and, of another kind, the contexts of messages.
func references(s *model.Span) []*jaeger.SpanRef {
	var all []*jaeger.SpanRef
	add := func(kind jaeger.SpanRefType, trace model.TraceID, span model.SpanID) {
		high, low := traceID(trace)
		all = append(all, &jaeger.SpanRef{RefType: kind, TraceIdHigh: high, TraceIdLow: low, SpanId: spanID(span)})
	}
	if !s.Parent.IsZero() {
		add(jaeger.SpanRefType_CHILD_OF, s.TraceID, s.Parent)
	}
	for i := range s.Links {
		add(jaeger.SpanRefType_FOLLOWS_FROM, s.Links[i].TraceID, s.Links[i].SpanID)
	}
	return all
}

func traceID(id model.TraceID) (high, low int64) {
	return int64(binary.BigEndian.Uint64(id[:8])), int64(binary.BigEndian.Uint64(id[8:]))
}

func spanID(id model.SpanID) int64 { return int64(binary.BigEndian.Uint64(id[:])) }

// valid returns s with U+FFFD for what is no UTF-8: Thrift does not mind, Jaeger's storage does.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// String implements semconv.Visitor, as do the other methods with a key.
func (e *encoder) String(key, value string) {
	value = valid(value)
	e.tags = append(e.tags, &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &value})
}

// Bytes implements semconv.Visitor.
func (e *encoder) Bytes(key string, value []byte) { e.String(key, string(value)) }

// Int implements semconv.Visitor.
func (e *encoder) Int(key string, value int64) {
	e.tags = append(e.tags, &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &value})
}

// Uint implements semconv.Visitor.
func (e *encoder) Uint(key string, value uint64) { e.Int(key, int64(value)) }

// Bool implements semconv.Visitor.
func (e *encoder) Bool(key string, value bool) {
	e.tags = append(e.tags, &jaeger.Tag{Key: key, VType: jaeger.TagType_BOOL, VBool: &value})
}

// Addr implements semconv.Visitor.
func (e *encoder) Addr(key string, value netip.Addr) { e.String(key, value.WithZone("").String()) }

// list adds a list as JSON, which is how it is translated from OTLP: tags have no lists.
func (e *encoder) list(key string, values any) {
	if text, err := json.Marshal(values); err == nil {
		e.String(key, string(text))
	}
}

// Strings implements semconv.Visitor.
func (e *encoder) Strings(key string, values []string) { e.list(key, values) }

// Uints implements semconv.Visitor.
func (e *encoder) Uints(key string, values []uint32) { e.list(key, values) }

// Addrs implements semconv.Visitor.
func (e *encoder) Addrs(key string, values []netip.Addr) { e.list(key, values) }
