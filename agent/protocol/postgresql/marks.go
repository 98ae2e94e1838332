// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"encoding/binary"

	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// A recording keeps the types and lengths of messages, names, SQL without its literals, the tags of commands and the codes of
// errors. Values, rows, keys, messages and what is exchanged for authentication are hidden.

// mark tells a recording what of a direction it may hold. Messages are marked when they are taken.
func (c *conn) mark(d protocol.Dir) {
	if c.inner != nil || c.fit == protocol.FitNo {
		return
	}
	lost := c.back.Lost()
	if d == c.client {
		lost = c.front.Lost()
	}
	switch {
	case !c.known:
		if c.passing {
			c.tellAll(d, protocol.FillZero)
		}
	case c.phase == phaseOver || lost:
		c.tellAll(d, protocol.FillAll)
	}
}

// tellAll hides all that has passed in a direction since it was told of.
func (c *conn) tellAll(d protocol.Dir, with protocol.Filler) {
	if m := c.env.Marks; m != nil && c.told[d] < c.pos[d] && c.fit != protocol.FitNo {
		m.Hide(d, c.told[d], c.pos[d], with)
		m.Settle(d, c.pos[d])
	}
	c.told[d] = c.pos[d]
}

// screen begins to mark a message. What was given up at a gap before it is private.
func (c *conn) screen(d protocol.Dir, f *protocol.Frame) protocol.Screen {
	if c.told[d] < f.At {
		c.env.Marks.Hide(d, c.told[d], f.At, protocol.FillAll)
	}
	c.told[d] = f.At + f.Size
	return protocol.NewScreen(c.env.Marks, d, f.At, f.Head)
}

// markFront marks a message of the client before it is read.
func (c *conn) markFront(f *protocol.Frame) {
	s := c.screen(c.client, f)
	if c.phase == phaseStartup {
		keepStartup(&s, f.Head)
	} else {
		s.Keep(f.Head[:min(len(f.Head), header)])
		c.keepMessage(&s, f.Head[0], f.Head[min(len(f.Head), header):])
	}
	s.End(f.Size)
}

// keepStartup keeps the names of parameters, and the values of those that are reported.
func keepStartup(s *protocol.Screen, p []byte) {
	s.Keep(p[:8])
	if !isStartup(binary.BigEndian.Uint32(p[4:])) {
		return
	}
	for p = p[8:]; len(p) > 0 && p[0] != 0; {
		name, rest, ok := text(p)
		value, behind, valued := text(rest)
		s.Keep(p[:len(p)-len(rest)])
		if !ok || !valued {
			return
		}
		if string(name) == "user" || string(name) == "database" {
			s.Keep(value[:min(len(value), maxName)])
		}
		s.Keep(rest[len(value) : len(value)+1])
		p = behind
	}
	s.Keep(p[:min(len(p), 1)])
}

// keepName keeps a name with the zero that ends it.
func keepName(s *protocol.Screen, p []byte) (rest []byte, ok bool) {
	name, rest, ok := text(p)
	s.Keep(name[:min(len(name), maxName+1)]) // one more tells that it is longer than any
	if ok {
		s.Keep(p[len(name) : len(name)+1])
	}
	return rest, ok
}

func (c *conn) keepMessage(s *protocol.Screen, kind byte, body []byte) {
	switch kind {
	case 'Q':
		c.keepText(s, body, false)
	case 'P':
		if rest, ok := keepName(s, body); ok {
			c.keepText(s, rest, true)
		}
	case 'B':
		keepBind(s, body)
	case 'D', 'C':
		s.Keep(body[:min(len(body), 1)])
		if len(body) > 1 {
			keepName(s, body[1:])
		}
	case 'E':
		if rest, ok := keepName(s, body); ok {
			s.Keep(rest)
		}
	}
}

