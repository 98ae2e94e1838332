// SPDX-License-Identifier: Apache-2.0

package quic

import "slices"

// Limits of what is kept of a hello.
const (
	maxCrypto = 8192 // bytes
	maxSpans  = 32   // pieces that do not touch
)

// span is a range of bytes that have come.
type span struct{ from, to int }

// stream puts the bytes of CRYPTO frames in order. The zero value is empty.
type stream struct {
	buf   []byte
	spans []span // in order, not touching
	taken int    // bytes of messages that were read
}

// add takes a piece. What is beyond the limits is passed over.
func (s *stream) add(offset uint64, p []byte) {
	if offset >= maxCrypto || len(p) == 0 {
		return
	}
	from := int(offset)
	p = p[:min(len(p), maxCrypto-from)]
	to := from + len(p)
	first, _ := slices.BinarySearchFunc(s.spans, from, func(x span, from int) int { return x.to - from })
	last := first
	merged := span{from, to}
	for ; last < len(s.spans) && s.spans[last].from <= to; last++ {
		merged = span{min(merged.from, s.spans[last].from), max(merged.to, s.spans[last].to)}
	}
	if first == last && len(s.spans) == maxSpans {
		return
	}
	if to > len(s.buf) {
		s.buf = append(s.buf, make([]byte, to-len(s.buf))...)
	}
	copy(s.buf[from:], p)
	s.spans = slices.Replace(s.spans, first, last, merged)
}

// prefix returns what has come without a hole.
func (s *stream) prefix() []byte {
	if len(s.spans) == 0 || s.spans[0].from > 0 {
		return nil
	}
	return s.buf[:s.spans[0].to]
}

// next takes the handshake message that comes next, nil until it is whole, or has come as far as it is kept.
func (s *stream) next() []byte {
	all := s.prefix()
	if len(all) < s.taken+4 {
		return nil
	}
	p := all[s.taken:]
	size := 4 + (int(p[1])<<16 | int(p[2])<<8 | int(p[3]))
	if len(p) < size && len(all) < maxCrypto {
		return nil
	}
	size = min(size, len(p))
	s.taken += size
	return p[:size]
}
