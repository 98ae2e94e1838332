// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"compress/zlib"

	"sonde/agent/protocol"
)

// compress begins to take what passes for compressed frames.
func (c *conn) compress() {
	c.compressed = true
	c.front.frames = protocol.Framer{Size: frameSize, Keep: MaxFrame, Take: func(f *protocol.Frame) { c.takeFrame(&c.front, f) }}
	c.back.frames = protocol.Framer{Size: frameSize, Keep: MaxFrame, Take: func(f *protocol.Frame) { c.takeFrame(&c.back, f) }}
	c.front.framed, c.back.framed = c.front.counted, c.back.counted
}

const firstInflated = 64 << 10 // bytes; it grows with the frames that come

// maxOverhead is by how many bytes a deflated frame may be longer than what it holds.
const maxOverhead = 64

func frameSize(p []byte) (uint64, protocol.State) {
	if len(p) < frameHeader {
		return 0, protocol.NeedMore
	}
	n, inflated := length(p), length(p[4:])
	if n == 0 || inflated > 0 && n > inflated+maxOverhead {
		return 0, protocol.Invalid
	}
	return uint64(n + frameHeader), protocol.Done
}

// origin is where a packet begins on the wire: the position of its first byte; of a compressed one that of its frame, and how
// far behind the beginning of what the frame holds it is.
type origin struct {
	at     uint64
	offset uint32
}

// originOf returns the origin of a packet.
func (s *side) originOf(f *protocol.Frame, compressed bool) origin {
	switch {
	case !compressed:
		return origin{at: f.At}
	case f.At < s.content:
		return s.part
	}
	return origin{s.frameAt, uint32(f.At - s.content)}
}

// takeFrame passes on what a frame holds. What cannot be read is a gap of known length.
func (c *conn) takeFrame(s *side, f *protocol.Frame) {
	s.framed += f.Size
	s.frameSeq = f.Head[3]
	s.content, s.frameAt = s.packets.Pos, f.At
	content, size := f.Head[min(len(f.Head), frameHeader):], f.Size-frameHeader
	if n := length(f.Head[4:]); n > 0 {
		size = uint64(n)
		content = c.inflateFrame(content, n)
	}
	if len(content) > 1 && s.packets.Partial() == nil {
		s.packets.Feed(content[:1], f.Start)
		content, size = content[1:], size-1
	}
	if len(content) > 0 {
		s.packets.Feed(content, f.End)
	}
	if hidden := size - uint64(len(content)); hidden > 0 {
		s.packets.Skip(hidden, f.End)
	}
	if p := s.packets.Partial(); p != nil && p.At >= s.content {
		s.part = s.originOf(p, true)
	}
}

// inflateFrame returns what can be read of a compressed frame of n bytes, at most MaxInflated and not much more than deflate
// can make of p (1032 times its size). It is valid until the next call.
func (c *conn) inflateFrame(p []byte, n int) []byte {
	if c.zstd {
		return nil
	}
	n = min(n, MaxInflated, 1032*len(p)+firstInflated)
	if cap(c.inflated) < n {
		c.inflated = make([]byte, min(MaxInflated, max(n, firstInflated)))
	}
	source := bytes.NewReader(p)
	if c.inflate == nil {
		r, err := zlib.NewReader(source)
		if err != nil {
			return nil
		}
		c.inflate = r
	} else if err := c.inflate.(zlib.Resetter).Reset(source, nil); err != nil {
		return nil
	}
	read := 0
	for read < n {
		k, err := c.inflate.Read(c.inflated[read:n])
		if read += k; err != nil {
			break
		}
	}
	return c.inflated[:read]
}
