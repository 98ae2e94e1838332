// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"slices"

	"sonde/agent/protocol"
)

// Conceal returns where the value of a field that Next decoded stands in the bytes that were sent, and what to write in its
// place for a recording: of the same length, and of the same length when it is decoded, so that the table keeps its
// place (RFC 7541 4.1). private says which bytes of a value are to be concealed; with is empty when none is, or when the
// value is too long to be decoded.
func Conceal(sent []byte, private func(value []byte) []bool) (from int, with []byte) {
	at, ok := valueAt(sent)
	if !ok {
		return 0, nil
	}
	value, state := readText(sent[at:])
	if state != protocol.Done || value.long() || value.size == 0 {
		return 0, nil
	}
	from = at + value.end - len(value.bytes)
	plain, ok := value.append(nil)
	if !ok {
		return 0, nil
	}
	hidden := private(plain)
	if !slices.Contains(hidden, true) {
		return 0, nil
	}
	if value.huffman {
		return from, concealHuffman(plain, hidden, len(value.bytes))
	}
	for i := range plain {
		if hidden[i] {
			plain[i] = 'x'
		}
	}
	return from, plain
}

// All says that all of a value is private.
func All(value []byte) []bool {
	hidden := make([]bool, len(value))
	for i := range hidden {
		hidden[i] = true
	}
	return hidden
}

// valueAt returns where the value of a literal begins, with its length; false for other fields.
func valueAt(p []byte) (int, bool) {
	prefix := uint(4)
	switch {
	case len(p) == 0 || p[0]&0x80 != 0:
		return 0, false
	case p[0]&0x40 != 0:
		prefix = 6
	case p[0]&0x20 != 0:
		return 0, false
	}
	i, n, state := integer(p, prefix)
	if state != protocol.Done {
		return 0, false
	}
	if i == 0 {
		name, state := readText(p[n:])
		if state != protocol.Done || name.long() {
			return 0, false
		}
		n += name.end
	}
	return n, n < len(p)
}

// concealHuffman encodes plain in size bytes with other symbols in the hidden places. Together they have as many bits as
// those that were there.
func concealHuffman(plain []byte, hidden []bool, size int) []byte {
	places, bits := 0, 0
	var lengths []uint8
	for i, b := range plain {
		if hidden[i] {
			places++
			bits += int(codeLengths[b])
			lengths = append(lengths, codeLengths[b])
		}
	}
	const least, most = shortest, 8
	if extra := bits - places*least; extra <= places*(most-least) {
		for i := range lengths {
			n := min(extra, most-least)
			lengths[i] = uint8(least + n)
			extra -= n
		}
	} else { // symbols of long codes: as many of each length as there were
		slices.Sort(lengths)
	}
	other := slices.Clone(plain)
	next := 0
	for i := range other {
		if hidden[i] {
			other[i] = huffman.ofLength[lengths[next]]
			next++
		}
	}
	return encodeHuffman(other, size)
}

// encodeHuffman encodes p, padded with ones to size bytes.
func encodeHuffman(p []byte, size int) []byte {
	out := make([]byte, 0, size)
	acc, bits := uint64(0), uint(0)
	for _, b := range p {
		n := uint(codeLengths[b])
		acc = acc<<n | uint64(huffman.code[b])
		for bits += n; bits >= 8; bits -= 8 {
			out = append(out, byte(acc>>(bits-8)))
		}
	}
	if bits > 0 {
		out = append(out, byte(acc<<(8-bits))|byte(1<<(8-bits)-1))
	}
	return out
}
