// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"sonde/agent/protocol"
)

// MaxAnswer bounds the text that is kept of one record, in bytes.
const MaxAnswer = 512

// formats say how the data of a type is written, field by field, in the presentation format of its RFC:
//
//	1 2 4  a number of so many bytes      n  a name               a A  an IPv4, IPv6 address
//	s      a string, in quotes            S  strings to the end   t c  a string as it is, the rest in quotes
//	T      the mnemonic of a type         m  a set of types       d    a time (RFC 4034 3.2)
//	x b    the rest in hex, base64        h H  bytes with their length before them in hex, base32
//	e      the rest as an EUI             v  service parameters   L    a location (RFC 1876)
var formats = map[uint16]string{
	1: "a", 2: "n", 3: "n", 4: "n", 5: "n", 6: "nn44444", 7: "n", 8: "n", 9: "n", 12: "n", 13: "ss", 14: "nn", 15: "2n",
	16: "S", 17: "nn", 18: "2n", 19: "s", 20: "S", 21: "2n", 23: "n", 24: "T114dd2nb", 25: "211b", 26: "2nn", 28: "A",
	29: "L", 33: "222n", 35: "22sssn", 36: "2n", 37: "221b", 39: "n", 43: "211x", 44: "11x", 46: "T114dd2nb", 47: "nm",
	48: "211b", 49: "b", 50: "112hHm", 51: "112h", 52: "111x", 53: "111x", 56: "S", 58: "nn", 59: "211x", 60: "211b",
	61: "b", 62: "42m", 63: "411x", 64: "2nv", 65: "2nv", 99: "S", 105: "2a", 107: "2n", 108: "e", 109: "e", 256: "22c",
	257: "1tc", 258: "S", 261: "S", 32768: "211x", 32769: "211x",
}

var base32hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// appendRecord adds the data of a record as text, at most MaxAnswer bytes of it.
func appendRecord(dst, p []byte, r record) []byte {
	from := len(dst)
	f := fields{out: dst, p: p[:r.end], at: r.data}
	for i, kind := range []byte(formats[r.typ]) {
		if i > 0 {
			f.out = append(f.out, ' ')
		}
		if f.field(kind); f.bad || len(f.out)-from >= MaxAnswer {
			break
		}
	}
	if f.bad || formats[r.typ] == "" || f.at < r.end && len(f.out)-from < MaxAnswer {
		f.out, f.at = f.out[:from], r.data
		f.generic()
	}
	if n := len(f.out); f.out[n-1] == ' ' { // the last field is empty
		f.out = f.out[:n-1]
	}
	return f.out[:min(len(f.out), from+MaxAnswer)]
}

// fields reads the data of one record and writes it as text.
type fields struct {
	out []byte
	p   []byte // the message up to the end of the data
	at  int
	bad bool // the data is not what its type asks for
}

func (f *fields) field(kind byte) {
	switch kind {
	case '1', '2', '4':
		f.out = strconv.AppendUint(f.out, uint64(f.number(int(kind-'0'))), 10)
	case 'n':
		f.name()
	case 'a':
		f.address(4)
	case 'A':
		f.address(16)
	case 'T':
		f.out = append(f.out, typeName(uint16(f.number(2)))...)
	case 'd':
		f.out = time.Unix(int64(f.number(4)), 0).UTC().AppendFormat(f.out, "20060102150405")
	case 'm':
		f.types()
	case 'v':
		f.parameters()
	case 'L':
		f.location()
	default:
		f.bytes(kind)
	}
}

// bytes writes a field that is a string of bytes.
func (f *fields) bytes(kind byte) {
	switch kind {
	case 's':
		f.quote(f.take(int(f.number(1))))
	case 'S':
		f.quote(f.take(int(f.number(1))))
		for from := len(f.out); f.at < len(f.p) && !f.bad && len(f.out)-from < MaxAnswer; {
			f.out = append(f.out, ' ')
			f.quote(f.take(int(f.number(1))))
		}
	case 't':
		f.out = appendLabel(f.out, f.take(int(f.number(1))))
	case 'c':
		f.quote(f.rest())
	case 'x':
		f.out = hex.AppendEncode(f.out, f.rest())
	case 'b':
		f.out = base64.StdEncoding.AppendEncode(f.out, f.rest())
	case 'h', 'H':
		f.counted(kind)
	case 'e':
		for i, b := range f.rest() {
			if i > 0 {
				f.out = append(f.out, '-')
			}
			f.out = hex.AppendEncode(f.out, []byte{b})
		}
	}
}

func (f *fields) counted(kind byte) {
	switch b := f.take(int(f.number(1))); {
	case len(b) == 0:
		f.out = append(f.out, '-')
	case kind == 'h':
		f.out = hex.AppendEncode(f.out, b)
	default:
		f.out = base32hex.AppendEncode(f.out, b)
	}
}

