// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendJSON appends m in the JSON of OTLP, which differs from that of protobuf: trace and span ids are hexadecimal and not
// base64, and enums are numbers. Names are in lowerCamelCase, numbers of 64 bits are strings, what has its default is left
// out, as in protobuf.
func appendJSON(b []byte, m protoreflect.Message) ([]byte, error) {
	if len(m.GetUnknown()) > 0 {
		return b, fmt.Errorf("%s has fields that are not decoded", m.Descriptor().FullName())
	}
	b = append(b, '{')
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, f.JSONName()), ':')
		var err error
		if f.IsList() {
			b, err = appendJSONList(b, f, m.Get(f).List())
		} else {
			b, err = appendJSONValue(b, f, m.Get(f))
		}
		if err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendJSONList(b []byte, f protoreflect.FieldDescriptor, list protoreflect.List) ([]byte, error) {
	b = append(b, '[')
	for i := range list.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSONValue(b, f, list.Get(i)); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendJSONValue(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, error) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return appendJSON(b, v.Message())
	case protoreflect.StringKind:
		return appendJSONString(b, v.String())
	case protoreflect.BytesKind:
		return appendJSONBytes(b, f, v.Bytes()), nil
	case protoreflect.EnumKind:
		return strconv.AppendInt(b, int64(v.Enum()), 10), nil
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"'), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return append(strconv.AppendInt(append(b, '"'), v.Int(), 10), '"'), nil
	case protoreflect.DoubleKind:
		return appendJSONNumber(b, v.Float())
	}
	return b, fmt.Errorf("%s has a type that OTLP has not", f.FullName())
}

// appendJSONString escapes what JSON asks for, and what would drive a terminal that the line is shown on.
func appendJSONString(b []byte, s string) ([]byte, error) {
	quoted, err := json.Marshal(s)
	if err != nil {
		return b, err
	}
	for _, r := range string(quoted) {
		if r == 0x7f || r >= 0x80 && r < 0xa0 {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b, nil
}

// appendJSONBytes writes identifiers in hexadecimal and everything else in base64.
func appendJSONBytes(b []byte, f protoreflect.FieldDescriptor, v []byte) []byte {
	b = append(b, '"')
	switch f.Name() {
	case "trace_id", "span_id", "parent_span_id":
		b = hex.AppendEncode(b, v)
	default:
		b = base64.StdEncoding.AppendEncode(b, v)
	}
	return append(b, '"')
}

// appendJSONNumber writes the three values that JSON has no number for as the strings of protobuf's JSON.
func appendJSONNumber(b []byte, v float64) ([]byte, error) {
	switch {
	case v != v:
		return append(b, `"NaN"`...), nil
	case v > math.MaxFloat64:
		return append(b, `"Infinity"`...), nil
	case v < -math.MaxFloat64:
		return append(b, `"-Infinity"`...), nil
	}
	number, err := json.Marshal(v)
	return append(b, number...), err
}
