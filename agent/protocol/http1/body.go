// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/protocol"
)

// readBody consumes up to n bytes of a body or a chunk of known length, seen or not.
func (c *Conn) readBody(d protocol.Dir, s *side, n uint64, t time.Duration) uint64 {
	n = min(n, s.left)
	s.left -= n
	s.pos += n
	switch {
	case s.left > 0:
	case s.state == inMedia:
		s.enter(atHead)
	case s.state == inChunk:
		s.enter(afterChunk)
		s.left = 2
	default:
		c.messageEnd(d, t)
	}
	return n
}

// readMediaHead consumes the head of a packet of media (RFC 7826 14): "$", a channel and a length of two bytes.
func (s *side) readMediaHead(p []byte) int {
	for i, b := range p {
		switch s.digits++; s.digits {
		case 3:
			s.left = uint64(b) << 8
		case 4:
			if s.left |= uint64(b); s.left == 0 {
				s.enter(atHead)
			} else {
				s.state = inMedia
			}
			return i + 1
		}
	}
	return len(p)
}

// readSize consumes digits of a chunk's size (RFC 9112 7.1).
func (s *side) readSize(p []byte) int {
	for i, b := range p {
		v := hexDigit(b)
		if v < 0 {
			if s.digits == 0 {
				s.enter(unframed)
				return i
			}
			s.state = inExtension
			return i
		}
		if s.digits++; s.digits > 15 {
			s.enter(unframed)
			return i
		}
		s.left = s.left<<4 | uint64(v)
	}
	return len(p)
}

func hexDigit(b byte) int {
	switch {
	case isDigit(b):
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}

// readExtension consumes what follows the size, whose first byte it checks (filled).
func (s *side) readExtension(p []byte) int {
	if b := p[0]; !s.filled && b != ';' && b != '\n' && !isSpace(b) {
		s.enter(unframed)
		return 0
	}
	s.filled = true
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		return len(p)
	}
	size := s.left
	if s.enter(inTrailer); size > 0 {
		s.enter(inChunk)
		s.left = size
	}
	return n + 1
}

// readLineEnd consumes the line end behind a chunk's data.
func (s *side) readLineEnd(p []byte) int {
	switch {
	case p[0] == '\n':
		s.enter(inSize)
		return 1
	case p[0] == '\r' && s.left == 2:
		s.left = 1
		return 1
	}
	s.enter(unframed)
	return 0
}

// readTrailer consumes lines up to the empty one.
func (c *Conn) readTrailer(d protocol.Dir, s *side, p []byte, t time.Duration) int {
	n := bytes.IndexByte(p, '\n')
	l := p
	if n >= 0 {
		l = p[:n]
	}
	for _, b := range l {
		s.filled = s.filled || b != '\r'
	}
	if n < 0 {
		s.pos += uint64(len(p))
		return len(p)
	}
	s.pos += uint64(n + 1)
	if s.filled {
		s.filled = false
	} else {
		c.messageEnd(d, t)
	}
	return n + 1
}

// gap looks for the last chunk behind bytes that were not seen: the kernel passes on the last bytes of each segment.
type gap struct {
	bytes uint64 // the last that came, the newest lowest
	since uint8  // how many of them came since the gap, 8 for more; 0 and not open: there was no gap
	open  bool
}

func (g *gap) begin() { *g = gap{open: true} }

// ends tells whether p, which came behind a gap, ends a chunked body that has no trailer.
func (g *gap) ends(p []byte) bool {
	const (
		last     = 0x30_0d0a_0d0a    // "0\r\n\r\n"
		lastLine = 0x0d0a<<40 | last // "\r\n" before it
		mask     = 1<<56 - 1
	)
	if !g.open {
		return false
	}
	for _, b := range p[max(0, len(p)-8):] {
		g.bytes = g.bytes<<8 | uint64(b)
	}
	g.since = uint8(min(8, int(g.since)+len(p)))
	return g.since == 5 && g.bytes == last || g.since >= 7 && g.bytes&mask == lastLine
}
