// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// dialogue matches the messages of one connection.
type dialogue struct {
	shared    *shared
	transport model.Transport
	joined    bool // queries may have passed before
	asked     bool // a query was seen
	waiting   protocol.ByID[key, *exchange]

	done  [maxDone]key // answered last, a ring
	dones int

	lostAt [2]time.Duration // when bytes of a direction were lost, 0 when never
}

// passed is a message with what its transport says of it.
type passed struct {
	*message
	dir        protocol.Dir
	size       uint64 // on the wire
	start, end time.Duration
}

// take reads what a message means. An answer that ends an exchange is given to emit.
func (d *dialogue) take(p passed, emit func(r *model.Request)) {
	if p.answer() {
		d.answer(p, emit)
		return
	}
	d.asked = true
	if isMulticast(p.message) {
		x := d.newExchange(p)
		r := d.shared.report(x, nil)
		r.OneWay, r.End = true, x.end
		d.emit(r)
		d.shared.giveBack(x)
		return
	}
	d.query(p)
}

func (m *message) key(dir protocol.Dir) key {
	return key{id: m.id, typ: m.typ, class: m.class, dir: dir, name: hashName(m.name)}
}

func (d *dialogue) query(p passed) {
	k := p.key(p.dir)
	if x := d.waiting.Get(k); x != nil && sameName((*x).name, p.name) && (*x).answered == 0 {
		(*x).retries++
		(*x).last = p.end
		return
	}
	if old, replaced := d.waiting.Add(k, d.newExchange(p)); replaced {
		d.giveUp(old, "pipeline_limit", p.start)
	}
}

func (d *dialogue) newExchange(p passed) *exchange {
	x := d.shared.exchange()
	x.key, x.name, x.opcode = p.key(p.dir), append(x.name[:0], p.name...), p.opcode()
	x.start, x.end, x.last, x.bytes = p.start, p.end, p.end, p.size
	x.several = isMulticast(p.message)
	x.udpSize, _, x.edns = optOf(p.message)
	return x
}

var local = []byte("local")

// isMulticast tells whether a query went to a multicast group: it has no identifier, does not ask for recursion (RFC 6762
// 18), and asks for a name that only multicast knows, or for a unicast answer.
func isMulticast(m *message) bool {
	if m.id != 0 || m.flags&flagWanted != 0 {
		return false
	}
	tail := m.name[max(0, len(m.name)-len(local)):]
	return m.multicast || bytes.EqualFold(tail, local) && (len(m.name) == len(local) || m.name[len(m.name)-len(local)-1] == '.')
}

// answer finds the query of an answer.
func (d *dialogue) answer(p passed, emit func(r *model.Request)) {
	k := p.key(p.dir.Other())
	x := d.find(k, p.message)
	switch {
	case x == nil:
		d.unasked(k, p, emit)
		return
	case d.transport == model.TransportTCP && (k.typ == typeAXFR || k.typ == typeIXFR || x.answered > 0):
		d.transfer(x, p)
		return
	}
	d.waiting.Take(x.key)
	d.remember(x.key)
	r := d.shared.report(x, p.message)
	r.ResponseStart, r.End, r.ResponseBytes = p.start, p.end, p.size
	d.shared.giveBack(x)
	emit(r)
}

// find returns the exchange that an answer belongs to, nil when there is none.
func (d *dialogue) find(k key, p *message) *exchange {
	if p.counts[questions] > 0 {
		if x := d.waiting.Get(k); x != nil && sameName((*x).name, p.name) {
			return *x
		}
		return nil
	}
	var found *exchange
	several := false
	d.waiting.Each(func(of key, x **exchange) {
		if of.id == k.id && of.dir == k.dir {
			several = found != nil
			found = *x
		}
	})
	if several {
		return nil
	}
	return found
}

func (d *dialogue) remember(k key) {
	d.done[d.dones%maxDone] = k
	d.dones++
}

