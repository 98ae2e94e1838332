// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"time"

	"sonde/agent/model"
)

// held is a trace whose spans the head sampler left out.
type held struct {
	id    model.TraceID
	spans []*model.Request
	bytes int
	kept  string // "" while nothing speaks for the trace
	begun time.Duration
	due   time.Duration // when it is over

	in             *list
	before, behind *held
}

// list holds traces in the order of the times at which they are due.
type list struct{ first, last *held }

func (l *list) push(h *held) {
	h.in, h.before, h.behind = l, l.last, nil
	if l.last == nil {
		l.first = h
	} else {
		l.last.behind = h
	}
	l.last = h
}

func (l *list) remove(h *held) {
	if h.before == nil {
		l.first = h.behind
	} else {
		h.before.behind = h.behind
	}
	if h.behind == nil {
		l.last = h.before
	} else {
		h.behind.before = h.before
	}
	h.in, h.before, h.behind = nil, nil, nil
}

// table holds the traces, and their requests' memory for another use.
type table struct {
	byID map[model.TraceID]*held
	open list // whose local root is not over, or not known
	over list // whose local root is over

	spans, bytes int
	idle         []*held
	free         []*model.Request
}

// Bounds of what waits for another use.
const (
	mostIdle = 1024
	mostFree = 1024
)

// begin adds a trace that is held until due.
func (t *table) begin(id model.TraceID, now, due time.Duration) *held {
	var h *held
	if n := len(t.idle); n > 0 {
		h = t.idle[n-1]
		t.idle = t.idle[:n-1]
	} else {
		h = new(held)
	}
	h.id, h.begun, h.due = id, now, due
	t.byID[id] = h
	t.open.push(h)
	return h
}

// finish puts the end of a trace at due.
func (t *table) finish(h *held, due time.Duration) {
	h.in.remove(h)
	h.due = due
	t.over.push(h)
}

func (t *table) add(h *held, r *model.Request) {
	var c *model.Request
	if n := len(t.free); n > 0 {
		c = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		c = new(model.Request)
	}
	r.CloneInto(c)
	bytes := c.Footprint()
	h.spans = append(h.spans, c)
	h.bytes += bytes
	t.spans++
	t.bytes += bytes
}

// empty gives back the spans of h.
func (t *table) empty(h *held) {
	t.spans -= len(h.spans)
	t.bytes -= h.bytes
	for i, s := range h.spans {
		if len(t.free) < mostFree {
			t.free = append(t.free, s)
		}
		h.spans[i] = nil
	}
	h.spans, h.bytes = h.spans[:0], 0
}

// end removes h and returns the number of spans that it held.
func (t *table) end(h *held) int {
	n := len(h.spans)
	t.empty(h)
	h.in.remove(h)
	delete(t.byID, h.id)
	h.kept = ""
	if len(t.idle) < mostIdle && cap(h.spans) <= 16 {
		t.idle = append(t.idle, h)
	}
	return n
}

// due returns a trace that is over by now, nil when there is none.
func (t *table) due(now time.Duration) *held {
	for _, l := range [...]*list{&t.over, &t.open} {
		if l.first != nil && l.first.due <= now {
			return l.first
		}
	}
	return nil
}

// oldest returns the trace that began first, or nearly so: the over ones are in another order.
func (t *table) oldest() *held {
	a, b := t.open.first, t.over.first
	if a == nil || b != nil && b.begun < a.begun {
		return b
	}
	return a
}
