// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/binary"

	"sonde/agent/model"
)

const notHex = 0xff

// alphabet holds the value of each hexadecimal digit, notHex for the rest.
type alphabet [256]byte

func newAlphabet(letters ...byte) *alphabet {
	d := new(alphabet)
	for i := range d {
		d[i] = notHex
	}
	for i := range byte(10) {
		d['0'+i] = i
	}
	for _, a := range letters {
		for i := range byte(6) {
			d[a+i] = 10 + i
		}
	}
	return d
}

// Some formats know lower-case digits alone.
var (
	lower  = newAlphabet('a')
	either = newAlphabet('a', 'A')
)

// decode fills to from twice as many digits.
func (d *alphabet) decode(to []byte, s string) bool {
	if len(s) != 2*len(to) {
		return false
	}
	var bad byte
	for i := range to {
		high, low := d[s[2*i]], d[s[2*i+1]]
		bad |= high | low
		to[i] = high<<4 | low
	}
	return bad&0xf0 == 0
}

// traceID reads 32 digits, or 16, which are the lower half.
func traceID(s string) (t model.TraceID, ok bool) {
	to := t[:]
	if len(s) == 16 {
		to = t[8:]
	}
	return t, either.decode(to, s) && !t.IsZero()
}

// spanID reads 16 digits.
func spanID(s string) (id model.SpanID, ok bool) {
	return id, either.decode(id[:], s) && !id.IsZero()
}

// context makes one of numbers; Valid tells whether it is.
func context(high, low, span uint64) (c model.SpanContext) {
	binary.BigEndian.PutUint64(c.TraceID[:8], high)
	binary.BigEndian.PutUint64(c.TraceID[8:], low)
	binary.BigEndian.PutUint64(c.SpanID[:], span)
	return c
}
