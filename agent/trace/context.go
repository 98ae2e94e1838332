// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"time"

	"sonde/agent/model"
)

// maxAlike bounds the requests of one trace in one process that are looked at.
const maxAlike = 16

// indexTrace lets requests that the process sends find the request that it received in the same trace.
func (t *Tracer) indexTrace(r *request) {
	k := traceKey{r.pid, r.context.TraceID}
	l := t.traces[k]
	l.push(r, inTrace)
	t.traces[k] = l
	r.indexed = true
}

// passOut judges the context that a client's request carries. What came in and goes out unchanged was passed on by a process
// that makes no spans: the request is a child of the one that brought it. Else whoever wrote the header gave the request this
// identifier, and it is adopted, unless another attempt has it already.
func (t *Tracer) passOut(r *request) {
	var from *request
	several := false
	n := 0
	for s := t.inbound(r); s != nil && n < maxAlike; s = s.links[inTrace].next {
		n++
		if s.open(r.start) && s.context.SpanID == r.context.SpanID {
			several = from != nil
			from, r.passed = s, true
		}
	}
	switch {
	case several:
	case r.passed:
		t.link(r, from, model.EvidenceHeader)
	default:
		t.adopt(r)
	}
}

func (t *Tracer) inbound(r *request) *request {
	if r.pid == 0 {
		return nil
	}
	return t.traces[traceKey{r.pid, r.context.TraceID}].first
}

// adopt gives a request the identifier that its context has. Where another process has it, that one handed the context on,
// through this process, which was not seen to receive it.
func (t *Tracer) adopt(r *request) {
	k := spanKey{r.context.TraceID, r.context.SpanID}
	switch first := t.adopters[k]; {
	case first == nil && r.kept:
		r.id, r.adopted = r.context.SpanID, true
		t.adopters[k] = r
	case first == nil: // there is no room to remember who has it
	case first.pid != r.pid && r.pid != 0 && first.pid != 0:
		t.link(r, first, model.EvidenceHeader)
	}
}

// passWire does the same for a capture, which knows no processes: a request is a hop of another when it was sent by the host
// that received that one.
func (t *Tracer) passWire(r *request) {
	if !r.carries {
		return
	}
	k := spanKey{r.context.TraceID, r.context.SpanID}
	switch first := t.adopters[k]; {
	case first == nil && r.kept:
		r.id, r.adopted = r.context.SpanID, true
		t.adopters[k] = r
	case first == nil:
	case r.client == first.server && r.client != r.server:
		t.link(r, first, model.EvidenceHeader)
	}
}

// knownTrace returns the trace of a request as far as it is known now, without settling it.
func (t *Tracer) knownTrace(r *request) model.TraceID {
	for range maxChain {
		switch {
		case r == nil:
			return model.TraceID{}
		case r.sealed:
			return r.trace
		case r.carries:
			return r.context.TraceID
		}
		r = r.parent.get()
	}
	return model.TraceID{}
}

// fallBack finds the parent of a client's request in the trace that its context says, once nothing else will: the only
// request of that trace that the process has, or what caused another attempt.
func (t *Tracer) fallBack(r *request) {
	if r.passed { // several requests brought it: whichever passed it on, this is above them
		r.parentID, r.remote, r.evidence = r.context.SpanID, true, model.EvidenceHeader
		if first := t.adopters[spanKey{r.context.TraceID, r.context.SpanID}]; first != nil && first != r {
			t.link(r, first, model.EvidenceHeader)
		}
		return
	}
	if s := t.inbound(r); s != nil && s.links[inTrace].next == nil && s.start <= r.start && s.open(r.start) {
		t.link(r, s, model.EvidenceHeader)
		return
	}
	first := t.adopters[spanKey{r.context.TraceID, r.context.SpanID}]
	if first != nil && first != r {
		if p := first.parent.get(); p != nil {
			t.link(r, p, first.evidence)
		}
	}
}

// open tells whether a request was on its way at a time after its beginning.
func (r *request) open(at time.Duration) bool { return !r.finished || r.end > at }

// circular tells whether r, whose identifier or parent is one that the wire says, would be above itself: identifiers on the
// wire need not make sense. What is not remembered any more may be anything.
func (t *Tracer) circular(r *request) bool {
	switch {
	case r.adopted:
		for n, a := 0, r.parent.get(); a != nil; n, a = n+1, a.parent.get() {
			gone := !a.remote && !a.parentID.IsZero() && a.parent.get() == nil
			if gone || n > maxChain || a.remote && a.parentID == r.id {
				return true
			}
		}
	case r.remote:
		n := 0
		for a := t.adopters[spanKey{r.context.TraceID, r.parentID}]; a != nil; a = a.parent.get() {
			if n++; a == r || n > maxChain {
				return true
			}
		}
	}
	return false
}

// seal settles the place of a request and of all above it.
func (t *Tracer) seal(r *request) {
	if r.sealed {
		return
	}
	p := r.parent.get()
	if p == nil && r.carries && r.role == model.RoleClient {
		t.fallBack(r)
		p = r.parent.get()
	}
	r.sealed = true
	if p != nil {
		t.seal(p)
		r.trace, r.origin, r.foreign = p.trace, p.origin, p.foreign
		if r.carries && r.context.TraceID != p.trace { // what was above the parent became known too late
			p = nil
		}
	}
	if p == nil && !r.remote {
		r.parentID, r.evidence = model.SpanID{}, model.EvidenceNone
	}
	switch {
	case r.carries:
		r.trace, r.origin, r.foreign = r.context.TraceID, r.context, true
		if p == nil && r.role == model.RoleServer {
			r.parentID, r.remote, r.evidence = r.context.SpanID, true, model.EvidenceHeader
		}
		if t.circular(r) {
			r.parent, r.parentID, r.remote, r.evidence = ref{}, model.SpanID{}, false, model.EvidenceNone
		}
	case p == nil:
		r.trace, r.foreign = traceID(r.hash), false
	}
}
