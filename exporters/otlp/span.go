// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// Bits of Span.flags above the eight of W3C Trace Context: whether the next is meant, and whether the parent came from
// elsewhere.
const (
	flagHasIsRemote = 0x100
	flagIsRemote    = 0x200
)

// Limits bound the attributes of a span.
type Limits struct {
	Attributes  int // for each span; further ones are counted in dropped_attributes_count
	Links       int
	ValueLength int // characters of a text, -1 for no limit
}

// encoder appends spans as field 2 of a ScopeSpans message. It is for one goroutine.
type encoder struct {
	limits Limits
	clock  func() model.Clock
	walker semconv.SpanWalker
	name   []byte
	recent [recentSpans]recentSpan

	b       []byte
	written int
	dropped uint32
}

func newEncoder(c *Config, clock func() model.Clock) encoder {
	return encoder{limits: c.Limits, clock: clock, walker: semconv.SpanWalker{Methods: c.Methods}}
}

// append adds the span of r to b.
func (e *encoder) append(b []byte, r *model.Request) []byte {
	s := &r.Span
	b, start := beginMessage(b, scopeSpansSpans)
	b = appendText(b, spanTraceID, s.TraceID[:])
	b = appendText(b, spanSpanID, s.SpanID[:])
	if s.State != "" {
		b = appendText(b, spanTraceState, validString(s.State))
	}
	if !s.Parent.IsZero() {
		b = appendText(b, spanParent, s.Parent[:])
	}
	clock := e.clock()
	from := clock.Wall(r.Start).UnixNano()
	b = appendFixed64(b, spanStart, uint64(from))
	b = appendFixed64(b, spanEnd, uint64(from+int64(r.Duration())))
	e.b, e.written, e.dropped = b, 0, 0
	e.request(r)
	e.walker.VisitExchange(r, e)
	b, e.b = e.b, nil
	if e.dropped > 0 {
		b = appendVarint(b, spanDropped, uint64(e.dropped))
	}
	b = e.appendLinks(b, s.Links)
	b = appendStatus(b, r)
	b = appendFixed32(b, spanFlags, spanFlagsOf(s))
	return endMessage(b, start)
}

// describe adds to e.b what r asked and what was answered: name, kind and the first of the attributes.
func (e *encoder) describe(r *model.Request) {
	e.name = e.walker.Methods.AppendSpanName(e.name[:0], r)
	e.b = appendText(e.b, spanName, validBytes(e.name))
	e.b = appendVarint(e.b, spanKind, uint64(semconv.KindOf(r)))
	e.walker.VisitRequest(r, e)
}

func spanFlagsOf(s *model.Span) uint32 {
	flags := uint32(s.Flags) | flagHasIsRemote
	if s.ParentRemote {
		flags |= flagIsRemote
	}
	return flags
}

func appendStatus(b []byte, r *model.Request) []byte {
	code, message := semconv.StatusOf(r)
	if code == semconv.StatusUnset {
		return b
	}
	b, start := beginMessage(b, spanStatus)
	if message != "" {
		b = appendText(b, statusMessage, validString(message))
	}
	b = appendVarint(b, statusCode, uint64(code))
	return endMessage(b, start)
}

// appendLinks: a link came with a message, so its context is remote.
func (e *encoder) appendLinks(b []byte, links []model.SpanContext) []byte {
	n := min(len(links), e.limits.Links)
	for i := range links[:n] {
		l := &links[i]
		var start int
		b, start = beginMessage(b, spanLinks)
		b = appendText(b, linkTraceID, l.TraceID[:])
		b = appendText(b, linkSpanID, l.SpanID[:])
		if l.State != "" {
			b = appendText(b, linkTraceState, validString(l.State))
		}
		b = appendFixed32(b, linkFlags, uint32(l.Flags)|flagHasIsRemote|flagIsRemote)
		b = endMessage(b, start)
	}
	if n < len(links) {
		b = appendVarint(b, spanDroppedLinks, uint64(len(links)-n))
	}
	return b
}