func (d *dialogue) isDone(k key) bool {
	for i := range min(d.dones, maxDone) {
		if d.done[i] == k {
			return true
		}
	}
	return false
}

// unasked reports an answer whose query may have passed unseen.
func (d *dialogue) unasked(k key, p passed, emit func(r *model.Request)) {
	lost := d.lostAt[k.dir] > 0
	if p.counts[questions] == 0 || d.isDone(k) || d.asked && !d.joined && !lost {
		return
	}
	d.remember(k)
	x := d.shared.exchange()
	x.key, x.name, x.opcode, x.start = k, append(x.name[:0], p.name...), p.opcode(), p.start
	r := d.shared.report(x, p.message)
	d.shared.giveBack(x)
	r.Outcome, r.Reason, r.ErrorType = model.OutcomeIncomplete, "request_lost", ""
	r.ResponseStart, r.End, r.ResponseBytes = p.start, p.end, p.size
	emit(r)
}

// transfer takes a message of a zone transfer, which ends with the SOA record that it began with (RFC 5936 2.2).
func (d *dialogue) transfer(x *exchange, p passed) {
	if x.answered == 0 {
		x.answerStart, x.flags = p.start, p.flags
	}
	x.answered++
	x.answerBytes += p.size
	x.answerEnd, x.last = p.end, p.end
	x.records += int(p.counts[answers])
	last := record{}
	c := p.cursor()
	for r, ok := c.next(); ok && r.section == answers; r, ok = c.next() {
		if last = r; r.typ == typeSOA {
			x.soas++
		}
	}
	whole := uint64(len(p.p)+2) == p.size
	upToDate := x.key.typ == typeIXFR && x.answered == 1 && x.records == 1 // RFC 1995 4
	if p.flags&15 != 0 || whole && last.typ == typeSOA && (x.soas > 1 || upToDate) {
		x.flags = p.flags
		d.waiting.Take(x.key)
		d.remember(x.key)
		d.transferred(x)
	}
}

// transferred reports a zone transfer as it stands.
func (d *dialogue) transferred(x *exchange) {
	r := d.shared.report(x, nil)
	d.shared.rcode(x.flags&15, x.flags)
	r.DNS.Records = x.records
	r.ResponseStart, r.End, r.ResponseBytes = x.answerStart, x.answerEnd, x.answerBytes
	d.emit(r)
	d.shared.giveBack(x)
}

// expire gives up queries that were sent too long before t.
func (d *dialogue) expire(t time.Duration) {
	for {
		x := d.waiting.Oldest()
		if x == nil || (*x).last+QueryTimeout > t {
			return
		}
		old, _ := d.waiting.Pop()
		d.remember(old.key)
		d.giveUp(old, "timeout", old.last+QueryTimeout)
	}
}

// giveUp reports a query without an answer.
func (d *dialogue) giveUp(x *exchange, reason string, t time.Duration) {
	if lost := d.lostAt[x.key.dir.Other()]; lost > 0 && lost >= x.start {
		reason = "lost"
	}
	r := d.shared.report(x, nil)
	r.Outcome, r.Reason, r.End = model.OutcomeIncomplete, reason, t
	if x.answered > 0 {
		r.ResponseStart, r.ResponseBytes, r.DNS.Records = x.answerStart, x.answerBytes, x.records
	}
	d.emit(r)
	d.shared.giveBack(x)
}

func (d *dialogue) emit(r *model.Request) {
	r.Transport = d.transport
	d.shared.env.Emit(r)
}

// finish gives up all queries, at the end of the connection.
func (d *dialogue) finish(c protocol.Close) {
	d.expire(c.Time)
	reason := c.Reason
	if reason == "" {
		reason = "connection_closed"
	}
	for x, ok := d.waiting.Pop(); ok; x, ok = d.waiting.Pop() {
		d.giveUp(x, reason, c.Time)
	}
}
