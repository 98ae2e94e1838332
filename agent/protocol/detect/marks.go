// SPDX-License-Identifier: Apache-2.0

package detect

import (
	"slices"

	"sonde/agent/protocol"
)

// marker implements protocol.Marks for parsers. What a parser says that may be the wrong one is kept until it is certain: it
// knows neither what is private in the bytes of another protocol, nor what that needs of them.
type marker struct{ e *Engine }

type markKind uint8

const (
	markHide markKind = iota
	markReplace
	markSettle
)

// mark is something that a parser said.
type mark struct {
	kind     markKind
	dir      protocol.Dir
	from, to uint64
	filler   protocol.Filler
	with     []byte
}

func (m marker) Hide(d protocol.Dir, from, to uint64, with protocol.Filler) {
	m.say(mark{kind: markHide, dir: d, from: from, to: to, filler: with})
}

func (m marker) Replace(d protocol.Dir, at uint64, with []byte) {
	if m.e.doubt != nil {
		with = slices.Clone(with)
	}
	m.say(mark{kind: markReplace, dir: d, from: at, with: with})
}

func (m marker) Settle(d protocol.Dir, upTo uint64) { m.say(mark{kind: markSettle, dir: d, to: upTo}) }

func (m marker) say(k mark) {
	if c := m.e.doubt; c != nil {
		c.marks = append(c.marks, k)
		return
	}
	switch k.kind {
	case markHide:
		m.e.marks.Hide(k.dir, k.from, k.to, k.filler)
	case markReplace:
		m.e.marks.Replace(k.dir, k.from, k.with)
	case markSettle:
		m.e.marks.Settle(k.dir, k.to)
	}
}

// doubt keeps what is said from here on, unless the connection is settled. The caller sets Engine.doubt back to what it was.
func (c *Conn) doubt() (before *Conn) {
	before = c.engine.doubt
	if !c.settled && before == nil {
		c.engine.doubt = c
	}
	return before
}

// believe passes on what the parser said so far.
func (c *Conn) believe() {
	for _, k := range c.marks {
		marker{c.engine}.say(k)
	}
	c.marks = nil
}
