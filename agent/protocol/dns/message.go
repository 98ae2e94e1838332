// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"

	"sonde/agent/protocol"
)

// Bits of the header's second word (RFC 1035 4.1.1, RFC 2535 6.1).
const (
	flagAnswer        = 1 << 15
	flagAuthoritative = 1 << 10
	flagTruncated     = 1 << 9
	flagWanted        = 1 << 8 // recursion desired
	flagAvailable     = 1 << 7
	flagZero          = 1 << 6
)

// Sections of a message, in their order.
const (
	questions = iota
	answers
	authorities
	additional
	sections
)

const (
	minRecord = 11 // bytes: root, type, class, TTL, length
	flagQU    = 1 << 15
)

// header is the fixed part of a message.
type header struct {
	id     uint16
	flags  uint16
	counts [sections]uint16
}

func (h *header) answer() bool   { return h.flags&flagAnswer != 0 }
func (h *header) opcode() uint16 { return h.flags >> 11 & 15 }

// headerOf reads the header that p begins with.
func headerOf(p []byte) (h header) {
	h.id, h.flags = binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:])
	for i := range h.counts {
		h.counts[i] = binary.BigEndian.Uint16(p[4+2*i:])
	}
	return h
}

// message is a view of one message. It is valid as long as the bytes it was read from.
type message struct {
	header
	p []byte

	name      []byte // of the first question; nil without one
	typ       uint16
	class     uint16
	multicast bool // the question asks for a unicast answer to multicast (RFC 6762 5.4)
	records   int  // offset of the records
}

// read takes a message up to its records. NeedMore means that p ends before them.
func (m *message) read(p []byte) protocol.State {
	if len(p) < headerSize {
		return protocol.NeedMore
	}
	*m = message{header: headerOf(p), p: p, name: m.name[:0]}
	at := headerSize
	for i := range int(m.counts[questions]) {
		next, s := m.question(at, i == 0)
		if s != protocol.Done {
			return s
		}
		at = next
	}
	m.records = at
	return protocol.Done
}

func (m *message) question(at int, first bool) (next int, s protocol.State) {
	if !first {
		if at, s = skipName(m.p, at); s == protocol.Done && at+4 > len(m.p) {
			s = protocol.NeedMore
		}
		return at + 4, s
	}
	m.name, at, s = appendName(m.name, m.p, at)
	switch {
	case s != protocol.Done:
		return 0, s
	case at+4 > len(m.p):
		return 0, protocol.NeedMore
	}
	m.typ = binary.BigEndian.Uint16(m.p[at:])
	m.class = binary.BigEndian.Uint16(m.p[at+2:])
	if m.class&flagQU != 0 && m.id == 0 {
		m.class, m.multicast = m.class&^flagQU, true
	}
	return at + 4, protocol.Done
}

// record is one resource record.
type record struct {
	section    int
	at         int // of its name
	data, end  int // of its data
	typ, class uint16
	ttl        uint32
}

// cursor goes over the records of a message.
type cursor struct {
	m       *message
	at      int
	section int
	left    uint16 // in the section
	state   protocol.State
}

func (m *message) cursor() cursor {
	return cursor{m: m, at: m.records, section: answers, left: m.counts[answers]}
}

// next returns the next record. When there is none, state says why: Done at the end of the message, NeedMore where it was
// cut, Invalid where it breaks.
func (c *cursor) next() (r record, ok bool) {
	for c.left == 0 {
		if c.section++; c.section == sections {
			c.state = protocol.Done
			return r, false
		}
		c.left = c.m.counts[c.section]
	}
	p := c.m.p
	at, s := skipName(p, c.at)
	if s == protocol.Done && at+10 > len(p) {
		s = protocol.NeedMore
	}
	if c.state = s; s != protocol.Done {
		return r, false
	}
	r = record{
		section: c.section, at: c.at, data: at + 10, typ: binary.BigEndian.Uint16(p[at:]),
		class: binary.BigEndian.Uint16(p[at+2:]), ttl: binary.BigEndian.Uint32(p[at+4:]),
	}
	r.end = r.data + int(binary.BigEndian.Uint16(p[at+8:]))
	if r.end > len(p) {
		c.state = protocol.NeedMore
		return r, false
	}
	c.at = r.end
	c.left--
	return r, true
}
