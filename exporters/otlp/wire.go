// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of opentelemetry/proto/trace/v1, common/v1 and resource/v1. The tests decode what is written here with the
// generated types.
const (
	spanTraceID      = 1
	spanSpanID       = 2
	spanTraceState   = 3
	spanParent       = 4
	spanName         = 5
	spanKind         = 6
	spanStart        = 7
	spanEnd          = 8
	spanAttributes   = 9
	spanDropped      = 10
	spanLinks        = 13
	spanDroppedLinks = 14
	spanStatus       = 15
	spanFlags        = 16

	linkTraceID    = 1
	linkSpanID     = 2
	linkTraceState = 3
	linkFlags      = 6

	statusMessage = 2
	statusCode    = 3

	keyValueKey   = 1
	keyValueValue = 2

	anyString = 1
	anyBool   = 2
	anyInt    = 3
	anyArray  = 5

	arrayValues = 1

	resourceAttributes = 1

	scopeSpansSpans = 2
)

// appendTag has one byte for all fields but Span.flags.
func appendTag(b []byte, field protowire.Number, t protowire.Type) []byte {
	if field < 16 {
		return append(b, byte(field)<<3|byte(t))
	}
	return protowire.AppendTag(b, field, t)
}

// appendLength begins a field of a known length.
func appendLength(b []byte, field protowire.Number, n int) []byte {
	if n < 128 && field < 16 {
		return append(b, byte(field)<<3|byte(protowire.BytesType), byte(n))
	}
	return protowire.AppendVarint(appendTag(b, field, protowire.BytesType), uint64(n))
}

func appendText[T string | []byte](b []byte, field protowire.Number, s T) []byte {
	return append(appendLength(b, field, len(s)), s...)
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v < 128 && field < 16 {
		return append(b, byte(field)<<3, byte(v))
	}
	return protowire.AppendVarint(appendTag(b, field, protowire.VarintType), v)
}

func appendFixed64(b []byte, field protowire.Number, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, protowire.Fixed64Type), v)
}

func appendFixed32(b []byte, field protowire.Number, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(appendTag(b, field, protowire.Fixed32Type), v)
}

// lengthBytes is what beginMessage leaves for the length: right for messages of 128 to 16383 bytes, as most spans are.
const lengthBytes = 2

// beginMessage begins a field whose length is not known yet. endMessage takes what it returns.
func beginMessage(b []byte, field protowire.Number) ([]byte, int) {
	b = appendTag(b, field, protowire.BytesType)
	return append(b, 0, 0), len(b) + lengthBytes
}

// endMessage writes the length of what follows start, and moves that where the length needs more or fewer bytes than left.
func endMessage(b []byte, start int) []byte {
	n := len(b) - start
	size := protowire.SizeVarint(uint64(n))
	at := start - lengthBytes
	if size != lengthBytes {
		for range size - lengthBytes {
			b = append(b, 0)
		}
		copy(b[at+size:], b[start:start+n])
		b = b[:at+size+n]
	}
	binary.PutUvarint(b[at:at+size:at+size], uint64(n))
	return b
}

// sizeField is the size of a field of n bytes whose number is below 16.
func sizeField(n int) int {
	if n < 128 {
		return 2 + n
	}
	return 1 + protowire.SizeBytes(n)
}

// appendKey begins a KeyValue in field whose AnyValue will have n bytes, up to and without that AnyValue's content.
func appendKey(b []byte, field protowire.Number, key string, n int) []byte {
	if size := 4 + len(key) + n; size < 128 { // then all lengths have one byte, as most have
		at := len(b)
		b = slices.Grow(b, 2+size) // with the content, so that only this asks for room
		head := b[at : at+6+len(key)]
		head[0], head[1] = byte(field)<<3|byte(protowire.BytesType), byte(size)
		head[2], head[3] = keyValueKey<<3|byte(protowire.BytesType), byte(len(key))
		copy(head[4:], key)
		tail := head[4+len(key):]
		tail[0], tail[1] = keyValueValue<<3|byte(protowire.BytesType), byte(n)
		return b[:at+len(head)]
	}
	b = appendLength(b, field, sizeField(len(key))+sizeField(n))
	b = appendText(b, keyValueKey, key)
	return appendLength(b, keyValueValue, n)
}

func appendStringAttribute[T string | []byte](b []byte, field protowire.Number, key string, value T) []byte {
	b = appendKey(b, field, key, sizeField(len(value)))
	return appendText(b, anyString, value)
}

func appendIntAttribute(b []byte, field protowire.Number, key string, value uint64) []byte {
	b = appendKey(b, field, key, 1+protowire.SizeVarint(value))
	return appendVarint(b, anyInt, value)
}

func appendBoolAttribute(b []byte, field protowire.Number, key string, value bool) []byte {
	b = appendKey(b, field, key, 2)
	return appendVarint(b, anyBool, protowire.EncodeBool(value))
}

// maxAddr is the longest text of an address without a zone.
const maxAddr = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// appendAddr appends an address without its zone, which is the name of an interface of this machine.
func appendAddr(b []byte, a netip.Addr) []byte { return a.WithZone("").AppendTo(b) }

// cut returns the first n characters of s, all of it for a negative n.
func cut[T string | []byte](s T, n int) T {
	if n < 0 || len(s) <= n {
		return s
	}
	chars := 0
	for i := range len(s) {
		if utf8.RuneStart(s[i]) {
			if chars == n {
				return s[:i]
			}
			chars++
		}
	}
	return s
}
