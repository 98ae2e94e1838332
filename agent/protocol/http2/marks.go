// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"

	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// A recording keeps the headers of frames, settings, names of header fields, the values that protocol.PublicField names, and
// the prefixes of gRPC messages. Other values are concealed with the lengths that they had, before and after they are
// decoded: the tables of encoder and decoder go on as they did. Data, padding and what is opaque are hidden.

// origin says from which position on bytes of a block come.
type origin struct {
	from int // in the bytes that are being decoded
	pos  uint64
}

func (c *conn) dirOf(s *side) protocol.Dir {
	if s == &c.side[1] {
		return 1
	}
	return 0
}

// settle says how far a direction has been told of.
func (c *conn) settle(d protocol.Dir, s *side) {
	m := c.shared.env.Marks
	if m == nil {
		return
	}
	upTo := s.pos
	if s.state == atFrame && s.have > 0 {
		upTo = s.headAt
	}
	if b := &s.block; len(b.buf) > 0 && len(b.origins) > 0 {
		upTo = b.origins[0].pos
	}
	m.Settle(d, upTo)
}

// markLost hides the next n bytes, which belong to no frame. Zeros begin none.
func (c *conn) markLost(d protocol.Dir, s *side, n int) {
	if m := c.shared.env.Marks; m != nil && n > 0 {
		m.Hide(d, s.pos, s.pos+uint64(n), protocol.FillZero)
	}
}

// markNoFrame hides the header of what is no frame.
func (c *conn) markNoFrame(d protocol.Dir, s *side) {
	if m := c.shared.env.Marks; m != nil {
		m.Hide(d, s.headAt, s.headAt+headSize, protocol.FillZero)
	}
}

func (c *conn) markPadding(d protocol.Dir, s *side, n int) {
	if m := c.shared.env.Marks; m != nil {
		m.Hide(d, s.pos, s.pos+min(uint64(n), s.left), protocol.FillZero)
	}
}

// markBody hides what is private of the body of a frame. Header blocks are marked when they are decoded.
func (c *conn) markBody(d protocol.Dir, s *side, p []byte) {
	m := c.shared.env.Marks
	if m == nil || len(p) == 0 {
		return
	}
	switch typ := s.frame.typ; {
	case s.frame.isBlock(), typ == typeSettings, typ == typeWindow, typ == typePriority:
	case typ == typeData:
		screen := protocol.NewScreen(m, d, s.pos, p)
		if st := c.stream(s.frame.stream); st != nil && st.content != contentOther {
			keepPrefixes(&screen, st.calls[c.index(d)], p)
		}
		screen.HideTo(uint64(len(p)), protocol.FillAll)
	default:
		m.Hide(d, s.pos, s.pos+uint64(len(p)), protocol.FillZero)
	}
}

// keepPrefixes goes the way of messages.feed, and keeps the prefixes of messages.
func keepPrefixes(s *protocol.Screen, m messages, p []byte) {
	n := m.frame
	if m.off {
		if len(p) < prefixSize || p[0] > 1 || prefixSize+messageSize(p) != n {
			return
		}
		m.have, m.left = 0, 0
	}
	for len(p) > 0 {
		if m.left > 0 {
			n := min(m.left, uint64(len(p)))
			m.left -= n
			p = p[n:]
			continue
		}
		n := copy(m.prefix[m.have:], p)
		if m.prefix[0] > 1 {
			return
		}
		s.Keep(p[:n])
		m.have += uint8(n)
		if p = p[n:]; m.have == prefixSize {
			m.have, m.left = 0, messageSize(m.prefix[:])
		}
	}
}

func messageSize(prefix []byte) uint64 {
	return uint64(prefix[1])<<24 | uint64(prefix[2])<<16 | uint64(prefix[3])<<8 | uint64(prefix[4])
}

// origin notes where the next bytes of a block come from.
func (c *conn) origin(s *side) {
	if b := &s.block; c.shared.env.Marks != nil {
		b.origins = append(b.origins, origin{len(b.buf), s.pos})
	}
}

// taken forgets where the first n bytes came from, which are decoded; what follows an error is hidden.
func (c *conn) taken(s *side, p []byte, n int) {
	b := &s.block
	if c.shared.env.Marks == nil {
		return
	}
	if b.broken {
		c.replace(s, n, bytes.Repeat([]byte{0x80}, len(p)-n))
		n = len(p)
	}
	if n == len(p) {
		b.origins = b.origins[:0]
		return
	}
	for len(b.origins) > 1 && b.origins[1].from <= n {
		b.origins = b.origins[1:]
	}
	for i := range b.origins {
		p := &b.origins[i]
		if p.from < n {
			p.pos += uint64(n - p.from)
			p.from = n
		}
		p.from -= n
	}
}

// replace writes over bytes of a block that is being decoded.
func (c *conn) replace(s *side, from int, with []byte) {
	origins := s.block.origins
	for i, p := range origins {
		end := from + len(with)
		if i+1 < len(origins) {
			end = min(end, origins[i+1].from)
		}
		if n := end - from; n > 0 && from >= p.from {
			c.shared.env.Marks.Replace(s.block.dir, p.pos+uint64(from-p.from), with[:n])
			from, with = end, with[n:]
		}
	}
}

// markField conceals the value of a field that is private. raw is the field as sent.
func (c *conn) markField(s *side, raw []byte, at int, f *hpack.Field) {
	if c.shared.env.Marks == nil {
		return
	}
	private := hpack.All
	switch {
	case f.NameUnknown:
	case string(f.Name) == ":path":
		private = inQuery
	case len(f.Name) > 0 && f.Name[0] == ':', protocol.PublicField(f.Name):
		if from, to := protocol.PrivateTag(f.Name, f.Value); from == to {
			return
		}
		private = func(value []byte) []bool { return inTag(f.Name, value) }
	}
	if from, with := hpack.Conceal(raw, private); len(with) > 0 {
		c.replace(s, at+from, with)
	}
}

// inQuery says which bytes of a path are values of its query.
func inQuery(path []byte) []bool {
	private := make([]bool, len(path))
	query, value := false, false
	for i, b := range path {
		switch {
		case b == '?' && !query:
			query = true
		case b == '&' && query:
			value = false
		case value:
			private[i] = true
		case b == '=' && query:
			value = true
		}
	}
	return private
}

// inTag says which bytes of a field of tags say who a user is.
func inTag(name, value []byte) []bool {
	private := make([]bool, len(value))
	from, to := protocol.PrivateTag(name, value)
	for i := from; i < to; i++ {
		private[i] = true
	}
	return private
}

// markLong hides a part of a value that is too long to be decoded.
func (c *conn) markLong(s *side, at, n int) {
	if c.shared.env.Marks != nil {
		c.replace(s, at, bytes.Repeat([]byte{'x'}, n))
	}
}

// markBroken hides n bytes of a block that cannot be decoded any more. No field begins so.
func (c *conn) markBroken(s *side, pos uint64, n int) {
	if m := c.shared.env.Marks; m != nil && n > 0 {
		m.Replace(s.block.dir, pos, bytes.Repeat([]byte{0x80}, n))
	}
}

// markUnfinished hides the beginning of a field whose end does not come.
func (c *conn) markUnfinished(s *side) {
	b := &s.block
	if c.shared.env.Marks != nil && len(b.buf) > 0 && len(b.origins) > 0 {
		c.replace(s, 0, bytes.Repeat([]byte{0x80}, len(b.buf)))
	}
}
