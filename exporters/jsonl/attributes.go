// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"net/netip"
	"strconv"
	"sync"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// attributes writes what semconv.Walker visits. It implements semconv.Visitor.
type attributes struct {
	walker semconv.Walker
	b      []byte
}

// written holds attributes for the next use: an interface value on the stack would be an allocation for each request.
var written = sync.Pool{New: func() any { return &attributes{} }}

func appendAttributes(b []byte, r *model.Request) []byte {
	a := written.Get().(*attributes)
	a.b = b
	a.walker.Visit(r, a)
	b, a.b = a.b, nil
	written.Put(a)
	return b
}

func (a *attributes) String(key, value string) { a.b = appendString(appendKey(a.b, key), value) }

func (a *attributes) Bytes(key string, value []byte) {
	a.b = appendString(appendKey(a.b, key), value)
}

func (a *attributes) Int(key string, value int64) {
	a.b = strconv.AppendInt(appendKey(a.b, key), value, 10)
}

func (a *attributes) Uint(key string, value uint64) { a.b = appendUint(a.b, key, value) }

func (a *attributes) Bool(key string, value bool) {
	a.b = strconv.AppendBool(appendKey(a.b, key), value)
}

func (a *attributes) Addr(key string, value netip.Addr) { a.b = appendAddr(a.b, key, value) }

func (a *attributes) Strings(key string, values []string) {
	appendList(a, key, values, appendString[string])
}

func (a *attributes) Uints(key string, values []uint32) {
	appendList(a, key, values, func(b []byte, v uint32) []byte { return strconv.AppendUint(b, uint64(v), 10) })
}

func (a *attributes) Addrs(key string, values []netip.Addr) {
	appendList(a, key, values, func(b []byte, v netip.Addr) []byte { return append(v.AppendTo(append(b, '"')), '"') })
}

func appendList[V any](a *attributes, key string, values []V, one func([]byte, V) []byte) {
	a.b = append(appendKey(a.b, key), '[')
	for i, v := range values {
		if i > 0 {
			a.b = append(a.b, ',')
		}
		a.b = one(a.b, v)
	}
	a.b = append(a.b, ']')
}
