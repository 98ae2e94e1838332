// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Types of BSON elements (bsonspec.org) that matter here, or have a length of their own.
const (
	typeDouble   = 0x01
	typeString   = 0x02
	typeDocument = 0x03
	typeArray    = 0x04
	typeBinary   = 0x05
	typeBool     = 0x08
	typeRegex    = 0x0b
	typePointer  = 0x0c
	typeCode     = 0x0d
	typeSymbol   = 0x0e
	typeScoped   = 0x0f
	typeInt32    = 0x10
	typeInt64    = 0x12

	// MaxDocument is the number of bytes that a document may claim; servers take 16 MB, and some more for commands.
	MaxDocument = 64 << 20
	maxElements = 1 << 12 // of one document that are looked at
)

// walker goes over the elements of a document, of which the end may not have been captured.
type walker struct {
	rest []byte // behind the element at hand
	left int    // bytes of the document in rest and behind it, with the final zero

	kind  byte
	name  []byte
	value []byte // as far as it was captured
	whole bool   // all of the value was

	count int
	cut   bool // the walk ended before the document did
}

// document returns a walker over the document that p begins with, false when none does.
func document(p []byte) (walker, bool) {
	if len(p) < 5 {
		return walker{}, false
	}
	size := binary.LittleEndian.Uint32(p)
	if size < 5 || size > MaxDocument {
		return walker{}, false
	}
	return walker{rest: p[4:min(len(p), int(size))], left: int(size) - 4}, true
}

// next goes to the next element, and reports whether there is one.
func (w *walker) next() bool {
	w.count++
	if w.left <= 1 || w.count > maxElements {
		w.cut = w.cut || w.left > 1
		return false
	}
	n := -1
	if len(w.rest) > 0 {
		n = bytes.IndexByte(w.rest[1:], 0)
	}
	if n < 0 || w.rest[0] == 0 {
		w.cut = true
		return false
	}
	w.kind, w.name = w.rest[0], w.rest[1:1+n]
	p := w.rest[n+2:]
	size := sizeOf(w.kind, p)
	if size < 0 || n+2+size > w.left-1 {
		w.cut = true
		return false
	}
	w.left -= n + 2 + size
	w.value, w.whole = p[:min(size, len(p))], size <= len(p)
	w.rest = p[len(w.value):]
	return true
}

// sizeOf returns the length of the value that p begins with, -1 when it cannot be told.
func sizeOf(kind byte, p []byte) int {
	switch kind {
	case 0x06, 0x0a, 0x7f, 0xff: // undefined, null, the least and the greatest key
		return 0
	case typeBool:
		return 1
	case typeInt32:
		return 4
	case typeDouble, typeInt64, 0x09, 0x11: // date, timestamp
		return 8
	case 0x07: // object identifier
		return 12
	case 0x13: // decimal
		return 16
	case typeRegex:
		n := bytes.IndexByte(p, 0)
		if n < 0 {
			return -1
		}
		m := bytes.IndexByte(p[n+1:], 0)
		if m < 0 {
			return -1
		}
		return n + m + 2
	}
	return sizeWithLength(kind, p)
}

func sizeWithLength(kind byte, p []byte) int {
	extra := 0
	switch kind {
	case typeString, typeCode, typeSymbol:
		extra = 4
	case typeBinary:
		extra = 5
	case typePointer:
		extra = 16
	case typeDocument, typeArray, typeScoped:
	default:
		return -1
	}
	if len(p) < 4 {
		return -1
	}
	n := binary.LittleEndian.Uint32(p)
	if n > MaxDocument {
		return -1
	}
	return int(n) + extra
}

// text returns a string value, nil for other types and for one that was not captured to its end: half a name is another.
func (w *walker) text() []byte {
	if w.kind != typeString || len(w.value) < 5 || !w.whole {
		return nil
	}
	return w.value[4 : len(w.value)-1]
}

// number returns a number or a boolean, false for other types.
func (w *walker) number() (int64, bool) {
	if !w.whole {
		return 0, false
	}
	switch w.kind {
	case typeInt32:
		return int64(int32(binary.LittleEndian.Uint32(w.value))), true
	case typeInt64:
		return int64(binary.LittleEndian.Uint64(w.value)), true
	case typeDouble:
		f := math.Float64frombits(binary.LittleEndian.Uint64(w.value))
		if math.Abs(f) > 1<<53 || f != f {
			return 0, false
		}
		return int64(f), true
	case typeBool:
		return int64(w.value[0] & 1), true
	}
	return 0, false
}

// inner returns a walker over a document or an array.
func (w *walker) inner() (walker, bool) {
	if w.kind != typeDocument && w.kind != typeArray {
		return walker{}, false
	}
	return document(w.value)
}

// elements counts the elements of an array, false when it goes on behind what was captured.
func (w *walker) elements() (int, bool) {
	in, ok := w.inner()
	if !ok {
		return 0, false
	}
	n := 0
	for in.next() {
		n++
	}
	return n, !in.cut && (in.whole || n == 0)
}
