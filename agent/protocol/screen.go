// SPDX-License-Identifier: Apache-2.0

package protocol

// Screen goes over bytes of a direction from the front to the back and tells a recording that all of them are private but
// for those that are let through. Make one with NewScreen; it is used in one call of a parser.
type Screen struct {
	marks Marks
	dir   Dir
	base  uint64
	whole []byte
	at    uint64 // behind base: what is before it has been told
}

// NewScreen begins with the byte at position base, with which whole begins. whole may be shorter than what is screened.
func NewScreen(m Marks, d Dir, base uint64, whole []byte) Screen {
	return Screen{marks: m, dir: d, base: base, whole: whole}
}

// Offset returns where a part of the bytes begins, counted from the first. part must have been cut out of them, with nothing
// but slicing.
func (s *Screen) Offset(part []byte) uint64 { return uint64(cap(s.whole) - cap(part)) }

// Keep lets a part of the bytes through. What is between it and what was told last is hidden.
func (s *Screen) Keep(part []byte) { s.KeepTo(s.Offset(part), s.Offset(part)+uint64(len(part))) }

// KeepTo does the same for offsets.
func (s *Screen) KeepTo(from, to uint64) {
	s.HideTo(from, FillAll)
	s.at = max(s.at, to)
}

// Fill hides a part of the bytes, and says with what.
func (s *Screen) Fill(part []byte, with Filler) {
	s.HideTo(s.Offset(part), FillAll)
	s.HideTo(s.Offset(part)+uint64(len(part)), with)
}

// Replace hides a part of the bytes, and says what to write in its place.
func (s *Screen) Replace(part, with []byte) {
	s.HideTo(s.Offset(part), FillAll)
	s.marks.Replace(s.dir, s.base+s.at, with[s.at-s.Offset(part):])
	s.at += uint64(len(with)) - (s.at - s.Offset(part))
}

// WriteAt does the same for bytes that may lie behind those that are here.
func (s *Screen) WriteAt(at uint64, with []byte) {
	if at >= s.at {
		s.HideTo(at, FillAll)
		s.marks.Replace(s.dir, s.base+at, with)
		s.at = at + uint64(len(with))
	}
}

// HideTo hides what was not told yet, up to an offset.
func (s *Screen) HideTo(to uint64, with Filler) {
	if s.at < to {
		s.marks.Hide(s.dir, s.base+s.at, s.base+to, with)
		s.at = to
	}
}

// End hides the rest of size bytes, and settles all of them.
func (s *Screen) End(size uint64) {
	s.HideTo(size, FillAll)
	s.marks.Settle(s.dir, s.base+size)
}
