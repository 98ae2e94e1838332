// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"encoding/binary"
	"unicode/utf8"

	"sonde/agent/protocol"
)

// keep is how much of a packet is put together, in bytes: topics and client identifiers come first.
const keep = 2 << 10

// kind is a type of packet (MQTT 5 section 2.1.2).
type kind uint8

const (
	kindConnect kind = iota + 1
	kindConnack
	kindPublish
	kindPuback
	kindPubrec
	kindPubrel
	kindPubcomp
	kindSubscribe
	kindSuback
	kindUnsubscribe
	kindUnsuback
	kindPingreq
	kindPingresp
	kindDisconnect
	kindAuth
)

var kinds = [16]struct {
	name     string
	flags    byte   // that all have, but for PUBLISH
	min, max uint32 // of the remaining length
}{
	kindConnect:     {"CONNECT", 0, 12, maxRemaining},
	kindConnack:     {"CONNACK", 0, 2, maxRemaining},
	kindPublish:     {"PUBLISH", 0, 3, maxRemaining},
	kindPuback:      {"PUBACK", 0, 2, maxAck},
	kindPubrec:      {"PUBREC", 0, 2, maxAck},
	kindPubrel:      {"PUBREL", 2, 2, maxAck},
	kindPubcomp:     {"PUBCOMP", 0, 2, maxAck},
	kindSubscribe:   {"SUBSCRIBE", 2, 6, maxRemaining},
	kindSuback:      {"SUBACK", 0, 3, maxRemaining},
	kindUnsubscribe: {"UNSUBSCRIBE", 2, 5, maxRemaining},
	kindUnsuback:    {"UNSUBACK", 0, 2, maxRemaining},
	kindPingreq:     {"PINGREQ", 0, 0, 0},
	kindPingresp:    {"PINGRESP", 0, 0, 0},
	kindDisconnect:  {"DISCONNECT", 0, 0, maxAck},
	kindAuth:        {"AUTH", 0, 0, maxRemaining},
}

const (
	maxRemaining = 1<<28 - 1
	maxAck       = 1 << 17 // a reason string and user properties, each of at most 64 KB
)

// String returns the name of the packet.
func (k kind) String() string { return kinds[k&15].name }

// fromClient and fromServer tell which side alone may send a packet.
func (k kind) fromClient() bool {
	return k == kindConnect || k == kindSubscribe || k == kindUnsubscribe || k == kindPingreq
}

func (k kind) fromServer() bool {
	return k == kindConnack || k == kindSuback || k == kindUnsuback || k == kindPingresp
}

// packet is a packet as far as it was captured. Its slices point into the frame.
type packet struct {
	kind    kind
	flags   byte
	version byte   // of the protocol, 0 when not known
	body    []byte // behind the fixed header
	left    uint64 // bytes on the wire behind the fixed header
}

func (p *packet) qos() int    { return int(p.flags >> 1 & 3) }
func (p *packet) whole() bool { return uint64(len(p.body)) == p.left }

// frameSize implements protocol.Framer.Size.
func frameSize(b []byte) (uint64, protocol.State) {
	k, flags := kind(b[0]>>4), b[0]&15
	known := &kinds[k]
	switch {
	case known.name == "", k == kindPublish && flags&6 == 6, k != kindPublish && flags&^8 != known.flags, k != kindPublish && flags&8 != 0 && known.flags == 0:
		return 0, protocol.Invalid // MQTT 3.1 had DUP for SUBSCRIBE, UNSUBSCRIBE and PUBREL too
	}
	n, size := varint(b[1:])
	switch {
	case n < 0 || n > 0 && (size < known.min || size > known.max):
		return 0, protocol.Invalid
	case n == 0:
		return 0, protocol.NeedMore
	}
	rest := b[1+n:]
	total := uint64(size) + uint64(n) + 1
	switch {
	case k != kindPublish:
		return total, protocol.Done
	case len(rest) < 2:
		return 0, protocol.NeedMore
	case uint32(binary.BigEndian.Uint16(rest))+2 > size:
		return 0, protocol.Invalid
	}
	return total, protocol.Done
}

// varint reads a number (MQTT 5 section 1.5.5) and returns its length: 0 when it goes on, -1 when it is none.
func varint(b []byte) (int, uint32) {
	v := uint32(0)
	for i := range min(len(b), 4) {
		v |= uint32(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return i + 1, v
		}
	}
	if len(b) >= 4 {
		return -1, 0
	}
	return 0, 0
}

// read reads the fixed header of a frame.
func (p *packet) read(f *protocol.Frame, version byte) {
	n, size := varint(f.Head[1:])
	*p = packet{kind: kind(f.Head[0] >> 4), flags: f.Head[0] & 15, version: version, body: f.Head[1+n:], left: uint64(size)}
}

// text takes a string with its length before it.
func text(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// takeID takes a packet identifier, which is never 0.
func takeID(b []byte) (id uint16, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	id = binary.BigEndian.Uint16(b)
	return id, b[2:], id != 0
}

// properties takes the properties of MQTT 5 (section 2.2.2).
func properties(b []byte) (list, rest []byte, ok bool) {
	n, size := varint(b)
	if n <= 0 || uint32(len(b)-n) < size {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}

func beginsWithProperties(b []byte) bool {
	list, _, ok := properties(b)
	if ok {
		_, ok = property(list, 0)
	}
	return ok
}

// sizes of property values by identifier; variable ones are below 0.
const (
	sizeVarint = -1 - iota
	sizeText
	sizePair
)

var propertySizes = map[byte]int{
	0x01: 1, 0x02: 4, 0x03: sizeText, 0x08: sizeText, 0x09: sizeText, 0x0b: sizeVarint, 0x11: 4, 0x12: sizeText, 0x13: 2,
	0x15: sizeText, 0x16: sizeText, 0x17: 1, 0x18: 4, 0x19: 1, 0x1a: sizeText, 0x1c: sizeText, 0x1f: sizeText, 0x21: 2,
	0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x26: sizePair, 0x27: 4, 0x28: 1, 0x29: 1, 0x2a: 1,
}

const (
	propertyClientID   = 0x12
	propertyTopicAlias = 0x23
)

// property finds the value of a property. ok is false for a list that is none.
func property(list []byte, want byte) (value []byte, ok bool) {
	for len(list) > 0 {
		id := list[0]
		n := propertyLength(propertySizes[id], list[1:])
		if n <= 0 || n > len(list)-1 {
			return nil, false
		}
		if id == want {
			value = list[1 : 1+n]
		}
		list = list[1+n:]
	}
	return value, true
}

// propertyLength returns the length of a value, 0 when it is none.
func propertyLength(size int, b []byte) int {
	one := func(b []byte) int {
		if s, _, ok := text(b); ok {
			return 2 + len(s)
		}
		return 0
	}
	switch size {
	case sizeVarint:
		n, _ := varint(b)
		return max(0, n)
	case sizeText:
		return one(b)
	case sizePair:
		n := one(b)
		if n == 0 {
			return 0
		}
		if m := one(b[n:]); m > 0 {
			return n + m
		}
		return 0
	}
	return size
}

// isTopic tells whether b can be the name of a topic or, with wildcards, a filter (MQTT 5 section 4.7).
func isTopic(b []byte, filter bool) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f || !filter && (c == '+' || c == '#') {
			return false
		}
	}
	return len(b) > 0 && utf8.Valid(b)
}
