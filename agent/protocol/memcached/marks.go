// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/protocol"
)

// A recording keeps the names of commands, keys, tokens, lengths, and the words that answers begin with. Data blocks, numbers
// and messages are hidden.

// stand says where the directions stand now that the client is known: n bytes of d are still to be read.
func (c *conn) stand(d protocol.Dir, n uint64) {
	c.hidePassed(d.Other())
	at := c.passing
	at[d] -= n
	c.dialect.stand(at)
}

// hidePassed hides what passed in a direction that nobody could read. Zeros are read by nobody either.
func (c *conn) hidePassed(d protocol.Dir) {
	if m := c.shared.env.Marks; m != nil && c.dialect == nil && c.hidden[d] < c.passing[d] {
		m.Hide(d, c.hidden[d], c.passing[d], protocol.FillZero)
		m.Settle(d, c.passing[d])
	}
	c.hidden[d] = c.passing[d]
}

// mark tells a recording what of a direction it may hold.
func (c *conn) mark(d protocol.Dir) {
	switch {
	case c.shared.env.Marks == nil:
	case c.dialect != nil:
		c.dialect.mark(d)
	case c.passed:
		c.hidePassed(d)
	}
}

func (c *frames) stand(at [2]uint64) { c.framer[0].Pos, c.framer[1].Pos = at[0], at[1] }

func (c *frames) mark(d protocol.Dir) { c.framer[d].Mark(c.shared.env.Marks, d, protocol.FillAll) }

// markRequest lets header and key through.
func (c *frames) markRequest(f *protocol.Frame) {
	m, p := c.shared.env.Marks, f.Head
	if m == nil {
		return
	}
	s := protocol.NewScreen(m, c.client, f.At, p)
	s.Keep(p[:headerSize])
	if op := p[1]; op < 0x20 || op > 0x22 {
		key := p[min(len(p), headerSize+int(p[4])):]
		s.Keep(key[:min(len(key), int(binary.BigEndian.Uint16(p[2:])), maxKey)])
	}
	s.End(f.Size)
}

func (c *frames) markResponse(f *protocol.Frame) {
	if m := c.shared.env.Marks; m != nil {
		s := protocol.NewScreen(m, c.client.Other(), f.At, f.Head)
		s.Keep(f.Head[:headerSize])
		s.End(f.Size)
	}
}

func (c *text) stand(at [2]uint64) {
	c.pos, c.answers.pos = at[c.client], at[c.client.Other()]
	c.from, c.answers.from = c.pos, c.answers.pos
}

// side returns where a direction stands, and whether the line at hand has begun.
func (c *text) side(d protocol.Dir) (from *uint64, pos uint64, inBlock, inLine, lost bool) {
	if d == c.client {
		return &c.from, c.pos, c.inBlock, c.line.size > 0, c.lost
	}
	a := &c.answers
	return &a.from, a.pos, a.inBlock, a.line.size > 0, a.lost
}

// markPassed hides what has just been read of a data block, and what is out of step. Lines are marked when they are whole.
func (c *text) markPassed(d protocol.Dir, block bool) {
	m := c.shared.env.Marks
	from, pos, inBlock, _, lost := c.side(d)
	if m == nil || !block && !lost {
		return
	}
	if end := pos; block && !inBlock && !lost { // the line end of the block
		m.Hide(d, *from, max(*from, end-1), protocol.FillAll)
	} else {
		m.Hide(d, *from, end, protocol.FillAll)
	}
	*from = pos
}

// mark implements dialect.
func (c *text) mark(d protocol.Dir) {
	if from, _, _, _, _ := c.side(d); c.fitness != protocol.FitNo {
		c.shared.env.Marks.Settle(d, *from)
	}
}

// passOver hides n bytes of what a connection became.
func (c *text) passOver(d protocol.Dir, n uint64) {
	from, _, _, _, _ := c.side(d)
	if d == c.client {
		c.pos += n
	} else {
		c.answers.pos += n
	}
	if m := c.shared.env.Marks; m != nil && n > 0 {
		m.Hide(d, *from, *from+n, protocol.FillAll)
	}
	*from += n
}

