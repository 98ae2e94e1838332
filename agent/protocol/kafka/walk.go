// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"

	"sonde/agent/model"
)

// ending says how far a walk came.
type ending uint8

const (
	endExact   ending = iota // at the last byte of the frame, as it must
	endPartial               // at a part that the layout does not describe
	endCut                   // at the last byte that was captured
	endBad                   // at something that the layout forbids
)

// walk reads a frame along its layout and keeps what carries a mark. What it points to is part of the frame.
type walk struct {
	p        []byte // beginning of the frame
	at       int
	size     uint64 // bytes of the frame on the wire
	version  int16
	flexible bool
	end      ending // endExact while nothing stopped it

	hide   func(from, to uint64) // is told what is private, nil when nobody asks
	hidden int                   // position before which that was done

	name   []byte // topic name of the structure at hand
	learnt []binding

	head  header
	found facts
}

// binding is a topic's id beside its name, as an answer gave them.
type binding struct{ name, id []byte }

// facts is what a message says under the marks of its layout.
type facts struct {
	topics        int    // that its arrays announce
	topic         []byte // of the first
	topicID       []byte // of the first
	partitions    int
	partition     int32 // the first
	group         []byte
	key           []byte
	mechanism     []byte
	keyType       byte
	err           int16 // the first that is not NONE
	acks          int16
	acksKnown     bool
	offset        int64 // the first
	offsetKnown   bool
	records       int // in all batches
	recordsHidden bool
	batches       bool            // there was a field for them
	batchBytes    uint64          // of all batches
	headers       [][]model.Field // of records that may carry trace context
	odd           bool            // a name holds bytes that no name has
}

// start prepares a walk over a frame of size bytes that begins with p.
func (w *walk) start(p []byte, size uint64) {
	*w = walk{p: p, size: size, learnt: w.learnt[:0], found: facts{partition: -1}}
}

// message reads a message in one version, up to its end.
func (w *walk) message(fields []field, version int16, flexible bool) ending {
	w.version, w.flexible = version, flexible
	if w.structure(fields) && uint64(w.at) != w.size {
		w.end = endBad
	}
	return w.end
}

func (w *walk) stop(e ending) bool {
	w.end = e
	return false
}

// take passes over the next n bytes and returns them; nil and false where they go beyond what is there.
func (w *walk) take(n int) ([]byte, bool) {
	switch {
	case n < 0 || uint64(w.at)+uint64(n) > w.size:
		return nil, w.stop(endBad)
	case w.at+n > len(w.p):
		return nil, w.stop(endCut)
	}
	b := w.p[w.at : w.at+n]
	w.at += n
	return b, true
}

// uvarint reads an unsigned varint of at most 32 bits.
func (w *walk) uvarint() (int, bool) {
	v, shift := 0, 0
	for {
		b, ok := w.take(1)
		if !ok {
			return 0, false
		}
		v |= int(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return v, true
		}
		if shift += 7; shift > 28 {
			return 0, w.stop(endBad)
		}
	}
}

// length reads the length of a value or an array, -1 for null. wide says that it has 4 bytes where it is no varint.
func (w *walk) length(wide bool) (int, bool) {
	if w.flexible {
		n, ok := w.uvarint()
		return n - 1, ok
	}
	n := 0
	if wide {
		b, ok := w.take(4)
		if !ok {
			return 0, false
		}
		n = int(int32(binary.BigEndian.Uint32(b)))
	} else {
		b, ok := w.take(2)
		if !ok {
			return 0, false
		}
		n = int(int16(binary.BigEndian.Uint16(b)))
	}
	if n < -1 {
		return 0, w.stop(endBad)
	}
	return n, true
}

// structure reads the fields of a structure and the tagged fields behind them.
func (w *walk) structure(fields []field) bool {
	for i := range fields {
		if f := &fields[i]; w.version >= f.from && w.version <= f.to && !w.field(f) {
			return false
		}
	}
	return !w.flexible || w.tags()
}

func (w *walk) field(f *field) bool {
	switch f.kind {
	case kindBool:
		b, ok := w.take(1)
		return ok && (b[0] <= 1 || w.stop(endBad))
	case kindInt8, kindInt16, kindInt32, kindInt64, kindUUID:
		b, ok := w.take(sizes[f.kind])
		return ok && (f.mark == markNone || w.number(f.mark, b))
	case kindString, kindBytes:
		return w.text(f)
	case kindRecords:
		return w.batches()
	case kindValues:
		return w.values(f)
	case kindStructs:
		return w.structures(f)
	}
	return w.stop(endPartial)
}

