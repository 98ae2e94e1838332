// SPDX-License-Identifier: Apache-2.0

package event

import "unsafe"

// SegmentAcked is a flag that capture files set and the kernel never does: other_next is what this segment acknowledges, so
// what is missing of the other direction before it has passed and will not come any more. A record of no bytes may carry it.
const SegmentAcked = uint8(0x80)

// CloseOpen is a flag of a Close that capture files set: the capture ended, the connection did not.
const CloseOpen = uint8(0x80)

// Scratch is memory in which records with payload are made, one after the other. The zero value is ready. Not safe for
// concurrent use.
type Scratch struct{ words []uint64 }

// Segment returns what MakeSegment does, valid until the next record is made.
func (m *Scratch) Segment(s *Segment, head []byte) Record {
	s.Hdr.Kind, s.Head, s.Tail = uint8(KindSegment), uint16(len(head)), 0
	return m.join(unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s)), head)
}

// Datagram returns what MakeDatagram does, valid until the next record is made.
func (m *Scratch) Datagram(d *Datagram, head []byte) Record {
	d.Hdr.Kind, d.Head = uint8(KindDatagram), uint16(len(head))
	return m.join(unsafe.Slice((*byte)(unsafe.Pointer(d)), unsafe.Sizeof(*d)), head)
}

func (m *Scratch) join(fixed, head []byte) Record {
	n := len(fixed) + len(head)
	if words := (n + 7) / 8; words > len(m.words) {
		m.words = make([]uint64, 2*words)
	}
	r := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m.words))), n)
	copy(r, fixed)
	copy(r[len(fixed):], head)
	return r
}
