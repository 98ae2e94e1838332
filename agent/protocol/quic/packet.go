// SPDX-License-Identifier: Apache-2.0

package quic

import "encoding/binary"

const (
	maxID = 20 // bytes of a connection identifier (RFC 9000 17.2)
	minID = 8  // of the first that a client makes up (RFC 9000 7.2)

	longHeader = 0x80
	fixedBit   = 0x40
)

// id is a connection identifier.
type id struct {
	size  uint8
	bytes [maxID]byte
}

func idOf(p []byte) (x id) {
	x.size = uint8(copy(x.bytes[:], p))
	return x
}

// kind is what a packet is.
type kind uint8

const (
	other kind = iota // a packet that cannot be read: 0-RTT, Handshake
	initial
	retry
	negotiation
)

// packet is one with a long header.
type packet struct {
	kind     kind
	version  *version // nil for Version Negotiation
	to, from id       // destination and source connection identifiers
	number   int      // offset of the packet number
	size     int      // of the packet, all of the datagram for those that do not say
}

// readLong reads the long header that p begins with. ok is false when it is none, or of a version that cannot be read.
func readLong(p []byte) (k packet, ok bool) {
	if len(p) < 7 || p[0]&longHeader == 0 {
		return k, false
	}
	r := reader{p: p, at: 5}
	k.to, k.from = r.id(), r.id()
	k.size = len(p)
	number := binary.BigEndian.Uint32(p[1:])
	switch k.version = versionOf(number); {
	case number == 0:
		k.kind = negotiation
		return k, !r.bad
	case k.version == nil || p[0]&fixedBit == 0:
		return k, false
	}
	switch p[0] >> 4 & 3 {
	case k.version.retry:
		k.kind = retry
		return k, !r.bad
	case k.version.initial:
		k.kind = initial
		r.take(r.varint())
	}
	length := r.varint()
	k.number, k.size = r.at, r.at+int(length)
	return k, !r.bad
}

// reader takes fields off the front of bytes.
type reader struct {
	p   []byte
	at  int
	bad bool // there were too few
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.p)-r.at) {
		r.bad = true
		return nil
	}
	b := r.p[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *reader) id() id {
	size := r.take(1)
	if r.bad || size[0] > maxID {
		r.bad = true
		return id{}
	}
	return idOf(r.take(uint64(size[0])))
}

// varint reads a number of variable length (RFC 9000 16). It is below 2^62.
func (r *reader) varint() uint64 {
	b := r.take(1)
	if r.bad {
		return 0
	}
	n := uint64(b[0] & 63)
	for _, x := range r.take(1<<(b[0]>>6) - 1) {
		n = n<<8 | uint64(x)
	}
	return n
}
