// SPDX-License-Identifier: Apache-2.0

package protocol

import "time"

// Frame is one unit of a protocol that says its own length, as far as it was captured.
type Frame struct {
	// Head is the beginning of the frame without a hole, header included: all of it when Whole, else up to the first byte
	// that was not captured or is beyond Framer.Keep. It is valid during the call.
	Head  []byte
	Size  uint64 // bytes on the wire
	Whole bool   // len(Head) == Size
	At    uint64 // position of its first byte; see Framer.Pos

	Start, End time.Duration // when its first and last byte passed
}

// Framer cuts one direction of a connection into frames. Gaps inside a frame do no harm; over a gap that covers the
// beginning of a frame it is out of step until Resync. Not safe for concurrent use.
type Framer struct {
	// Size tells the length of the frame that p begins, header included: Done with the size (at least 1), NeedMore, or
	// Invalid when no frame begins so. It must need no more than Keep bytes.
	Size func(p []byte) (uint64, State)
	// Keep is the number of bytes of a frame that are put together.
	Keep int
	// Take is called for each frame when its last byte has passed.
	Take func(f *Frame)
	// Pos is the position of the direction's next byte: what the owner sets it to before the first, Start.Base as a rule, and
	// all that is fed and skipped since.
	Pos uint64

	buf        []byte // of the frame at hand, when it spans calls
	size       uint64 // of the frame at hand, 0 while it is not known
	seen       uint64 // bytes of the frame at hand that have passed
	holed      bool   // some of them were not captured
	start, end time.Duration
	lost       bool
	at         uint64    // position of the frame at hand
	taken      uint64    // position behind the last frame, or behind what is none and was marked
	stray      [2]uint64 // positions of what is no frame, before the one at hand
	begun      bool
	frame      Frame // handed to Take
}

// keptBuffer is the number of bytes that an idle direction keeps for its next frame: there are thousands of connections.
const keptBuffer = 1 << 10

// Lost reports whether the direction is out of step: what is fed is passed over.
func (f *Framer) Lost() bool { return f.lost }

// Resync says that the next byte begins a frame. What is left of the frame at hand is forgotten.
func (f *Framer) Resync() {
	f.lost = false
	f.reset()
}

// Lose puts the direction out of step.
func (f *Framer) Lose() {
	f.reset()
	f.lost = true
}

// Partial returns what has come of the frame at hand, nil when nothing has. It is valid until the next call.
func (f *Framer) Partial() *Frame {
	if f.seen == 0 {
		return nil
	}
	return &Frame{Head: f.buf, Size: f.size, At: f.at, Start: f.start, End: f.end}
}

func (f *Framer) reset() { f.buf, f.size, f.seen, f.holed = f.buf[:0], 0, 0, false }

// Feed takes the next bytes, which passed at time t.
func (f *Framer) Feed(p []byte, t time.Duration) {
	for len(p) > 0 && !f.lost {
		if f.seen == 0 {
			f.begin(t)
		}
		f.end = t
		rest := f.feed(p)
		f.Pos += uint64(len(p) - len(rest))
		p = rest
	}
	f.Pos += uint64(len(p))
}

// feed consumes a part of p, up to the end of the frame at hand, and returns the rest.
func (f *Framer) feed(p []byte) []byte {
	if f.size == 0 && !f.measure(p) {
		return nil
	}
	n := min(uint64(len(p)), f.size-f.seen)
	switch {
	case f.seen == 0 && n == f.size: // all of it is here: nearly always
		f.seen = n
		f.take(p[:min(n, uint64(f.Keep))])
		return p[n:]
	case !f.holed:
		f.keep(p[:n])
	}
	f.seen += n
	if f.seen == f.size {
		f.take(f.buf)
	}
	return p[n:]
}

// measure finds out the size of the frame at hand, to which p belongs. While it cannot, it takes all of p.
func (f *Framer) measure(p []byte) bool {
	head, before := p, len(f.buf)
	if before > 0 {
		f.keep(p)
		head = f.buf
	}
	size, state := f.Size(head)
	switch {
	case state == Done && size > f.seen:
		f.size, f.buf = size, f.buf[:before]
		return true
	case state == NeedMore && len(head) < f.Keep:
		if before == 0 {
			f.keep(p)
		}
		f.seen += uint64(len(p))
		return false
	}
	f.Lose()
	return false
}

func (f *Framer) keep(p []byte) {
	if room := f.Keep - len(f.buf); room > 0 {
		f.buf = append(f.buf, p[:min(room, len(p))]...)
	}
}

func (f *Framer) take(head []byte) {
	whole := uint64(len(head)) == f.size
	f.frame = Frame{Head: head, Size: f.size, Whole: whole, At: f.at, Start: f.start, End: f.end}
	f.taken = f.at + f.size
	f.Take(&f.frame)
	f.frame.Head = nil
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	f.reset()
}

// Skip takes n bytes that passed at time t without having been captured.
func (f *Framer) Skip(n uint64, t time.Duration) {
	f.beginAt(f.Pos)
	f.Pos += n
	if f.lost || n == 0 {
		return
	}
	if f.size == 0 { // where the next frame begins is not known
		f.Lose()
		return
	}
	inside := min(n, f.size-f.seen)
	f.holed, f.end = true, t
	if f.seen += inside; f.seen == f.size {
		f.take(f.buf)
	}
	if n > inside {
		f.Lose()
	}
}

// Mark tells a recording that what has passed since the last frame is private when the direction is out of step. Frames are
// marked by who takes them. It is to be called after Feed and Skip where there is a recording.
func (f *Framer) Mark(m Marks, d Dir, with Filler) {
	if s := &f.stray; s[0] < s[1] {
		m.Hide(d, s[0], s[1], with)
		*s = [2]uint64{}
	}
	if !f.lost || f.taken >= f.Pos {
		return
	}
	m.Hide(d, f.taken, f.Pos, with)
	m.Settle(d, f.Pos)
	f.taken = f.Pos
}

// begin notes the first byte of a frame. What came of another that was given up is none.
func (f *Framer) begin(t time.Duration) {
	f.beginAt(f.Pos)
	f.start, f.at = t, f.Pos
	if f.taken < f.at {
		f.stray, f.taken = [2]uint64{f.taken, f.at}, f.at
	}
}

// beginAt notes where the direction begins.
func (f *Framer) beginAt(pos uint64) {
	if !f.begun {
		f.begun, f.taken = true, pos
	}
}
