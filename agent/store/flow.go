// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"net/netip"
	"time"

	"sonde/agent/model"
)

// Connections that go on are reported every reportEvery (conn.Config.FlowInterval), those on which nothing passes are not. A
// connection of which nothing was heard for a little longer has been silent.
const (
	reportEvery = 10 * time.Second
	silentAfter = reportEvery + 2*time.Second
)

// flow is a report of a connection. It never changes: the next report has a flow of its own.
type flow struct {
	model.Flow
	clientName, serverName string // the server's without its port where it is an address
	at                     time.Duration
	ends                   uint64 // hash of both addresses, the same in the reports of both ends
	over                   bool   // this was the last report
	points                 []point
}

// point is how much had passed at a time. Points of a flow share their array with those of its earlier reports.
type point struct {
	at             time.Duration
	sent, received uint64
}

// flowTable keeps the newest report of each flow.
type flowTable struct {
	limit   int
	index   map[uint64]int // by Conn, into reports
	reports []*flow
	ended   []ended // in the order in which they ended
	begun   queue   // the others, in the order in which they were first heard of, and some that are gone
	open    [2]int  // connections that go on by view, those that both ends report once
	dropped bool    // some were forgotten for want of room
}

type ended struct {
	conn uint64
	at   time.Duration
}

// queue holds connections, first in, first out.
type queue struct{ conns []uint64 }

func newFlowTable(limit int) flowTable { return flowTable{limit: limit, index: map[uint64]int{}} }

