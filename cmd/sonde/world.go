// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/netip"
	"strconv"

	"sonde/agent/model"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/exporters/semconv"
	"sonde/exporters/text"
)

// words says of requests what the conventions have words for, to people. It implements store.Words: the words are those of the
// lines of `sonde observe` and the names of spans. Text from the wire becomes printable ASCII. The zero value knows the methods
// of HTTP that the conventions know.
type words struct{ methods semconv.Methods }

// AppendTarget implements store.Words.
func (words) AppendTarget(b []byte, r *model.Request) []byte { return text.AppendTarget(b, r) }

// AppendStatus implements store.Words.
func (words) AppendStatus(b []byte, r *model.Request) []byte { return text.AppendStatus(b, r) }

// AppendOperation implements store.Words.
func (w words) AppendOperation(b []byte, r *model.Request) []byte {
	from := len(b)
	return printable(w.methods.AppendSpanName(b, r), from)
}

// Failed implements store.Words. A handshake is no span, but one that fails is a failure to look at.
func (words) Failed(r *model.Request) bool {
	status, _ := semconv.StatusOf(r)
	return status == semconv.StatusError
}

// Attributes implements store.Words.
func (w words) Attributes(r *model.Request) []view.KeyValue {
	walker := semconv.Walker{Methods: w.methods}
	var l keyValues
	walker.Visit(r, &l)
	return l
}

// keyValues collects attributes as text. It implements semconv.Visitor.
type keyValues []view.KeyValue

func (l *keyValues) add(key string, value []byte) {
	*l = append(*l, view.KeyValue{Key: key, Value: string(printable(value, 0))})
}

func (l *keyValues) String(key, value string)       { l.add(key, []byte(value)) }
func (l *keyValues) Bytes(key string, value []byte) { l.add(key, append([]byte(nil), value...)) }
func (l *keyValues) Int(key string, value int64)    { l.add(key, strconv.AppendInt(nil, value, 10)) }

func (l *keyValues) Uint(key string, value uint64) { l.add(key, strconv.AppendUint(nil, value, 10)) }
func (l *keyValues) Bool(key string, value bool)   { l.add(key, strconv.AppendBool(nil, value)) }

func (l *keyValues) Addr(key string, value netip.Addr) { l.add(key, value.AppendTo(nil)) }

func (l *keyValues) Strings(key string, values []string)   { l.list(key, values) }
func (l *keyValues) Uints(key string, values []uint32)     { l.list(key, values) }
func (l *keyValues) Addrs(key string, values []netip.Addr) { l.list(key, values) }

var _ store.Words = words{}

// list writes a list as JSON does: its elements may hold any separator.
func (l *keyValues) list(key string, values any) {
	text, err := json.Marshal(values)
	if err != nil {
		return // of strings, numbers and addresses it does not happen
	}
	l.add(key, text)
}

// printable escapes what is not printable ASCII in b[from:], as units.AppendEscaped does, but keeps spaces: a query has words.
func printable(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if c := b[i]; c >= ' ' && c < 0x7f {
			continue
		}
		dirty := string(b[i:])
		b = b[:i]
		for _, c := range []byte(dirty) {
			b = appendPrintable(b, c)
		}
		return b
	}
	return b
}

func appendPrintable(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	if c >= ' ' && c < 0x7f {
		return append(b, c)
	}
	return append(b, '\\', 'x', digits[c>>4], digits[c&15])
}
