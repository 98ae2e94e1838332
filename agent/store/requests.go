// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/units"
	"sonde/agent/view"
)

// requestsPage lists the kept requests of the window. An exchange that was seen at both ends is listed once, as the end saw it
// that was done first: the server's, which has sent the answer before the client has it. Where that one is no part of what is
// asked for (--role client, a connection, a process), the other is.
func (b *builder) requestsPage() {
	total := b.requestsTotal()
	if total != nil && b.q.Sort == "time" && b.requestScope().unbound {
		b.newest()
	} else {
		total = b.pickRequests(total)
	}
	b.total(total)
}

// requestsTotal counts the requests of the page where slots can tell, nil otherwise.
func (b *builder) requestsTotal() []pair {
	for _, k := range []kind{edges, routes} {
		if b.filter == nil && answers(k, &b.q.Within) {
			all := b.tally(k)
			if all == nil {
				all = []pair{}
			}
			return all
		}
	}
	return nil
}

// newest lists by time, for which nothing has to be looked through.
func (b *builder) newest() {
	r := &b.w.ring
	from, _ := b.keptSince()
	n := r.end - from
	b.out.Rows = int(n - r.twinsSince(from))
	skip := b.q.Offset
	for i := uint64(0); i < n && len(b.out.Requests) < b.q.Limit; i++ {
		id := r.end - 1 - i
		if b.q.Reverse {
			id = from + i
		}
		e := r.get(id)
		switch {
		case e.twin != 0:
		case skip > 0:
			skip--
		default:
			b.out.Requests = append(b.out.Requests, b.requestRow(id, e))
		}
	}
}

// pickRequests looks through the kept requests. It adds them up unless total is known already.
func (b *builder) pickRequests(total []pair) []pair {
	var t tallies
	all := b.picker()
	span := b.span
	b.eachRequest(func(id uint64, e *entry) {
		if !b.second(e) {
			all.add(b.requestOrder(id, e))
		}
		if total == nil {
			o := e.observation()
			t.of(e.groups[edges]).at(e.side(), &t.room).observe(&o, b.span.part(e.at))
		}
	})
	if total != nil {
		b.span, total = span, append(total, t.all...) // counted in slots, which reach further than what is kept
	} else {
		total = t.all
	}
	first := b.w.ring.first
	b.out.Rows = all.rows
	for _, i := range all.pick() {
		id := first + uint64(i)
		b.out.Requests = append(b.out.Requests, b.requestRow(id, b.w.ring.get(id)))
	}
	return total
}

// second tells whether the other observation of the same exchange is listed.
func (b *builder) second(e *entry) bool {
	if e.twin == 0 {
		return false
	}
	first := b.w.ring.find(e.twin)
	return first != nil && b.requestScope().passes(e.twin, first)
}

// requestOrder places the newest first where all else is equal.
func (b *builder) requestOrder(id uint64, e *entry) order {
	o := order{row: int(id - b.w.ring.first), id: ^id}
	switch b.q.Sort {
	case "time":
		o.number = float64(id)
	case "duration":
		o.number = float64(e.took)
	case "bytes":
		o.number = float64(e.request.RequestBytes) + float64(e.request.ResponseBytes)
	case "server":
		o.text = b.serverOf(e)
	case "status": // errors have the higher ones in most protocols
		b.scratch = b.w.words.AppendStatus(b.scratch[:0], e.request)
		o.number = statusNumber(b.scratch)
		if o.number == 0 {
			o.text = string(b.scratch)
		}
	}
	return o
}

