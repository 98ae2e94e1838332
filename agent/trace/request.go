// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"net/netip"
	"time"

	"sonde/agent/model"
)

// request is one end's view of a request, from its beginning until some time after its end: its children may be known later.
type request struct {
	index, gen uint32

	role   model.Role
	stream uint32
	pid    uint32 // at the observed end, 0 when not known
	tuple  uint64 // of its connection
	hash   uint64
	netns  uint32
	client netip.Addr
	server netip.Addr
	port   uint16 // of the server
	ends   endKey

	start time.Duration
	from  time.Duration // server: since when its actor works on it
	end   time.Duration // once finished

	decided  bool // its sender is known, or will not be
	sealed   bool // the trace is known: nothing about its place changes any more
	finished bool
	live     bool // server: its actor works on it
	vague    bool // live there or elsewhere: counts against others, and causes nothing
	listed   bool // in Tracer.ends
	rivals   bool // another one was there, and waited for an end like it
	adopted  bool // has the identifier that the wire says
	indexed  bool // in Tracer.traces
	passed   bool // client: carries the context that a request of the same process came with
	kept     bool // takes up room in the table

	context model.SpanContext // that came with it
	carries bool              // context is set
	pushed  bool              // the server sent it unasked

	id       model.SpanID
	trace    model.TraceID // when sealed
	parent   ref
	parentID model.SpanID
	remote   bool
	evidence model.Evidence
	origin   model.SpanContext // with which the trace came here, when sealed
	foreign  bool              // origin is set

	helpers [2]actorRef // actors started for it that sent several times

	conn  *connection
	reads *process // server: that is to read it, until it was seen to
	actor *actor
	proc  *process

	links [linkKinds]link
}

// The lists that a request may be in.
const (
	inOrder = iota // of beginning, then of end
	onConn         // open ones
	onActor        // live ones
	inTrace        // server requests of a process with the same trace on the wire
	linkKinds
)

type link struct{ prev, next *request }

// list is linked through its members, so that nothing is allocated.
type list struct{ first, last *request }

func (l *list) push(r *request, kind int) {
	r.links[kind] = link{prev: l.last}
	if l.last != nil {
		l.last.links[kind].next = r
	} else {
		l.first = r
	}
	l.last = r
}

func (l *list) remove(r *request, kind int) {
	k := &r.links[kind]
	if k.prev != nil {
		k.prev.links[kind].next = k.next
	} else {
		l.first = k.next
	}
	if k.next != nil {
		k.next.links[kind].prev = k.prev
	} else {
		l.last = k.prev
	}
	*k = link{}
}

// ref is a request that may have left the table since.
type ref struct {
	r   *request
	gen uint32
}

func (r *request) ref() ref { return ref{r, r.gen} }

// get returns nil when there is none, or none any more.
func (f ref) get() *request {
	if f.r == nil || f.r.gen != f.gen {
		return nil
	}
	return f.r
}

// token is what model.Request.Begun says.
func (r *request) token() uint64 { return uint64(r.gen)<<32 | uint64(r.index+1) }

// byToken returns the request that Begin returned a token for, nil when it has left the table.
func (t *Tracer) byToken(token uint64) *request {
	i := uint32(token) - 1
	if token == 0 || i >= uint32(len(t.requests)) {
		return nil
	}
	if r := t.requests[i]; r.kept && r.gen == uint32(token>>32) {
		return r
	}
	return nil
}

// take returns an empty request, nil when the table is full of open ones.
func (t *Tracer) take() *request {
	if n := len(t.free); n > 0 {
		r := t.free[n-1]
		t.free = t.free[:n-1]
		r.kept = true
		return r
	}
	if len(t.requests) < t.config.MaxRequests {
		r := &request{index: uint32(len(t.requests)), kept: true}
		t.requests = append(t.requests, r)
		return r
	}
	if r := t.done.first; r != nil {
		t.forgetEnded(r)
		return t.take()
	}
	t.stats.Full++
	return nil
}

// drop forgets a request that is in order.
func (t *Tracer) drop(r *request, order *list) {
	t.unlist(r)
	order.remove(r, inOrder)
	*r = request{index: r.index, gen: r.gen + 1}
	t.free = append(t.free, r)
}

// unlist removes a request from everything that it can be found by.
func (t *Tracer) unlist(r *request) {
	if r.conn != nil {
		r.conn.open.remove(r, onConn)
		r.conn = nil
	}
	t.wasRead(r)
	if r.live {
		t.leave(r, r.end)
	}
	if end := t.ends[endOf(r.role)]; r.listed && end[r.ends] == r {
		delete(end, r.ends)
	}
	if k := (spanKey{r.context.TraceID, r.context.SpanID}); r.adopted && t.adopters[k] == r {
		delete(t.adopters, k)
	}
	if r.indexed {
		k := traceKey{r.pid, r.context.TraceID}
		l := t.traces[k]
		if l.remove(r, inTrace); l.first == nil {
			delete(t.traces, k)
		} else {
			t.traces[k] = l
		}
	}
}
