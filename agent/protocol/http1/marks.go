// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"sonde/agent/protocol"
)

// mark tells a recording what of p, which was read in state from at position at, it may hold. Heads are marked when they
// are whole (markHead).
func (c *Conn) mark(d protocol.Dir, s *side, from state, p []byte, at uint64) {
	m := c.shared.env.Marks
	end := at + uint64(len(p))
	switch from {
	case inBody, inChunk, inMedia, untilEOF, outOfStep, over:
		m.Hide(d, at, end, protocol.FillAll)
	case unframed: // behind a gap, the last chunk is recognised by its bytes
		kept := len(p) - len(bytes.TrimRight(p, "0\r\n"))
		m.Hide(d, at, end-uint64(kept), protocol.FillAll)
	case inTrailer:
		markLines(m, d, p, at)
	}
	if s.state == atHead && len(s.buf) > 0 {
		end = s.from
	}
	m.Settle(d, end)
}

// markHead hides what a head holds beside what is reported: p is the head, or as much of it as has come, and ends at s.pos.
func (c *Conn) markHead(d protocol.Dir, s *side, p []byte) {
	m := c.shared.env.Marks
	if m == nil || uint64(len(p)) > s.pos {
		return
	}
	at := s.pos - uint64(len(p))
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		n = len(p)
	}
	markTarget(m, d, p[:n], at)
	markLines(m, d, p[n:], at+uint64(n))
}

// markNotHTTP hides what is no message, from where it was taken for the beginning of one. Zeros are none either.
func (c *Conn) markNotHTTP(d protocol.Dir, s *side) {
	if m := c.shared.env.Marks; m != nil {
		m.Hide(d, s.from, s.pos, protocol.FillZero)
		m.Settle(d, s.pos)
	}
}

// markTarget hides values in the query of a request line, and credentials in front of a host.
func markTarget(m protocol.Marks, d protocol.Dir, line []byte, at uint64) {
	if i := bytes.Index(line, []byte("://")); i >= 0 {
		from := i + len("://")
		authority := line[from:]
		if end := bytes.IndexAny(authority, "/?# "); end >= 0 {
			authority = authority[:end]
		}
		if user := bytes.LastIndexByte(authority, '@'); user > 0 {
			m.Hide(d, at+uint64(from), at+uint64(from+user), protocol.FillAll)
		}
	}
	q := bytes.IndexByte(line, '?')
	if q < 0 {
		return
	}
	var end int
	if i := bytes.LastIndexByte(line, ' '); i > q && isStatusLine(line[i+1:]) {
		end = i
	} else {
		end = len(bytes.TrimRight(line, "\r\n"))
	}
	for from := q + 1; from < end; {
		pair := line[from:end]
		if i := bytes.IndexByte(pair, '&'); i >= 0 {
			pair = pair[:i]
		}
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			m.Hide(d, at+uint64(from+i+1), at+uint64(from+len(pair)), protocol.FillAll)
		}
		from += len(pair) + 1
	}
}

// markLines hides the values of header fields but for those that are needed.
func markLines(m protocol.Marks, d protocol.Dir, p []byte, at uint64) {
	public := false
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		if n == 0 {
			n = len(p)
		}
		line := bytes.TrimRight(p[:n], "\r\n")
		from := 0
		switch {
		case len(line) == 0:
		case isSpace(line[0]): // goes on with the field before
			from = 1
		default:
			from = bytes.IndexByte(line, ':') + 1
			public = from > 0 && protocol.PublicField(line[:from-1])
			if a, b := protocol.PrivateTag(line[:max(from-1, 0)], line[from:]); a < b {
				m.Hide(d, at+uint64(from+a), at+uint64(from+b), protocol.FillAll)
			}
		}
		if !public && from < len(line) {
			m.Hide(d, at+uint64(from), at+uint64(len(line)), protocol.FillAll)
		}
		p, at = p[n:], at+uint64(n)
	}
}