// take returns the next n bytes.
func (f *fields) take(n int) []byte {
	if n > len(f.p)-f.at {
		f.bad = true
		n = 0
	}
	f.at += n
	return f.p[f.at-n : f.at]
}

// rest returns what is left, no more of it than can be shown.
func (f *fields) rest() []byte {
	b := f.p[f.at:]
	f.at = len(f.p)
	return b[:min(len(b), MaxAnswer)]
}

func (f *fields) number(size int) (n uint32) {
	for _, b := range f.take(size) {
		n = n<<8 | uint32(b)
	}
	return n
}

func (f *fields) name() {
	out, next, s := appendName(f.out, f.p, f.at)
	if s != protocol.Done {
		f.bad = true
		return
	}
	f.out, f.at = out, next
}

func (f *fields) address(size int) {
	if a, ok := netip.AddrFromSlice(f.take(size)); ok {
		f.out = a.AppendTo(f.out)
	}
}

// quote writes a character string (RFC 1035 5.1).
func (f *fields) quote(s []byte) {
	f.out = append(f.out, '"')
	for _, b := range s {
		switch {
		case b < ' ' || b >= 0x7f:
			f.out = append(f.out, '\\', '0'+b/100, '0'+b/10%10, '0'+b%10)
		case b == '"' || b == '\\':
			f.out = append(f.out, '\\', b)
		default:
			f.out = append(f.out, b)
		}
	}
	f.out = append(f.out, '"')
}

// types writes the set of types of NSEC (RFC 4034 4.1.2).
func (f *fields) types() {
	first := true
	for from := len(f.out); f.at < len(f.p) && !f.bad && len(f.out)-from < MaxAnswer; {
		window := uint16(f.number(1)) << 8
		for i, b := range f.take(int(f.number(1))) {
			for bit := range 8 {
				if b&(0x80>>bit) == 0 {
					continue
				}
				if !first {
					f.out = append(f.out, ' ')
				}
				first = false
				f.out = append(f.out, typeName(window|uint16(i*8+bit))...)
			}
		}
	}
}

// generic writes data of an unknown type (RFC 3597 5).
func (f *fields) generic() {
	f.out = append(f.out, `\# `...)
	f.out = strconv.AppendInt(f.out, int64(len(f.p)-f.at), 10)
	if f.at < len(f.p) {
		f.out = append(f.out, ' ')
		f.out = hex.AppendEncode(f.out, f.rest())
	}
}

// Units of RFC 1876 2: thousandths of a second of arc from the equator or meridian, centimetres above a base.
const (
	locationZero = 1 << 31
	locationSea  = 100_000_00
)

func (f *fields) location() {
	if f.number(1) != 0 { // another version
		f.bad = true
		return
	}
	sizes := f.take(3)
	f.arc("N", "S")
	f.arc("E", "W")
	f.metres(int64(f.number(4)) - locationSea)
	for _, b := range sizes {
		n := int64(b >> 4)
		for range b & 15 % 10 {
			n *= 10
		}
		f.out = append(f.out, ' ')
		f.metres(n)
	}
}

func (f *fields) arc(positive, negative string) {
	v, side := int64(f.number(4))-locationZero, positive
	if v < 0 {
		v, side = -v, negative
	}
	f.out = strconv.AppendInt(f.out, v/3_600_000, 10)
	f.out = append(f.out, ' ')
	f.out = strconv.AppendInt(f.out, v/60_000%60, 10)
	f.out = append(f.out, ' ')
	f.out = strconv.AppendFloat(f.out, float64(v%60_000)/1000, 'f', 3, 64)
	f.out = append(append(append(f.out, ' '), side...), ' ')
}

func (f *fields) metres(cm int64) {
	precision := 2
	if cm%100 == 0 {
		precision = 0
	}
	f.out = append(strconv.AppendFloat(f.out, float64(cm)/100, 'f', precision, 64), 'm')
}

// addressOf returns the address that a record holds.
func addressOf(p []byte, r record) (a netip.Addr, ok bool) {
	size := r.end - r.data
	if r.typ == typeA && size == 4 || r.typ == typeAAAA && size == 16 {
		return netip.AddrFromSlice(p[r.data:r.end])
	}
	return a, false
}

// maxSize is the most that a message can have.
const maxSize = 1<<16 - 1

// optOf reads the OPT record of a message (RFC 6891 6.1): the size of datagrams that its sender takes, and the upper bits of
// the response code.
func optOf(m *message) (size, upper uint16, ok bool) {
	c := m.cursor()
	for {
		r, more := c.next()
		switch {
		case !more:
			return 0, 0, false
		case r.section == additional && r.typ == typeOPT:
			return r.class, uint16(r.ttl>>24) << 4, true
		}
	}
}
