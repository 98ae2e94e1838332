// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"sonde/agent/model"
)

// Odd constants with as many ones as zeros, as multiplicative hashes like them.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0xd1b54a32d192ed03
	mixC = 0x8cb92ba72f3d8dd7
)

// mix folds v into h. Both halves of the product count, so every bit of both reaches every bit of the result.
func mix(h, v uint64) uint64 {
	high, low := bits.Mul64(h^mixA, v^mixB)
	return finish(h ^ high ^ low)
}

// finish is a bijection, the last step of MurmurHash3.
func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// tupleOf is the same at both ends of a connection.
func tupleOf(client, server netip.AddrPort) uint64 {
	h := uint64(mixC)
	for _, a := range [2]netip.AddrPort{client, server} {
		b := a.Addr().As16()
		if !a.Addr().IsValid() {
			b = [16]byte{}
		}
		h = mix(h, binary.LittleEndian.Uint64(b[:8]))
		h = mix(h, binary.LittleEndian.Uint64(b[8:])+uint64(a.Port())<<48*mixA)
	}
	return h
}

// wireOf is the same for both ends of a connection's view of a request.
func wireOf(tuple uint64, seq, stream uint32) uint64 {
	return mix(tuple, uint64(seq)<<32|uint64(stream))
}

// hashOf differs between them.
func hashOf(wire uint64, start time.Duration, role model.Role) uint64 {
	return mix(mix(wire, uint64(start)), uint64(role))
}

// spanID is never zero.
func spanID(h uint64) (id model.SpanID) {
	if h == 0 {
		h = mixA
	}
	binary.BigEndian.PutUint64(id[:], h)
	return id
}

// traceID names the trace that begins with the span with hash h. It is as good as random to those who sample by its bits,
// so FlagRandom is told of it.
func traceID(h uint64) (id model.TraceID) {
	binary.BigEndian.PutUint64(id[:8], mix(h, mixB))
	binary.BigEndian.PutUint64(id[8:], mix(h, mixC)|1)
	return id
}
