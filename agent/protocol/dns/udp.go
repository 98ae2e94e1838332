// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// udp follows one pair of addresses. It implements protocol.Parser.
type udp struct {
	*dialogue
	fit protocol.Fit

	cut  *model.Request // an exchange whose answer was not captured to its end: the rest may be told by a Skip
	last protocol.Dir
}

// Feed implements protocol.Parser.
func (u *udp) Feed(d protocol.Dir, p []byte, t time.Duration) {
	u.settle()
	u.expire(t)
	u.last = d
	m := &u.shared.msg
	if m.read(p) != protocol.Done || !u.expects(m) {
		if u.fit == protocol.FitOpen {
			u.fit = protocol.FitNo
		}
		return
	}
	u.fit = protocol.FitYes
	emit := u.emit
	if m.cut() {
		emit = u.hold
	}
	u.take(passed{message: m, dir: d, size: uint64(len(p)), start: t, end: t}, emit)
}

// expects tells whether a message is one that somebody would send, or the answer to a query that waits.
func (u *udp) expects(m *message) bool {
	if _, s := plausible(m.p, maxSize); s == protocol.Done || odd(m.p) {
		return true
	}
	return u.fit == protocol.FitYes && m.answer() && u.find(m.key(u.last.Other()), m) != nil
}

// cut tells whether a message goes on behind its bytes.
func (m *message) cut() bool {
	c := m.cursor()
	for _, ok := c.next(); ok; _, ok = c.next() {
	}
	return c.state == protocol.NeedMore
}

// hold keeps an exchange whose answer was cut.
func (u *udp) hold(r *model.Request) {
	held, detail := *r, *r.DNS
	detail.Answers, detail.Addrs, detail.TTLs = slices.Clone(detail.Answers), slices.Clone(detail.Addrs), slices.Clone(detail.TTLs)
	held.DNS = &detail
	u.cut = &held
}

// settle reports an exchange that was held: no more of its answer comes.
func (u *udp) settle() {
	if u.cut != nil {
		u.emit(u.cut)
		u.cut = nil
	}
}

// Skip implements protocol.Parser: it is the rest of the datagram before.
func (u *udp) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if u.cut != nil && u.last == d {
		u.cut.ResponseBytes += n
		u.settle()
	}
	u.expire(t)
}

// EOF implements protocol.Parser. Datagrams have no end.
func (u *udp) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (u *udp) Close(c protocol.Close) {
	u.settle()
	u.finish(c)
}

// Pending implements protocol.Parser.
func (u *udp) Pending() int {
	if u.cut != nil {
		return u.waiting.Len() + 1
	}
	return u.waiting.Len()
}

// Fit implements protocol.Parser.
func (u *udp) Fit() protocol.Fit { return u.fit }

// Release implements protocol.Parser.
func (u *udp) Release() { u.shared.close(u.dialogue) }
