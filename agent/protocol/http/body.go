// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// body consumes up to n bytes of a body or a chunk, seen or not.
func (c *Conn) body(d protocol.Dir, n uint64, t time.Duration) uint64 {
	s := &c.side[d]
	n = min(n, s.left)
	s.left -= n
	s.pos += n
	if s.left > 0 {
		return n
	}
	if s.state == inChunk {
		c.enter(s, inChunkSize)
		s.afterData = true
	} else {
		c.messageEnd(d, t)
	}
	return n
}

// readLine consumes bytes of a chunk's size line or of the trailer section. A line may be of any length, its beginning is
// enough.
func (c *Conn) readLine(d protocol.Dir, p []byte, t time.Duration) int {
	s := &c.side[d]
	n := bytes.IndexByte(p, '\n')
	l := p
	if n >= 0 {
		l = p[:n]
	}
	if s.lineLen < maxLine {
		copy(s.line[s.lineLen:], l)
	}
	s.lineLen += uint32(min(len(l), maxLine)) // saturates far above what matters
	s.lineLen = min(s.lineLen, 2*maxLine)
	if n < 0 {
		s.pos += uint64(len(p))
		return len(p)
	}
	s.pos += uint64(n + 1)
	c.chunkLine(d, t)
	return n + 1
}

// chunkLine takes a whole line (RFC 9112 7.1).
func (c *Conn) chunkLine(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	l := s.line[:min(s.lineLen, maxLine)]
	empty := len(l) == 0 || string(l) == "\r"
	s.lineLen = 0
	if s.state == inTrailer {
		if empty {
			c.messageEnd(d, t)
		}
		return
	}
	if empty && s.afterData {
		s.afterData = false
		return
	}
	size, ok := chunkSize(l)
	switch {
	case !ok:
		c.loseFrame(s)
	case size == 0:
		c.enter(s, inTrailer)
	default:
		c.enter(s, inChunk)
		s.left = size
	}
}

// chunkSize reads the size before any extension.
func chunkSize(l []byte) (uint64, bool) {
	n, digits := uint64(0), 0
	for _, b := range l {
		v := byte(0)
		switch {
		case '0' <= b && b <= '9':
			v = b - '0'
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			v = b | 0x20 - 'a' + 10
		case b == ';' || b == ' ' || b == '\t' || b == '\r':
			return n, digits > 0
		default:
			return 0, false
		}
		if digits++; digits > 15 {
			return 0, false
		}
		n = n<<4 | uint64(v)
	}
	return n, digits > 0
}

func (c *Conn) loseFrame(s *side) {
	c.enter(s, unframed)
	s.lost = true
	c.s.Resyncs++
}

// isLastChunk tells whether the tail of a segment ends a chunked body without a trailer.
func isLastChunk(p []byte) bool {
	return bytes.HasSuffix(p, []byte("\r\n0\r\n\r\n")) || string(p) == "0\r\n\r\n"
}

// lastChunk ends a body whose framing was lost. The gap may have held other messages, so what follows in this turn is
// passed over, and what else waits for an answer in it is given up.
func (c *Conn) lastChunk(d protocol.Dir, t time.Duration) {
	s := &c.side[d]
	c.enter(s, outOfStep)
	if d == c.reqDir {
		c.endRequest()
		return
	}
	c.answered(t)
	c.giveUp(c.side[c.reqDir].turn, "lost", t)
}
