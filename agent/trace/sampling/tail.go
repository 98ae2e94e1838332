// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"math"
	"sync"
	"time"

	"sonde/agent/model"
)

// Sink is what stands behind the tail sampler: as pipeline.Sink. A Tick is passed on to those that have one.
type Sink interface {
	Request(r *model.Request)
	Flow(f *model.Flow, d model.FlowDelta)
	Lost(l *model.Loss)
}

// Meaning is what the conventions, which this package does not know, say of a request.
type Meaning struct {
	Failed     func(r *model.Request) bool             // its span has the status Error
	AppendName func(b []byte, r *model.Request) []byte // of its span
}

// Counts of the tail sampler. The first three are of now, the others since the start.
type Counts struct {
	Traces, Spans, Bytes int // held

	KeptErrors, KeptSlow uint64 // traces
	Kept                 uint64 // spans of them
	Dropped              uint64 // spans of traces that no rule kept
	Denied               uint64 // spans that a remote parent decided against
	Evicted              uint64 // spans that gave way to others before it was known whether a rule keeps them
	OverLimit            uint64 // spans that one trace had too many
	OverBudget           uint64 // spans that were slow when the budget was spent
}

// Tail passes on the spans that the head sampler chose, and of those that it left out the traces that a rule keeps. It holds
// the others until their trace is over. Spans are the requests of one node: what others saw of a trace is not known here.
//
// A trace is kept once one of its spans says so; what was held then passes on, and what follows at once. Time comes from Tick
// and from nowhere else. Not safe for concurrent use, but for Counts.
type Tail struct {
	c       Config
	meaning Meaning
	next    Sink

	now    time.Duration
	traces table
	names  latencies
	budget budget
	out    model.Request // a span on its way that must say why it was kept

	counts    Counts
	mu        sync.Mutex // of published
	published Counts
}

// NewTail returns a tail sampler in front of next. c must be valid.
func NewTail(c Config, m Meaning, next Sink) *Tail {
	return &Tail{
		c: c, meaning: m, next: next,
		traces: table{byID: make(map[model.TraceID]*held)},
		names:  latencies{appendName: m.AppendName, most: c.MaxNames, least: c.SlowAfter},
		budget: budget{perSecond: c.SlowPerSecond, tokens: c.SlowPerSecond},
	}
}

// Request takes a request of the pipeline. r is valid during the call and is not changed.
func (t *Tail) Request(r *model.Request) {
	s := &r.Span
	switch {
	case s.Sampled, s.TraceID.IsZero(), t.c.Keep == 0:
		t.next.Request(r)
		return
	case s.Denied:
		t.counts.Denied++
		return
	}
	slow := t.c.Keep&KeepSlow != 0 && t.names.slow(r)
	h := t.traces.byID[s.TraceID]
	if h == nil {
		h = t.traces.begin(s.TraceID, t.now, t.now+t.c.MaxAge)
	}
	if h.kept == "" {
		t.keep(h, t.reason(r, slow))
	}
	t.take(h, r)
	// What is still under way may have begun before the local root was over, so that the end is put off.
	if root := s.Parent.IsZero() || s.ParentRemote; root && (h.in == &t.traces.open || t.now < h.begun+t.c.MaxAge) {
		t.traces.finish(h, t.now+t.c.Grace)
	}
	t.bound()
}

func (t *Tail) take(h *held, r *model.Request) {
	switch {
	case r.Span.Silenced: // it may speak for its trace, but is exported by the process itself
	case h.kept != "":
		t.pass(r, h.kept)
	case len(h.spans) >= t.c.MaxTraceSpans:
		t.counts.OverLimit++
	default:
		t.traces.add(h, r)
	}
}

// Flow passes f on.
func (t *Tail) Flow(f *model.Flow, d model.FlowDelta) { t.next.Flow(f, d) }

// Lost passes l on.
func (t *Tail) Lost(l *model.Loss) { t.next.Lost(l) }

// Tick drops the traces that are over and that no rule kept.
func (t *Tail) Tick(now time.Duration) {
	t.now = now
	t.budget.refill(now)
	t.drop(now)
	if n, ok := t.next.(interface{ Tick(now time.Duration) }); ok {
		n.Tick(now)
	}
}

// Close drops what is held. Nothing that a rule would have kept is among it: such traces passed on when it was known.
func (t *Tail) Close() { t.drop(math.MaxInt64) }

func (t *Tail) drop(now time.Duration) {
	for h := t.traces.due(now); h != nil; h = t.traces.due(now) {
		t.counts.Dropped += uint64(t.traces.end(h))
	}
	t.counts.Traces, t.counts.Spans, t.counts.Bytes = len(t.traces.byID), t.traces.spans, t.traces.bytes
	t.mu.Lock()
	t.published = t.counts
	t.mu.Unlock()
}

// Counts returns those of the last Tick. Safe for concurrent use.
func (t *Tail) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published
}

// The values of model.Span.Kept.
const (
	keptError = "error"
	keptSlow  = "slow"
)

func (t *Tail) reason(r *model.Request, slow bool) string {
	switch {
	case t.c.Keep&KeepErrors != 0 && t.meaning.Failed(r):
		t.counts.KeptErrors++
		return keptError
	case !slow:
		return ""
	case !t.budget.take():
		t.counts.OverBudget++
		return ""
	}
	t.counts.KeptSlow++
	return keptSlow
}

// keep passes on what is held of h if there is a reason.
func (t *Tail) keep(h *held, why string) {
	if why == "" {
		return
	}
	h.kept = why
	for _, s := range h.spans {
		t.pass(s, why)
	}
	t.traces.empty(h)
}

func (t *Tail) pass(r *model.Request, why string) {
	t.counts.Kept++
	t.out = *r
	t.out.Span.Kept = why
	t.next.Request(&t.out)
	t.out = model.Request{} // holds on to nothing
}

// bound drops the oldest traces while more is held than may be.
func (t *Tail) bound() {
	for t.traces.spans > t.c.MaxSpans || t.traces.bytes > t.c.MaxBytes || len(t.traces.byID) > t.c.MaxSpans {
		t.counts.Evicted += uint64(t.traces.end(t.traces.oldest()))
	}
}