// markCut hides what has come of a line whose end is not seen.
func (c *text) markCut(d protocol.Dir) {
	m := c.shared.env.Marks
	from, pos, _, inLine, lost := c.side(d)
	if m == nil || !inLine || lost {
		return
	}
	if d == c.client {
		c.markCommand(c.line.buf, pos)
	} else {
		m.Hide(d, *from, pos, protocol.FillAll)
	}
	m.Settle(d, pos)
	*from = pos
}

// markCommand hides what the line of a command holds beside names, keys and lengths. The line ends at a position.
func (c *text) markCommand(line []byte, end uint64) {
	m := c.shared.env.Marks
	if m == nil {
		return
	}
	defer func() { c.from = end + 1 }()
	words := fields{rest: line}
	name := words.next()
	shape, known := shapes[string(name)]
	if !known && !isWord(name) { // nor must it become one
		m.Replace(c.client, c.from, bytes.Repeat([]byte{'0'}, len(line)))
		hideRest(m, c.client, c.from+uint64(len(line)), end)
		return
	}
	s := protocol.NewScreen(m, c.client, c.from, line)
	s.Keep(line[:s.Offset(name)+uint64(len(name))])
	for i, w := 1, words.next(); w != nil; i, w = i+1, words.next() {
		s.KeepTo(s.Offset(w)-1, s.Offset(w))
		switch isKey := i == shape.key || shape.keys && i > shape.key; {
		case isKey && known && shape.key > 0:
			s.Keep(w[:min(len(w), maxKey)])
		case shape.block == i && known && number(w) >= 0, shape.meta && i > shape.key && keptFlag(w), shape.noReply && string(w) == "noreply":
			s.Keep(w)
		default:
			s.Fill(w, protocol.FillAll)
		}
		s.HideTo(s.Offset(w)+uint64(len(w)), protocol.FillAll)
	}
	s.KeepTo(uint64(len(line)), uint64(len(line)))
	if len(line) >= MaxLine {
		hideRest(m, c.client, c.from+uint64(len(line)), end)
	}
}

func hideRest(m protocol.Marks, d protocol.Dir, from, end uint64) {
	if from+1 < end { // the last may be a carriage return
		m.Hide(d, from, end, protocol.FillAll)
	}
}

// keptFlag tells whether a flag of a meta command or of its answer is looked at.
func keptFlag(w []byte) bool {
	switch w[0] {
	case 'q', 'k':
		return len(w) == 1
	case 'O':
		return len(w) <= maxOpaque
	}
	return false
}

// markAnswer hides what a line of an answer holds beside its first word, lengths and tokens.
func (c *text) markAnswer(line []byte, end uint64) {
	m, a := c.shared.env.Marks, &c.answers
	if m == nil {
		return
	}
	d := c.client.Other()
	defer func() { a.from = end + 1 }()
	s := protocol.NewScreen(m, d, a.from, line)
	words := fields{rest: line}
	name := words.next()
	w := wordOf(name)
	switch {
	case w.word == "0":
		s.Fill(name, protocol.FillDigits)
	case w.word == "key=":
		s.Keep(name[:len("key=")])
	case w.kind != 0:
		s.Keep(name)
	}
	for i, x := 1, words.next(); x != nil; i, x = i+1, words.next() {
		s.KeepTo(s.Offset(x)-1, s.Offset(x))
		length := w.kind == block && i == 3 || w.kind == lastBlock && i == 1
		if length && number(x) >= 0 || w.meta && (keptFlag(x) || x[0] == 'k' && len(x) <= maxKey+1) {
			s.Keep(x)
		}
		s.HideTo(s.Offset(x)+uint64(len(x)), protocol.FillAll)
	}
	s.HideTo(uint64(len(line)), protocol.FillAll)
	if len(line) >= maxAnswer {
		hideRest(m, d, a.from+uint64(len(line)), end)
	}
}
