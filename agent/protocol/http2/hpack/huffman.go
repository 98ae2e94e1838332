// SPDX-License-Identifier: Apache-2.0

package hpack

import "encoding/binary"

// codeLengths are the lengths in bits of the codes of RFC 7541 Appendix B, by byte. The code is canonical: of two codes
// the shorter one, or of equal lengths that of the lower byte, is the lower number. So the lengths say it all. The longest
// code, 30 ones, ends a string and is in none.
var codeLengths = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const (
	shortest = 5  // bits of a code
	longest  = 30 // bits of a code
	stepBits = 8  // bits that one step of the table looks at: the codes of all that is usual in fields
)

// codes is the code, turned into tables for decoding.
type codes struct {
	step [1 << stepBits]step // by the next bits

	// For longer codes: by length, what is above all codes of that length, moved to the top of 32 bits; and the number in
	// symbols of the byte that a code means, less the code.
	above   [longest + 1]uint32
	index   [longest + 1]int32
	symbols [256]uint8 // bytes by code

	code     [256]uint32        // by byte
	ofLength [longest + 1]uint8 // the last byte whose code has a length, which says nothing
}

// step is what the next bits mean. bits is 0 when their code is longer.
type step struct{ symbol, bits uint8 }

var huffman = makeCodes()

func makeCodes() *codes {
	c := &codes{}
	n, code := 0, uint32(0)
	for bits := shortest; bits <= longest; bits++ {
		code <<= 1
		c.index[bits] = int32(n) - int32(code)
		for b, l := range codeLengths {
			if int(l) != bits {
				continue
			}
			if bits <= stepBits {
				from := int(code) << (stepBits - bits)
				for i := range 1 << (stepBits - bits) {
					c.step[from+i] = step{uint8(b), uint8(bits)}
				}
			}
			c.symbols[n] = uint8(b)
			c.code[b], c.ofLength[bits] = code, uint8(b)
			n++
			code++
		}
		c.above[bits] = code << (32 - bits)
	}
	return c
}

// long finds the code that the upper bits of acc begin with, which is longer than stepBits. bits is 0 for the end of string.
func (c *codes) long(acc uint64) (symbol uint8, bits uint) {
	top := uint32(acc >> 32)
	for bits := uint(stepBits + 1); bits <= longest; bits++ {
		if top < c.above[bits] {
			return c.symbols[int32(top>>(32-bits))+c.index[bits]], bits
		}
	}
	return 0, 0
}

// appendHuffman appends what p means (RFC 7541 5.2). It returns false when p is no code.
func appendHuffman(dst, p []byte) ([]byte, bool) {
	var (
		acc  uint64 // bits to be decoded, from the top
		bits uint   // that acc holds
		c    = huffman
	)
	for {
		if len(p) >= 8 {
			acc |= binary.BigEndian.Uint64(p) >> bits
			p = p[(63-bits)>>3:]
			bits |= 56
		} else {
			for bits <= 56 && len(p) > 0 {
				acc |= uint64(p[0]) << (56 - bits)
				p = p[1:]
				bits += 8
			}
			if bits < longest && len(p) == 0 {
				return c.rest(dst, acc, bits)
			}
		}
		for bits >= longest {
			s := c.step[acc>>(64-stepBits)]
			symbol, n := s.symbol, uint(s.bits)
			if n == 0 {
				if symbol, n = c.long(acc); n == 0 {
					return dst, false
				}
			}
			dst = append(dst, symbol)
			acc <<= n
			bits -= n
		}
	}
}

// rest decodes the last bits, behind which acc is 0. Padding is less than a byte of ones.
func (c *codes) rest(dst []byte, acc uint64, bits uint) ([]byte, bool) {
	for {
		s := c.step[acc>>(64-stepBits)]
		symbol, n := s.symbol, uint(s.bits)
		if n == 0 {
			symbol, n = c.long(acc)
		}
		if n == 0 || n > bits {
			return dst, bits < 8 && acc>>(64-bits) == 1<<bits-1
		}
		dst = append(dst, symbol)
		acc <<= n
		bits -= n
	}
}
