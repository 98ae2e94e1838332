// SPDX-License-Identifier: Apache-2.0

package amqp

import "sonde/agent/protocol"

// mark tells a recording what of a frame it may hold: methods with their names and numbers, the size of contents and their
// trace context. What is read again says the same.
func (c *conn) mark(d protocol.Dir, f *protocol.Frame) {
	m := c.shared.env.Marks
	if m == nil {
		return
	}
	base := c.sides[d].next
	hide := func(from, to uint64) {
		if from < to {
			m.Hide(d, base+from, base+to, protocol.FillAll)
		}
	}
	switch {
	case len(f.Head) < headBytes:
		hide(0, f.Size)
	case f.Head[0] == typeMethod && len(f.Head) >= methodBytes:
		hideArguments(f, hide)
	case f.Head[0] == typeHeader:
		hideProperties(f, hide)
	case f.Head[0] != protocolHeader[0]:
		hide(headBytes, f.Size-1)
	}
	m.Settle(d, base+f.Size)
}

// hideArguments hides texts and tables of a method.
func hideArguments(f *protocol.Frame, hide func(from, to uint64)) {
	a := args{p: f.Head[methodBytes:]}
	for _, kind := range methods[methodOf(f.Head)].args {
		at := len(f.Head) - len(a.p)
		switch kind {
		case 's':
			a.short()
		case 't':
			a.short()
			hide(uint64(at+1), uint64(len(f.Head)-len(a.p)))
		case 'L':
			a.long()
			hide(uint64(at+4), uint64(len(f.Head)-len(a.p)))
		default:
			a.take(int(kind - '0'))
		}
		if a.cut {
			hide(uint64(min(at+4, len(f.Head))), f.Size-1)
			return
		}
	}
	hide(uint64(len(f.Head)-len(a.p)), f.Size-1)
}

// markContent hides the rest of a content that was passed over.
func (c *conn) markContent(d protocol.Dir) {
	s, m := &c.sides[d], c.shared.env.Marks
	if m == nil {
		return
	}
	if s.next < s.until {
		m.Hide(d, s.next, s.until, protocol.FillAll)
	}
	m.Settle(d, s.until)
}

// hideUpTo hides what was given up before a position, from which on the direction is in step again.
func (c *conn) hideUpTo(s *side, pos uint64) {
	d := protocol.Dir(0)
	if s == &c.sides[1] {
		d = 1
	}
	if m := c.shared.env.Marks; m != nil && s.next < pos {
		m.Hide(d, s.next, pos, protocol.FillAll)
		m.Settle(d, pos)
	}
	s.next = pos
}

// markLost hides what passes while a direction is out of step.
func (c *conn) markLost(d protocol.Dir) {
	s, m := &c.sides[d], c.shared.env.Marks
	if m == nil || !s.framer.Lost() || s.until > 0 || s.next >= s.passed {
		return
	}
	m.Hide(d, s.next, s.passed, protocol.FillAll)
	m.Settle(d, s.passed)
	s.next = s.passed
}