// keepText writes a text without its literals, and keeps what is behind it.
func (c *conn) keepText(s *protocol.Screen, p []byte, prepared bool) {
	query, rest, ended := text(p)
	s.Replace(query, c.shared.text.Mask(query, sql.Source{
		Dialect: sql.PostgreSQL, Prepared: prepared, Cut: !ended, OtherEscapes: c.otherEscapes,
	}))
	if ended {
		s.Keep(p[len(query) : len(query)+1])
		s.Keep(rest)
	}
}

// keepBind keeps names, formats and the lengths of values.
func keepBind(s *protocol.Screen, body []byte) {
	rest, ok := keepName(s, body)
	if !ok {
		return
	}
	if rest, ok = keepName(s, rest); !ok {
		return
	}
	_, behind, ok := formatCodes(rest)
	if !ok || len(behind) < 2 {
		return
	}
	s.Keep(rest[:len(rest)-len(behind)])
	values := int(binary.BigEndian.Uint16(behind))
	s.Keep(behind[:2])
	s.Keep(keepLengths(s, behind[2:], values))
}

// keepLengths keeps the lengths of values and returns what is behind them.
func keepLengths(s *protocol.Screen, p []byte, values int) []byte {
	for ; values > 0; values-- {
		if len(p) < 4 {
			return nil
		}
		s.Keep(p[:4])
		n := max(0, int(int32(binary.BigEndian.Uint32(p))))
		if n > len(p)-4 {
			return nil
		}
		p = p[4+n:]
	}
	return p
}

// markBack marks a message of the server before it is read.
func (c *conn) markBack(f *protocol.Frame) {
	s := c.screen(c.client.Other(), f)
	s.Keep(f.Head[:min(len(f.Head), header)])
	if body := f.Head[min(len(f.Head), header):]; len(body) > 0 {
		keepAnswer(&s, f.Head[0], body)
	}
	s.End(f.Size)
}

func keepAnswer(s *protocol.Screen, kind byte, body []byte) {
	switch kind {
	case 'Z', 'C', 'T', 't', 'G', 'H', 'W':
		s.Keep(body)
	case 'R':
		s.Keep(body[:min(len(body), 4)])
	case 'E', 'N':
		keepError(s, body)
	case 'S':
		keepParameter(s, body)
	case 'D':
		if len(body) >= 2 {
			s.Keep(body[:2])
			keepLengths(s, body[2:], int(binary.BigEndian.Uint16(body)))
		}
	}
}

// keepError keeps the severity and the code, and of other fields that they are there.
func keepError(s *protocol.Screen, body []byte) {
	for len(body) > 0 && body[0] != 0 {
		value, rest, ok := text(body[1:])
		s.Keep(body[:1])
		switch body[0] {
		case 'S', 'V', 'C':
			s.Keep(value[:min(len(value), maxName)])
		}
		if !ok {
			return
		}
		s.Keep(body[1+len(value) : 2+len(value)])
		body = rest
	}
	s.Keep(body[:min(len(body), 1)])
}

// keepParameter keeps the name of a parameter, and the values that matter.
func keepParameter(s *protocol.Screen, body []byte) {
	name, _, _ := text(body)
	rest, ok := keepName(s, body)
	if !ok {
		return
	}
	if string(name) == "standard_conforming_strings" {
		s.Keep(rest)
	} else if n := len(rest); n > 0 && rest[n-1] == 0 {
		s.Keep(rest[n-1:])
	}
}

// markEnd keeps the end of an answer that was out of step, which is the end of p and stands before a position.
func (c *conn) markEnd(p []byte, end uint64) {
	m, d := c.env.Marks, c.client.Other()
	if m == nil {
		return
	}
	n := len(p) - len(readyForQuery) - 1
	for n > 0 && (p[n-1] == ' ' || '0' <= p[n-1] && p[n-1] <= '9' || 'A' <= p[n-1] && p[n-1] <= 'Z') {
		n--
	}
	from := end - uint64(len(p)-n)
	if c.told[d] < from {
		m.Hide(d, c.told[d], from, protocol.FillAll)
	}
	m.Settle(d, end)
	c.told[d] = max(c.told[d], end)
}
