// SPDX-License-Identifier: Apache-2.0

// Package pipeline joins the stages from a source's records to the sinks, in one straight line on one goroutine.
//
// The kernel's ring is the only queue before the sinks, so what cannot be kept up with is lost in one place and counted
// there. It owns the order of start and stop and nothing of what the stages do. Built by cmd/sonde.
package pipeline

import (
	"context"
	"sync"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/source"
)

// Sink takes what the pipeline finds. Pointers are valid during the call. Calls come from the pipeline's goroutine, so a
// slow sink holds up the reading of the ring: one that waits for others has a queue of its own.
type Sink interface {
	Request(r *model.Request)
	Flow(f *model.Flow, d model.FlowDelta)
	Lost(l *model.Loss)
}

// Dropper is a Sink that wants to know of packets that the kernel dropped, by reason.
type Dropper interface {
	Drops(reason string, packets uint64)
}

// Ticker is a Sink that wants to know when a batch of records is through.
type Ticker interface {
	Tick(now time.Duration)
}

// Tracer gives requests their place in traces. agent/trace has one.
type Tracer interface {
	conn.Tracer
	// Finish sets r.Span.
	Finish(r *model.Request)
	Tick(now time.Duration)
}

// Annotator adds to a request what only other requests can tell. agent/route has one.
type Annotator interface {
	Annotate(r *model.Request)
}

// Pipeline runs the stages.
type Pipeline struct {
	tracker    *conn.Tracker
	annotators []Annotator
	tracer     Tracer // nil when nobody traces
	sinks      []Sink

	mu    sync.Mutex // of stats, which scrapes read
	stats conn.Stats
	now   time.Duration
}

// New makes a pipeline. The sinks are called in the order given.
func New(c conn.Config, identify conn.Identify, interfaceName func(uint32) string, sinks ...Sink) *Pipeline {
	p := &Pipeline{sinks: sinks}
	p.tracker = conn.New(c, identify, interfaceName, (*output)(p))
	return p
}

// Trace has a tracer finish each request before the sinks get it. To be called before Run.
func (p *Pipeline) Trace(t Tracer) {
	p.tracer = t
	p.tracker.Trace(t)
}

// Annotate has annotators see each request, in the order given, before the tracer and the sinks get it. To be called before
// Run.
func (p *Pipeline) Annotate(a ...Annotator) { p.annotators = append(p.annotators, a...) }

// Run reads the source to its end or until ctx is done, then reports what is still open and returns.
func (p *Pipeline) Run(ctx context.Context, s source.Source) error {
	err := s.Run(ctx, p)
	p.tracker.Stop(p.now)
	p.Tick(p.now + 1) // a moment of its own: who looked at metrics since the last tick has not seen what the stop reported
	return err
}

// Record implements source.Receiver.
func (p *Pipeline) Record(r source.Record) { p.tracker.Record(r) }

// Tick implements source.Receiver.
func (p *Pipeline) Tick(now time.Duration) {
	p.now = now
	p.tracker.Tick(now)
	if p.tracer != nil {
		p.tracer.Tick(now)
	}
	for _, s := range p.sinks {
		if t, ok := s.(Ticker); ok {
			t.Tick(now)
		}
	}
	p.mu.Lock()
	p.stats = p.tracker.Stats()
	p.mu.Unlock()
}

// Stats returns the counts of the last tick. Safe for concurrent use.
func (p *Pipeline) Stats() conn.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// output hands what the tracker finds to each sink.
type output Pipeline

func (o *output) Request(r *model.Request) {
	for _, a := range o.annotators {
		a.Annotate(r)
	}
	if o.tracer != nil {
		o.tracer.Finish(r)
	}
	for _, s := range o.sinks {
		s.Request(r)
	}
}

func (o *output) Flow(f *model.Flow, d model.FlowDelta) {
	for _, s := range o.sinks {
		s.Flow(f, d)
	}
}

func (o *output) Lost(l *model.Loss) {
	for _, s := range o.sinks {
		s.Lost(l)
	}
}

func (o *output) Drops(reason string, packets uint64) {
	for _, s := range o.sinks {
		if d, ok := s.(Dropper); ok {
			d.Drops(reason, packets)
		}
	}
}
