// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"encoding/binary"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// The properties of a content (AMQP 0-9-1, 4.2.6.1): flags, then the properties that they announce, headers third.
const (
	propertiesAt  = bodySizeAt + 8
	flagType      = 1 << 15
	flagEncoding  = 1 << 14
	flagHeaders   = 1 << 13
	flagContinues = 1 // another word of flags follows; basic has none
)

// properties goes over the properties of a content up to its headers. What was not captured, or is no table, is bad.
type properties struct {
	p   []byte // the frame as far as it was captured
	at  int
	bad bool

	hide func(from, to int) // is told what is private of what was passed, nil when nobody asks
}

func (r *properties) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.p)-r.at {
		r.bad = true
		return nil
	}
	b := r.p[r.at : r.at+n]
	r.at += n
	return b
}

func (r *properties) short() []byte {
	if n := r.take(1); n != nil {
		return r.take(int(n[0]))
	}
	return nil
}

func (r *properties) long() []byte {
	if n := r.take(4); n != nil {
		return r.take(int(binary.BigEndian.Uint32(n)))
	}
	return nil
}

func (r *properties) conceal(b []byte, end int) {
	if r.hide != nil && !r.bad && len(b) > 0 {
		r.hide(end-len(b), end)
	}
}

// headers reads the headers that may carry trace context: all of them, or none where the table was not captured to its end.
func (r *properties) headers() []model.Field {
	flags := r.take(2)
	if flags == nil {
		return nil
	}
	set := binary.BigEndian.Uint16(flags)
	if set&flagHeaders == 0 || set&flagContinues != 0 {
		return nil
	}
	for _, flag := range [...]uint16{flagType, flagEncoding} {
		if set&flag != 0 {
			r.conceal(r.short(), r.at)
		}
	}
	size := r.take(4)
	if size == nil {
		return nil
	}
	n := binary.BigEndian.Uint32(size)
	if uint64(n) > uint64(len(r.p)-r.at) {
		return nil
	}
	end := r.at + int(n)
	var fields []model.Field
	for r.at < end && !r.bad {
		fields = r.header(fields)
	}
	if r.bad || r.at != end {
		return nil
	}
	return fields
}

// header reads a header and adds it to fields when it may carry trace context.
func (r *properties) header(fields []model.Field) []model.Field {
	name := r.short()
	named := r.at
	value, text := r.value()
	if r.bad || !text || len(value) > model.MaxField || len(fields) == model.MaxFields || !protocol.CarriesContext(name) {
		r.conceal(name, named)
		r.conceal(value, r.at)
		return fields
	}
	return append(fields, model.Field{Name: string(name), Value: string(value)})
}

// value passes over a value, of the types that RabbitMQ knows (rabbitmq.com, "AMQP 0-9-1 Errata", 3).
func (r *properties) value() (value []byte, text bool) {
	kind := r.take(1)
	if kind == nil {
		return nil, false
	}
	switch kind[0] {
	case 'S', 'x':
		return r.long(), true
	case 'A', 'F':
		return r.long(), false
	case 'V':
	case 't', 'b', 'B':
		return r.take(1), false
	case 's', 'u':
		return r.take(2), false
	case 'I', 'i', 'f':
		return r.take(4), false
	case 'D':
		return r.take(5), false
	case 'l', 'L', 'd', 'T':
		return r.take(8), false
	default:
		r.bad = true
	}
	return nil, false
}

// headersOf returns the headers of a content header frame that may carry trace context, nil when there are none.
func headersOf(head []byte) [][]model.Field {
	r := properties{p: head, at: propertiesAt}
	if fields := r.headers(); fields != nil {
		return [][]model.Field{fields}
	}
	return nil
}

// hideProperties hides the properties of a content, but for what carries trace context and what is needed to find it.
func hideProperties(f *protocol.Frame, hide func(from, to uint64)) {
	told := uint64(propertiesAt)
	if headersOf(f.Head) != nil {
		r := properties{p: f.Head, at: propertiesAt, hide: func(from, to int) { hide(uint64(from), uint64(to)) }}
		r.headers()
		told = uint64(r.at)
	}
	hide(told, f.Size-1)
}
