// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"log/slog"
	"slices"
	"sync"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// Group holds the encoded spans of one process.
type Group struct {
	Process *model.Process // nil when not known
	Bytes   []byte         // one span after the other
	Ends    []int          // of each span in Bytes, ascending
}

// Encoder appends one span to b. It is called from the goroutine that calls Add, one call at a time, and must not keep r.
type Encoder func(b []byte, r *model.Request) []byte

// Queue collects spans. Add is for one or more producers, Run for one goroutine, Stats for all.
type Queue struct {
	config Config
	encode Encoder
	sender Sender
	log    errorLog

	wake chan struct{} // a batch is full

	mu         sync.Mutex
	room       sync.Cond // the sender settled a batch, or stopped
	open       batch     // being filled
	full       []batch   // to be sent, the oldest first
	spare      []*Group  // with memory for the next batch, spareBytes together
	largest    int       // bytes of the largest group that was sealed last
	spareBytes int
	stopped    bool
	stats      Stats
}

// batch is what is sent together. A batch is small in processes: one lookup by map is due only when the process is another
// than that of the span before.
type batch struct {
	groups []*Group
	index  map[*model.Process]int
	last   *Group
	spans  int
	bytes  int
}

// New makes a queue. config must be valid.
func New(config Config, encode Encoder, sender Sender, log *slog.Logger) *Queue {
	q := &Queue{config: config, encode: encode, sender: sender, wake: make(chan struct{}, 1)}
	q.log.logger = log
	q.room.L = &q.mu
	q.stats.Capacity = config.Spans
	return q
}

// Add encodes the span of r into the batch of p's group. It never waits unless the configuration says so.
func (q *Queue) Add(p *model.Process, r *model.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Added++
	for q.isFull() && q.config.Block && !q.stopped {
		q.room.Wait() // there is a sealed batch: the open one alone cannot fill the queue
	}
	switch {
	case q.stopped:
		q.stats.Dropped[Shutdown]++
		return
	case q.isFull():
		q.stats.Dropped[QueueFull]++
		return
	}
	g := q.group(p)
	start := len(g.Bytes)
	g.Bytes = q.encode(g.Bytes, r)
	n := len(g.Bytes) - start
	if n > q.config.BatchBytes {
		g.Bytes = g.Bytes[:start]
		q.stats.Dropped[TooLarge]++
		return
	}
	g.Ends = append(g.Ends, len(g.Bytes))
	q.open.spans++
	q.open.bytes += n
	q.stats.Queued++
	q.stats.QueuedBytes += n
	if q.open.spans >= q.config.BatchSpans || q.open.bytes >= q.config.BatchBytes {
		q.seal()
	}
}

func (q *Queue) isFull() bool {
	return q.stats.Queued >= q.config.Spans || q.stats.QueuedBytes >= q.config.Bytes
}

// seal moves the open batch to those that are to be sent.
func (q *Queue) seal() {
	if q.open.spans == 0 {
		return
	}
	// The only span of a process may have been too large.
	q.open.groups = slices.DeleteFunc(q.open.groups, func(g *Group) bool { return g.Spans() == 0 })
	q.largest = 0
	for _, g := range q.open.groups {
		q.largest = max(q.largest, len(g.Bytes))
	}
	q.full = append(q.full, q.open)
	q.open = batch{}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next batch to send. ok is false when there is none.
func (q *Queue) take() (b batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.full) == 0 {
		return batch{}, false
	}
	b = q.full[0]
	q.full[0] = batch{}
	if q.full = q.full[1:]; len(q.full) == 0 {
		q.full = nil
	}
	q.stats.InFlight = b.spans
	return b, true
}

// Stats returns the counts so far.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

// group returns the group of p in the open batch.
func (q *Queue) group(p *model.Process) *Group {
	b := &q.open
	if b.last != nil && b.last.Process == p {
		return b.last
	}
	if i, ok := b.index[p]; ok {
		b.last = b.groups[i]
		return b.last
	}
	g := q.takeSpare()
	g.Process = p
	if b.index == nil {
		b.index = make(map[*model.Process]int)
	}
	b.index[p] = len(b.groups)
	b.groups = append(b.groups, g)
	b.last = g
	return g
}

// maxSpare bounds the groups that wait for another use. Their memory is that of two batches at most.
const maxSpare = 64

// takeSpare returns an empty group. Those that wait are kept here and in no sync.Pool, which the collector empties: growing a
// batch from nothing copies it once more.
func (q *Queue) takeSpare() *Group {
	n := len(q.spare)
	switch {
	case n == 0 && len(q.open.groups) == 0: // while batches wait for their receiver, each needs new memory
		return &Group{Bytes: make([]byte, 0, q.largest+q.largest/16)}
	case n == 0:
		return new(Group)
	}
	g := q.spare[n-1]
	q.spare[n-1] = nil
	q.spare = q.spare[:n-1]
	q.spareBytes -= cap(g.Bytes)
	return g
}

// release gives the memory of a settled batch to the next.
func (q *Queue) release(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range b.groups {
		if len(q.spare) < maxSpare && q.spareBytes+cap(g.Bytes) <= 2*q.config.BatchBytes {
			g.Process, g.Bytes, g.Ends = nil, g.Bytes[:0], g.Ends[:0]
			q.spare = append(q.spare, g)
			q.spareBytes += cap(g.Bytes)
		}
	}
}

// Spans returns the number of spans of one group.
func (g *Group) Spans() int { return len(g.Ends) }

// Spans returns the number of spans of groups.
func Spans(groups []*Group) int {
	n := 0
	for _, g := range groups {
		n += g.Spans()
	}
	return n
}

// Request adds r's span, if it is to be exported. With Flow and Lost a Queue is a pipeline.Sink, and so is what embeds one.
func (q *Queue) Request(r *model.Request) {
	if Wanted(r) {
		q.Add(r.Local().Process, r)
	}
}

// Flow does nothing: a flow is no span.
func (q *Queue) Flow(*model.Flow, model.FlowDelta) {}

// Lost does nothing: what was lost is a metric.
func (q *Queue) Lost(*model.Loss) {}

// Wanted tells whether exporters of spans are to take r: a span that a sampler chose or a rule kept, and that nobody else
// exports.
func Wanted(r *model.Request) bool {
	s := &r.Span
	return (s.Sampled || s.Kept != "") && !s.Silenced && s.Valid() && semconv.IsSpan(r)
}