// Flow implements pipeline.Sink.
func (s *Store) Flow(f *model.Flow, d model.FlowDelta) {
	if !s.watched.Load() {
		return
	}
	next := &flow{Flow: *f, over: d.Final, ends: s.endsOf(f)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(f.End)
	next.at = s.now
	next.clientName = s.clientName(&f.Client)
	next.serverName = s.serverName(&model.Endpoint{Addr: netip.AddrPortFrom(f.Server.Addr.Addr(), 0), Process: f.Server.Process})
	s.flows.put(next, d)
	s.countBytes(f, d)
}

func (s *Store) endsOf(f *model.Flow) uint64 {
	return maphash.Comparable(s.seed, ends{f.Client.Addr, f.Server.Addr, f.Transport})
}

// ends are those of a connection. Network namespaces may repeat addresses, but each end may be in one of its own, so that these
// are no part of it.
type ends struct {
	client, server netip.AddrPort
	transport      string
}

// countBytes leaves out the server's report of a connection whose client reports it too.
func (s *Store) countBytes(f *model.Flow, d model.FlowDelta) {
	bytes := d.BytesTransmitted + d.BytesReceived
	switch {
	case f.View == model.ViewInterface:
		s.packets.add(s.second, bytes)
	case !twin(f):
		s.sockets.add(s.second, bytes)
	}
}

// put replaces the report of a flow.
func (t *flowTable) put(next *flow, d model.FlowDelta) {
	i, known := t.index[next.Conn]
	if known {
		was := t.reports[i]
		next.points = was.points
		next.over = next.over || was.over
		t.tell(was, -1)
		t.tell(next, 1)
		if next.over && !was.over {
			t.ended = append(t.ended, ended{next.Conn, next.at})
		}
		next.mark(d)
		t.reports[i] = next
		return
	}
	next.mark(d)
	t.tell(next, 1)
	for len(t.reports) >= t.limit {
		t.makeRoom()
	}
	t.index[next.Conn] = len(t.reports)
	t.reports = append(t.reports, next)
	if next.over {
		t.ended = append(t.ended, ended{next.Conn, next.at})
		return
	}
	t.begun.push(next.Conn, len(t.reports), t.index)
}

// tell counts a connection that goes on. The server's report of one whose client reports it too is left out.
func (t *flowTable) tell(f *flow, n int) {
	if f.open() && !twin(&f.Flow) {
		t.open[f.View&1] += n
	}
}

// twin tells whether f is the second report of a connection both of whose ends are observed.
func twin(f *model.Flow) bool {
	return f.View == model.ViewSocket && f.Role == model.RoleServer && f.Client.Process != nil
}

// makeRoom forgets the flow that ended first, or without one that is over the one that was heard of first.
func (t *flowTable) makeRoom() {
	t.dropped = true
	if len(t.ended) > 0 {
		t.remove(t.ended[0].conn)
		t.ended = t.ended[1:]
		return
	}
	t.remove(t.begun.pop())
}

func (t *flowTable) remove(conn uint64) {
	i, known := t.index[conn]
	if !known {
		return
	}
	t.tell(t.reports[i], -1)
	last := len(t.reports) - 1
	t.reports[i] = t.reports[last]
	t.index[t.reports[i].Conn] = i
	t.reports[last] = nil
	t.reports = t.reports[:last]
	delete(t.index, conn)
}

// expire forgets flows that ended before the longest window.
func (t *flowTable) expire(now time.Duration) {
	n := 0
	for n < len(t.ended) && now-t.ended[n].at > keepCoarse*time.Second {
		t.remove(t.ended[n].conn)
		n++
	}
	t.ended = t.ended[n:]
}

// push drops what is gone once that is most of the queue.
func (q *queue) push(conn uint64, live int, index map[uint64]int) {
	if len(q.conns) > 2*live+1024 {
		kept := make([]uint64, 0, 2*live)
		for _, c := range q.conns {
			if _, known := index[c]; known {
				kept = append(kept, c)
			}
		}
		q.conns = kept
	}
	q.conns = append(q.conns, conn)
}

func (q *queue) pop() uint64 {
	conn := q.conns[0]
	q.conns = q.conns[1:]
	return conn
}

// mark adds a point for what has passed up to now. The first report has one for its beginning as well.
func (f *flow) mark(d model.FlowDelta) {
	now := point{f.at, f.BytesSent, f.BytesReceived}
	if len(f.points) == 0 {
		f.points = append(make([]point, 0, 2), f.beginning(d), now)
		return
	}
	last := f.points[len(f.points)-1]
	now.sent, now.received = max(now.sent, last.sent), max(now.received, last.received)
	if len(f.points) == cap(f.points) {
		f.points = thin(f.points, f.at)
	}
	f.points = append(f.points, now)
}

// beginning is the point before the first report: what the report does not add had passed by then. That was when the flow
// began, or one report ago where the store comes later than the flow.
func (f *flow) beginning(d model.FlowDelta) point {
	sent, received := d.BytesTransmitted, d.BytesReceived
	if f.Role == model.RoleServer {
		sent, received = received, sent
	}
	if f.View == model.ViewInterface && sent+received == f.BytesSent+f.BytesReceived { // from either end
		sent, received = f.BytesSent, f.BytesReceived
	}
	p := point{at: f.at - reportEvery}
	p.sent, p.received = f.BytesSent-min(f.BytesSent, sent), f.BytesReceived-min(f.BytesReceived, received)
	if f.Start > 0 && !f.JoinedMid && p.sent+p.received == 0 {
		p.at = f.Start
	}
	p.at = min(p.at, f.at)
	return p
}

// thin returns the points that rates need, with room for more: all of the shortest window, one every few seconds of a
// minute, one a minute of the rest.
func thin(all []point, now time.Duration) []point {
	kept := make([]point, 0, 2*len(all))
	for i, p := range all {
		age := now - p.at
		apart := time.Duration(0)
		switch {
		case age > time.Minute+reportEvery:
			apart = time.Minute
		case age > 2*reportEvery:
			apart = reportEvery / 2
		}
		outOfReach := i+1 < len(all) && now-all[i+1].at > keepCoarse*time.Second
		if outOfReach || len(kept) > 0 && p.at-kept[len(kept)-1].at < apart {
			continue
		}
		kept = append(kept, p)
	}
	return append(make([]point, 0, 2*len(kept)), kept...)
}

// passed returns how much had passed at a time, evenly between two points.
func (f *flow) passed(at time.Duration) (sent, received float64) {
	for i := len(f.points) - 1; i >= 0; i-- {
		p := f.points[i]
		if p.at > at {
			continue
		}
		sent, received = float64(p.sent), float64(p.received)
		if i+1 < len(f.points) {
			next := f.points[i+1]
			part := float64(at-p.at) / float64(next.at-p.at)
			sent += part * float64(next.sent-p.sent)
			received += part * float64(next.received-p.received)
		}
		return sent, received
	}
	return float64(f.points[0].sent), float64(f.points[0].received)
}

// rates returns bytes a second within the window. The window of an open connection ends with its last report, as long as the
// next one is not overdue: bytes that were not reported yet are no pause.
func (f *flow) rates(s *span) (sent, received float64) {
	end := s.now
	if !f.over && s.now-f.at <= silentAfter {
		end = f.at
	}
	last := f.points[len(f.points)-1]
	fromSent, fromReceived := f.passed(end - s.window)
	seconds := max(min(s.covered, s.window), time.Second).Seconds()
	return (float64(last.sent) - fromSent) / seconds, (float64(last.received) - fromReceived) / seconds
}

// open tells whether the connection goes on as far as is known. A last report that says so is that of an observation that ends.
func (f *flow) open() bool { return !f.over || f.State == model.FlowActive }

// failed tells whether the connection came to an end that nobody wanted.
func (f *flow) failed() bool {
	switch f.State {
	case model.FlowActive, model.FlowClosed:
		return false
	}
	return true
}

// local returns the process whose socket was observed, nil when it is not known.
func (f *flow) local() *model.Process {
	if f.View == model.ViewInterface {
		return nil
	}
	if f.Role == model.RoleServer {
		return f.Server.Process
	}
	return f.Client.Process
}
