// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"

	"sonde/agent/protocol"
)

// A recording keeps what is reported: names, numbers, the heads of record batches and the trace context of records. All other
// text, what records hold and what no layout describes is hidden; a message that is read again says the same.

// markRequest tells a recording what of a request it may hold.
func (c *conn) markRequest(d protocol.Dir, f *protocol.Frame) {
	w := c.marking(d, f)
	if w == nil {
		return
	}
	h, ok := w.header()
	if ok && h.api != nil {
		w.message(h.api.request, h.version, h.api.flexibleRequest(h.version))
	}
	c.markRest(d, f, w)
}

// markResponse tells a recording what of the answer to x it may hold.
func (c *conn) markResponse(d protocol.Dir, f *protocol.Frame, x *exchange) {
	w := c.marking(d, f)
	if w == nil {
		return
	}
	w.at = 2 * lengthBytes
	if a := lookup(x.key, x.version); a != nil {
		w.flexible = a.flexibleResponse(x.key, x.version)
		if !w.flexible || w.tags() {
			w.message(a.response, x.version, x.version >= a.flexible)
		}
	}
	c.markRest(d, f, w)
}

// marking starts a walk that hides what is private, nil when nothing is recorded.
func (c *conn) marking(d protocol.Dir, f *protocol.Frame) *walk {
	m := c.shared.env.Marks
	if m == nil {
		return nil
	}
	w, base := &walk{}, c.next[d]
	w.start(f.Head, f.Size)
	w.hide = func(from, to uint64) {
		if from < to {
			m.Hide(d, base+from, base+to, protocol.FillAll)
		}
	}
	return w
}

// markRest hides what the walk did not come to.
func (c *conn) markRest(d protocol.Dir, f *protocol.Frame, w *walk) {
	w.hide(uint64(max(w.at, w.hidden)), f.Size)
	c.shared.env.Marks.Settle(d, c.next[d]+f.Size)
}

// markAll hides a message but for its first bytes.
func (c *conn) markAll(d protocol.Dir, f *protocol.Frame, but uint64) {
	if m := c.shared.env.Marks; m != nil {
		if but < f.Size {
			m.Hide(d, c.next[d]+but, c.next[d]+f.Size, protocol.FillAll)
		}
		m.Settle(d, c.next[d]+f.Size)
	}
}

// markLost hides what passes while a direction is out of step.
func (c *conn) markLost(d protocol.Dir) {
	m := c.shared.env.Marks
	if m == nil || !c.sides[d].Lost() || c.next[d] >= c.passed[d] {
		return
	}
	m.Hide(d, c.next[d], c.passed[d], protocol.FillAll)
	m.Settle(d, c.passed[d])
	c.next[d] = c.passed[d]
}

// hideUpTo hides what was given up before a position, from which on the direction is in step again.
func (c *conn) hideUpTo(d protocol.Dir, pos uint64) {
	if m := c.shared.env.Marks; m != nil && c.next[d] < pos {
		m.Hide(d, c.next[d], pos, protocol.FillAll)
		m.Settle(d, pos)
	}
	c.next[d] = pos
}

// hideRecords hides what n bytes of batches hold beside their heads.
func (w *walk) hideRecords(n int) {
	p, at := w.p[w.at:min(len(w.p), w.at+n)], 0
	for n-at > batchMagicAt && len(p) > at+batchAttrAt {
		b := p[at:]
		size := int(int32(binary.BigEndian.Uint32(b[batchLengthAt:]))) + batchHeadBytes
		if size <= batchMagicAt || size > n-at {
			break
		}
		before := len(w.found.headers)
		b = b[:min(len(b), size)]
		w.headers(b)
		w.hideBatch(b, w.at+at, size, before)
		at += size
	}
	w.private(w.at+min(n, at+batchFixedBytes), w.at+n)
	w.hidden = w.at + n
}

// headOfBatch returns how many bytes of a batch are looked at.
func headOfBatch(magic byte) int {
	if magic < 2 {
		return messageAttrAt + 1
	}
	return batchFixedBytes
}