// statusNumber reads a number, 0 for what is none.
func statusNumber(status []byte) float64 {
	n := 0
	for _, c := range status {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return float64(n)
}

// requestRow shows a kept request.
func (b *builder) requestRow(id uint64, e *entry) view.Request {
	r := e.request
	row := view.Request{
		ID: id, Time: b.w.clock.Wall(r.Start), Duration: e.took, Protocol: r.Protocol.String(), Role: roleName(r.Role),
		Client: b.clientOf(e), Server: b.serverOf(e), Outcome: outcomeOf(e), EndUnseen: e.flags&entryIncomplete != 0, Reason: r.Reason, Error: r.ErrorType,
		Slow: e.flags&entrySlow != 0, BytesIn: r.RequestBytes, BytesOut: r.ResponseBytes, SRTT: r.TCP.SRTT, Retrans: r.TCP.Retransmits,
		Conn: r.Conn, Evidence: r.Span.Evidence.String(), Operation: b.operation(e),
	}
	b.scratch = b.w.words.AppendTarget(b.scratch[:0], r)
	row.Target = string(b.scratch)
	b.scratch = b.w.words.AppendStatus(b.scratch[:0], r)
	if row.Status = string(b.scratch); row.Status == "-" {
		row.Status = ""
	}
	if !r.Span.TraceID.IsZero() {
		row.TraceID, row.SpanID = r.Span.TraceID.String(), r.Span.SpanID.String()
	}
	if !r.Span.Parent.IsZero() {
		row.ParentID = r.Span.Parent.String()
	}
	if p := observed(r); p != nil {
		row.PID = p.PID
	}
	return row
}

func roleName(r model.Role) string {
	if r == model.RoleUnknown {
		return model.RoleWire.String()
	}
	return r.String()
}

func outcomeOf(e *entry) string {
	switch {
	case e.request.Outcome == model.OutcomeIncomplete:
		return model.OutcomeIncomplete.String()
	case e.flags&entryFailed != 0:
		return model.OutcomeError.String()
	}
	return model.OutcomeOK.String()
}

// observed is the process at the observed end.
func observed(r *model.Request) *model.Process { return r.Local().Process }

// tracePage lists the kept spans of a trace, parents before children and these by their beginning.
func (b *builder) tracePage() {
	scope := b.requestScope()
	var spans []uint64
	for id := b.w.ring.first; id < b.w.ring.end; id++ {
		if scope.passes(id, b.w.ring.get(id)) {
			spans = append(spans, id)
		}
	}
	rows := b.waterfall(spans)
	b.out.Rows = len(rows)
	from := min(b.q.Offset, len(rows))
	b.out.Requests = rows[from:min(from+b.q.Limit, len(rows))]
	if len(rows) == 0 {
		b.note("no request of this trace is kept any more")
	}
}

// waterfall orders spans depth first. A span whose parent is not kept is a root, as is the first of those that are each other's
// parents.
func (b *builder) waterfall(ids []uint64) []view.Request {
	r := &b.w.ring
	slices.SortFunc(ids, func(x, y uint64) int {
		return cmp.Or(cmp.Compare(r.get(x).request.Start, r.get(y).request.Start), cmp.Compare(x, y))
	})
	at := map[model.SpanID]uint64{}
	for _, id := range ids {
		at[r.get(id).request.Span.SpanID] = id
	}
	children := map[uint64][]uint64{}
	var roots []uint64
	for _, id := range ids {
		parent, kept := at[r.get(id).request.Span.Parent]
		if !kept || r.get(id).request.Span.Parent.IsZero() {
			roots = append(roots, id)
			continue
		}
		children[parent] = append(children[parent], id)
	}
	rows := make([]view.Request, 0, len(ids))
	done := map[uint64]bool{}
	for _, id := range append(roots, ids...) { // what the roots do not lead to is a circle
		rows = b.descend(rows, id, children, done)
	}
	return rows
}

// descend adds a span and all below it, without recursion: the depth is what the traffic made it.
func (b *builder) descend(rows []view.Request, root uint64, children map[uint64][]uint64, done map[uint64]bool) []view.Request {
	type step struct {
		id    uint64
		depth int
	}
	for todo := []step{{root, 0}}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if done[next.id] {
			continue
		}
		done[next.id] = true
		row := b.requestRow(next.id, b.w.ring.get(next.id))
		row.Depth = next.depth
		rows = append(rows, row)
		for _, child := range slices.Backward(children[next.id]) {
			todo = append(todo, step{child, next.depth + 1})
		}
	}
	return rows
}

// requestPage shows all that is known of one request.
func (b *builder) requestPage() {
	id := b.q.Within.Request
	e := b.w.ring.find(id)
	if e == nil {
		b.note(fmt.Sprintf("request %d is not kept any more", id))
		return
	}
	r := e.request
	d := &view.Detail{
		Request: b.requestRow(id, e), ClientAddr: string(units.AppendAddr(nil, r.Client.Addr)),
		ServerAddr: string(units.AppendAddr(nil, r.Server.Addr)), ClientProcess: processText(r.Client.Process),
		ServerProcess: processText(r.Server.Process), Attributes: b.w.words.Attributes(r),
	}
	d.Sending, d.Waiting, d.Receiving = between(r.Start, r.RequestEnd), between(r.RequestEnd, r.ResponseStart), -1
	if r.ResponseStart > 0 && r.Outcome != model.OutcomeIncomplete {
		d.Receiving = between(r.ResponseStart, r.End)
	}
	if p := observed(r); p != nil {
		d.Container, d.Unit = p.ContainerID, p.Unit
	}
	route := e.groups[routes]
	if all := b.tallySlots(routes, func(g *group) bool { return g.key == route.key }); len(all) > 0 {
		var sum tally
		for i := range all {
			sum.add(all[i].shown())
		}
		red := sum.red(&b.span)
		d.Operations = &red
	}
	b.out.Request, b.out.Rows = d, 1
}

func processText(p *model.Process) string {
	if p == nil {
		return ""
	}
	return string(units.AppendProcess(nil, p))
}

// between is the time from one moment to the other, -1 where one of them was not seen.
func between(from, to time.Duration) time.Duration {
	if from <= 0 || to < from {
		return -1
	}
	return to - from
}
