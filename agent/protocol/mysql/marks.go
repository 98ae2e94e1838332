// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// A recording keeps the heads of packets, commands with their names and numbers, SQL without its literals, and of answers
// what says how they go on. Rows, values, messages and what is exchanged for authentication are hidden. So is everything on
// a compressed connection: which of its bytes are private cannot be told.

// mark tells a recording what of a direction it may hold. Packets are marked when they are taken.
func (c *conn) mark(d protocol.Dir) {
	if c.inner != nil || c.fit == protocol.FitNo {
		return
	}
	s := &c.back
	if d == c.client {
		s = &c.front
	}
	switch {
	case !c.known:
		if c.passing {
			c.tellAll(d, protocol.FillZero)
		}
	case c.compressed:
		c.tellAll(d, protocol.FillZero)
	case c.phase == phaseOver || s.packets.Lost():
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

// screen begins to mark a packet.
func (c *conn) screen(d protocol.Dir, f *protocol.Frame) protocol.Screen {
	if c.told[d] < f.At { // what was given up at a gap
		c.env.Marks.Hide(d, c.told[d], f.At, protocol.FillAll)
	}
	c.told[d] = f.At + f.Size
	s := protocol.NewScreen(c.env.Marks, d, f.At, f.Head)
	s.Keep(f.Head[:min(len(f.Head), header)])
	return s
}

// markFront marks a packet of the client before it is read.
func (c *conn) markFront(f *protocol.Frame) {
	s := c.screen(c.client, f)
	payload, seq := f.Head[min(len(f.Head), header):], f.Head[3]
	switch {
	case c.front.more:
	case c.phase == phaseLogin && seq >= 1:
		c.keepLogin(&s, payload)
	case seq == 0 && len(payload) > 0 && c.phase == phaseCommands:
		c.keepCommand(&s, payload, f)
	}
	s.End(f.Size)
}

// keepLogin goes the way of login. Clients older than MySQL 4.1 are hidden.
func (c *conn) keepLogin(s *protocol.Screen, p []byte) {
	if len(p) < 32 || !bytes.Equal(p[9:28], make([]byte, 19)) { // a later packet, behind a gap
		s.Fill(p, protocol.FillZero)
		return
	}
	s.Keep(p[:32])
	if len(p) > 32 {
		keepAccount(s, p[32:], binary.LittleEndian.Uint32(p))
	}
}

// keepAccount keeps the user and the database, and how long the secret between them is.
func keepAccount(s *protocol.Screen, p []byte, caps uint32) {
	rest, ok := keepName(s, p)
	if !ok {
		return
	}
	secret := rest
	if rest, ok = skipSecret(rest, caps); !ok {
		return
	}
	switch {
	case caps&capLenencAuth != 0:
		if _, content, ok := lenenc(secret); ok {
			s.Keep(secret[:len(secret)-len(content)])
		}
	case caps&capSecure != 0:
		s.Keep(secret[:1])
	default:
		end := len(secret) - len(rest)
		s.Keep(secret[end-1 : end])
	}
	if caps&capConnectDB != 0 {
		keepName(s, rest)
	}
}

// keepName keeps a name with the zero that ends it.
func keepName(s *protocol.Screen, p []byte) (rest []byte, ok bool) {
	name, rest, ok := text(p)
	s.Keep(name[:min(len(name), maxName)])
	if ok {
		s.Keep(p[len(name) : len(name)+1])
	}
	return rest, ok
}

// keepCommand keeps what a command is about.
func (c *conn) keepCommand(s *protocol.Screen, p []byte, f *protocol.Frame) {
	s.Keep(p[:1])
	com, p := p[0], p[1:]
	switch com {
	case comQuery:
		if query, ok := c.query(p); ok {
			c.keepAttributes(s, p, query)
			c.keepText(s, query, false, !f.Whole)
		} else {
			s.Keep(p[:min(len(p), 2)])
		}
	case comStmtPrepare:
		c.keepText(s, p, true, !f.Whole)
	case comStmtExecute, comStmtBulkExecute, comStmtFetch, comStmtReset, comStmtClose, comSetOption:
		s.Keep(p[:min(len(p), 9)]) // number, flags, count
	case comStmtLongData:
		s.Keep(p[:min(len(p), 6)]) // number, parameter
	case comInitDB:
		s.Keep(p[:min(len(p), maxName)])
	case comFieldList:
		keepName(s, p)
	case comChangeUser:
		keepAccount(s, p, c.capabilities&^capLenencAuth|capSecure|capConnectDB)
	}
}

// keepText writes a text without its literals.
func (c *conn) keepText(s *protocol.Screen, query []byte, prepared, cut bool) {
	s.Replace(query, c.text.Mask(query, sql.Source{Dialect: sql.MySQL, Prepared: prepared, Cut: cut, OtherEscapes: c.otherEscapes}))
}

// keepAttributes keeps what tells how long the attributes before a query are: their number, types and names, and the lengths
// of their values. Of those that carry trace context it keeps the value too.
func (c *conn) keepAttributes(s *protocol.Screen, p, query []byte) {
	p = p[:len(p)-len(query)]
	if len(p) == 0 {
		return
	}
	count, rest, _ := lenenc(p)
	_, rest, _ = lenenc(rest)
	nulls := (int(count) + 7) / 8
	if s.Keep(p[:len(p)-len(rest)]); count == 0 || len(rest) <= nulls {
		return
	}
	null, types, context := rest[:nulls], []byte(nil), []bool(nil)
	names := rest
	rest = rest[nulls+1:]
	for range count {
		kind, name, behind := attribute(rest)
		types, context, rest = append(types, kind), append(context, isString(kind) && protocol.CarriesContext(name)), behind
	}
	s.Keep(names[:len(names)-len(rest)])
	for i, kind := range types {
		if null[i/8]&(1<<(i%8)) != 0 {
			continue
		}
		behind, ok := skipValue(rest, kind)
		if !ok {
			return
		}
		if _, content, ok := lenenc(rest); ok && !isFixed(kind) {
			s.Keep(rest[:len(rest)-len(content)])
			if n := len(content) - len(behind); context[i] && n <= model.MaxField {
				s.Keep(content[:n])
			}
		}
		rest = behind
	}
}

// isFixed tells whether values of a type do not say their length.
func isFixed(kind byte) bool {
	_, fixed := skipValue(make([]byte, 8), kind)
	return fixed && kind != 0 && bytes.IndexByte([]byte{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0d}, kind) >= 0
}

// markBack marks a packet of the server before it is read.
func (c *conn) markBack(f *protocol.Frame) {
	s := c.screen(c.client.Other(), f)
	p, size := f.Head[min(len(f.Head), header):], f.Size-header
	e := c.queue.Front()
	if e != nil && e.uncertain && f.Head[3] == 1 && c.queue.Len() > 1 {
		e = c.queue.At(1)
	}
	switch {
	case c.back.more, len(p) == 0:
	case e == nil:
		keepGreeting(&s, p)
	case p[0] == 0xff && e.reading != readText:
		keepError(&s, p)
	default:
		keepAnswer(&s, e.reading, p, size)
	}
	s.End(f.Size)
}

func keepGreeting(s *protocol.Screen, p []byte) {
	if p[0] == 0xff {
		keepError(s, p)
		return
	}
	if p[0] != 0x0a {
		return
	}
	s.Keep(p[:1])
	const scramble, fixed = 4, 4 + 8 + 19 // a number, the scramble, and what is known of the server
	if rest, ok := keepName(s, p[1:]); ok {
		s.Keep(rest[:min(len(rest), scramble)])
		s.Keep(rest[min(len(rest), scramble+8):min(len(rest), fixed)])
	}
}

// keepError keeps the code of an error, and its state.
func keepError(s *protocol.Screen, p []byte) {
	n := min(len(p), 3)
	if len(p) >= 9 && p[3] == '#' {
		n = 9
	}
	s.Keep(p[:n])
}

// keepAnswer keeps what says how an answer goes on. Of rows and definitions that is nothing.
func keepAnswer(s *protocol.Screen, state reading, p []byte, size uint64) {
	switch state {
	case readText, readStream:
	case readAuth:
		s.Keep(p[:1])
	case readPrepared:
		s.Keep(p[:min(len(p), 13)])
	case readFirst, readData:
		switch {
		case p[0] == 0x00:
			keepOK(s, p)
		case p[0] == 0xfb:
			s.Keep(p[:1])
		default:
			s.Keep(p[:min(len(p), 10)])
		}
	default:
		switch {
		case !isEOF(p, size):
		case size == 5:
			s.Keep(p)
		default:
			keepOK(s, p)
		}
	}
}

// keepOK keeps the count of rows and the status of an OK packet. The identifier between them is a value.
func keepOK(s *protocol.Screen, p []byte) {
	_, id, ok := lenenc(p[1:])
	if !ok {
		s.Keep(p[:1])
		return
	}
	s.Keep(p[:len(p)-len(id)])
	_, rest, ok := lenenc(id)
	if !ok {
		return
	}
	if id[0] > 0xfb {
		s.Keep(id[:1])
	}
	s.Keep(rest[:min(len(rest), 4)])
}

// markEnd keeps the packet that ended an answer that was out of step, which ends at a position.
func (c *conn) markEnd(p []byte, end uint64) {
	m, d := c.env.Marks, c.client.Other()
	from := end - uint64(len(p))
	if m == nil || from < c.told[d] { // what came of it before is hidden already
		return
	}
	m.Hide(d, c.told[d], from, protocol.FillAll)
	c.told[d] = end
	s := protocol.NewScreen(m, d, from, p)
	s.Keep(p[:header])
	if payload := p[header:]; payload[0] == 0xff {
		keepError(&s, payload)
	} else {
		s.Keep(payload[:min(len(payload), 7)])
	}
	s.End(uint64(len(p)))
}