// admit counts an attribute against the limit.
func (e *encoder) admit() bool {
	if e.written >= e.limits.Attributes {
		e.dropped++
		return false
	}
	e.written++
	return true
}

// String implements semconv.Visitor, as do the other methods with a key.
func (e *encoder) String(key, value string) {
	if e.admit() {
		e.b = appendStringAttribute(e.b, spanAttributes, key, cut(validString(value), e.limits.ValueLength))
	}
}

// Bytes implements semconv.Visitor.
func (e *encoder) Bytes(key string, value []byte) {
	if e.admit() {
		e.b = appendStringAttribute(e.b, spanAttributes, key, cut(validBytes(value), e.limits.ValueLength))
	}
}

// Int implements semconv.Visitor.
func (e *encoder) Int(key string, value int64) { e.Uint(key, uint64(value)) }

// Uint implements semconv.Visitor. OTLP has no numbers above those of int64, and nothing that sonde counts reaches them.
func (e *encoder) Uint(key string, value uint64) {
	if e.admit() {
		e.b = appendIntAttribute(e.b, spanAttributes, key, value)
	}
}

// Bool implements semconv.Visitor.
func (e *encoder) Bool(key string, value bool) {
	if e.admit() {
		e.b = appendBoolAttribute(e.b, spanAttributes, key, value)
	}
}

// Addr implements semconv.Visitor.
func (e *encoder) Addr(key string, value netip.Addr) {
	if !e.admit() {
		return
	}
	var text [maxAddr]byte
	e.b = appendStringAttribute(e.b, spanAttributes, key, appendAddr(text[:0], value))
}

// Strings implements semconv.Visitor.
func (e *encoder) Strings(key string, values []string) {
	start, ok := e.beginArray(key)
	if !ok {
		return
	}
	for _, v := range values {
		v = cut(validString(v), e.limits.ValueLength)
		e.b = appendText(appendLength(e.b, arrayValues, sizeField(len(v))), anyString, v)
	}
	e.endArray(start)
}

// Uints implements semconv.Visitor.
func (e *encoder) Uints(key string, values []uint32) {
	start, ok := e.beginArray(key)
	if !ok {
		return
	}
	for _, v := range values {
		e.b = appendLength(e.b, arrayValues, 1+protowire.SizeVarint(uint64(v)))
		e.b = appendVarint(e.b, anyInt, uint64(v))
	}
	e.endArray(start)
}

// Addrs implements semconv.Visitor.
func (e *encoder) Addrs(key string, values []netip.Addr) {
	start, ok := e.beginArray(key)
	if !ok {
		return
	}
	var text [maxAddr]byte
	for _, v := range values {
		t := appendAddr(text[:0], v)
		e.b = appendText(appendLength(e.b, arrayValues, sizeField(len(t))), anyString, t)
	}
	e.endArray(start)
}

// beginArray begins an attribute whose value is a list: three messages in each other.
func (e *encoder) beginArray(key string) (starts [3]int, ok bool) {
	if !e.admit() {
		return starts, false
	}
	e.b, starts[0] = beginMessage(e.b, spanAttributes)
	e.b = appendText(e.b, keyValueKey, key)
	e.b, starts[1] = beginMessage(e.b, keyValueValue)
	e.b, starts[2] = beginMessage(e.b, anyArray)
	return starts, true
}

func (e *encoder) endArray(starts [3]int) {
	e.b = endMessage(e.b, starts[2])
	e.b = endMessage(e.b, starts[1])
	e.b = endMessage(e.b, starts[0])
}

// validString returns s with U+FFFD for what is no UTF-8: a receiver refuses all of a message that has any of it.
func validString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func validBytes(s []byte) []byte {
	if utf8.Valid(s) {
		return s
	}
	return bytes.ToValidUTF8(s, []byte("\uFFFD"))
}
