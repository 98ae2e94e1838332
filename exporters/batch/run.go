// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sender sends batches. It is called from one goroutine.
type Sender interface {
	// Send delivers groups, none of which is empty, and returns when their fate is known or ctx is done. It must keep
	// neither groups nor what they hold.
	Send(ctx context.Context, groups []*Group) Result
}

// Result is what became of the groups handed to Send. Every span is in exactly one of Sent, Dropped and Rest.
type Result struct {
	Sent      int // spans that the receiver took
	SentBytes int
	Dropped   [ReasonCount]int

	// Rest may be sent again, after After at the earliest: the receiver certainly has nothing of it.
	Rest  []*Group
	After time.Duration

	Err error // for the log, also where everything was sent
}

// Run sends what is added until ctx is done, then what is left, for as long as the configuration allows, and returns nil.
// What is added later is dropped, so end the producers first.
func (q *Queue) Run(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(q.config.Flush, cancel) })
	defer stop()

	timer := time.NewTimer(q.config.Delay)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
			if !q.config.Block {
				q.sealNow()
			}
		}
		q.sendAll(sending, ctx)
		timer.Reset(q.config.Delay)
	}
	q.sealNow()
	q.sendAll(sending, sending)
	q.stop()
	return nil
}

func (q *Queue) sealNow() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seal()
}

// sendAll sends batches with the one context until the other is done or there are none.
func (q *Queue) sendAll(ctx, until context.Context) {
	for until.Err() == nil {
		b, ok := q.take()
		if !ok {
			return
		}
		q.deliver(ctx, &b)
		q.release(&b)
	}
}

// stop drops what could not be sent, and everything from now on.
func (q *Queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seal()
	q.stopped = true
	for i := range q.full {
		q.stats.Dropped[Shutdown] += uint64(q.full[i].spans)
	}
	q.full, q.stats.Queued, q.stats.QueuedBytes, q.stats.InFlight = nil, 0, 0, 0
	q.room.Broadcast()
}

// deliver tries to send a batch until all of it is settled.
func (q *Queue) deliver(sending context.Context, b *batch) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(sending, q.config.Timeout)
	defer cancel()
	total, rest := Stats{}, b.groups
	for wait := q.config.RetryFirst; ; wait = min(2*wait, q.config.RetryMost) {
		r := q.sender.Send(ctx, rest)
		rest = r.Rest
		total.add(&r)
		q.log.write(r.Err)
		if len(rest) == 0 {
			break
		}
		if !sleep(ctx, max(r.After, jittered(wait))) {
			total.Dropped[outOfTime(sending)] += uint64(Spans(rest))
			break
		}
		total.Retries++
	}
	total.ExportTime = time.Since(began)
	q.settle(b, &total)
}

// outOfTime is the reason to drop what could have been sent again.
func outOfTime(sending context.Context) Reason {
	if sending.Err() != nil {
		return Shutdown
	}
	return Failed
}

func (s *Stats) add(r *Result) {
	s.Exported += uint64(r.Sent)
	s.ExportBytes += uint64(r.SentBytes)
	for i, n := range r.Dropped {
		s.Dropped[i] += uint64(n)
	}
}

func (q *Queue) settle(b *batch, total *Stats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.stats
	s.Exported += total.Exported
	s.ExportBytes += total.ExportBytes
	for i := range s.Dropped {
		s.Dropped[i] += total.Dropped[i]
	}
	s.Retries += total.Retries
	s.ExportTime += total.ExportTime
	s.Batches++
	s.Queued -= b.spans
	s.QueuedBytes -= b.bytes
	s.InFlight = 0
	q.room.Broadcast()
}

// jittered spreads the tries of many agents over time (OTLP specification, "Retryable Response Codes").
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