// tags passes over tagged fields (KIP-482).
func (w *walk) tags() bool {
	n, ok := w.uvarint()
	if !ok || n == 0 {
		return ok
	}
	for range n {
		if _, ok = w.uvarint(); !ok {
			return false
		}
		size, ok := w.uvarint()
		if !ok {
			return false
		}
		at := w.at
		if _, ok = w.take(size); !ok {
			return false
		}
		w.private(at, w.at)
	}
	return true
}

// private says that bytes of the frame are none of a recording's business.
func (w *walk) private(from, to int) {
	if w.hide != nil {
		w.hide(uint64(from), uint64(to))
	}
}

func (w *walk) text(f *field) bool {
	n, ok := w.length(f.kind == kindBytes)
	if !ok || n <= 0 {
		return ok
	}
	b, ok := w.take(n)
	if !ok {
		return false
	}
	if f.mark == markNone {
		w.private(w.at-n, w.at)
		return true
	}
	w.found.odd = w.found.odd || !printable(b)
	switch f.mark {
	case markTopic:
		w.name = b
		if w.found.topic == nil {
			w.found.topic = b
		}
	case markGroup:
		if w.found.group == nil {
			w.found.group = b
		}
	case markKey:
		if w.found.key == nil {
			w.found.key = b
		}
	case markMechanism:
		w.found.mechanism = b
	}
	return true
}

func (w *walk) number(m mark, b []byte) bool {
	switch m {
	case markTopicID:
		if w.found.topicID == nil && !isZero(b) {
			w.found.topicID = b
		}
		if w.name != nil && len(w.learnt) < cap(w.learnt) {
			w.learnt = append(w.learnt, binding{w.name, b})
		}
	case markPartition:
		if w.found.partition < 0 {
			w.found.partition = int32(binary.BigEndian.Uint32(b))
		}
	case markError:
		if w.found.err == 0 {
			w.found.err = int16(binary.BigEndian.Uint16(b))
		}
	case markOffset:
		if !w.found.offsetKnown {
			w.found.offset, w.found.offsetKnown = int64(binary.BigEndian.Uint64(b)), true
		}
	case markAcks:
		w.found.acks, w.found.acksKnown = int16(binary.BigEndian.Uint16(b)), true
		return w.found.acks >= -1 && w.found.acks <= 1 || w.stop(endBad)
	case markKeyType:
		w.found.keyType = b[0]
	}
	return true
}

// elements reads how many elements an array has. Each takes a byte at least.
func (w *walk) elements(f *field) (int, bool) {
	n, ok := w.length(true)
	if !ok || n <= 0 {
		return 0, ok
	}
	if uint64(n) > w.size-uint64(w.at) {
		return 0, w.stop(endBad)
	}
	switch f.mark {
	case markTopics:
		w.found.topics += n
	case markPartitions:
		if w.found.partitions == 0 {
			w.found.partition = -1
		}
		w.found.partitions += n
	}
	return n, true
}

func (w *walk) structures(f *field) bool {
	n, ok := w.elements(f)
	for ; ok && n > 0; n-- {
		if f.mark == markTopics {
			w.name = nil
		}
		ok = w.structure(f.elements)
	}
	return ok
}

// values reads an array of plain values. Of numbers only the first is looked at: none is needed of the others.
func (w *walk) values(f *field) bool {
	n, ok := w.elements(f)
	if !ok || n == 0 {
		return ok
	}
	e := &f.elements[0]
	if e.kind != kindString {
		if !w.field(e) {
			return false
		}
		_, ok = w.take((n - 1) * sizes[e.kind])
		return ok
	}
	for ; ok && n > 0; n-- {
		ok = w.text(e)
	}
	return ok
}

// batches reads the records of a partition.
func (w *walk) batches() bool {
	n, ok := w.length(true)
	w.found.batches = ok
	if !ok || n <= 0 {
		return ok
	}
	if uint64(w.at)+uint64(n) > w.size {
		return w.stop(endBad)
	}
	count, known := w.countRecords(w.p[w.at:min(len(w.p), w.at+n)], n)
	w.found.records += count
	w.found.recordsHidden = w.found.recordsHidden || !known
	w.found.batchBytes += uint64(n)
	if w.hide != nil {
		w.hideRecords(n)
	}
	_, ok = w.take(n)
	return ok
}

// sizes of plain values in bytes.
var sizes = [...]int{kindBool: 1, kindInt8: 1, kindInt16: 2, kindInt32: 4, kindInt64: 8, kindUUID: 16}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// printable reports whether b can be a name: no control bytes.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
