// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"sonde/agent/view"
)

// patience is how long one answer may take before the next try.
const patience = 10 * time.Second

// asker asks the world once in an interval, and at once when the question changes. There is never more than one question on its
// way; one that is not wanted any more is cancelled, and its answer is thrown away.
type asker struct {
	world    view.World
	interval time.Duration
	wishes   chan wish // holds the newest one alone
	post     func(func(*model))
}

// wish is the question to ask from now on.
type wish struct {
	query view.Query
	poke  int
}

func newAsker(world view.World, interval time.Duration, post func(func(*model))) *asker {
	return &asker{world: world, interval: interval, wishes: make(chan wish, 1), post: post}
}

// ask changes the question. It never waits. For one goroutine.
func (a *asker) ask(w wish) {
	select {
	case <-a.wishes:
	default:
	}
	a.wishes <- w
}

// asking is a question on its way.
type asking struct {
	since  time.Time
	cancel context.CancelFunc
	done   chan answer
}

// run asks until ctx is done. It waits for the world to give up the last question, but not for long: it may never do so.
func (a *asker) run(ctx context.Context) {
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	var now wish
	var way *asking
	var done chan answer
	var last time.Time
	start := func() {
		if now.query.Page == "" || way != nil {
			return
		}
		last = time.Now()
		way = a.start(ctx, now.query)
		done = way.done
	}
	for {
		select {
		case <-ctx.Done():
			if way != nil {
				way.cancel()
				way.wait()
			}
			return
		case w := <-a.wishes:
			now = w
			if way != nil {
				way.cancel()
			}
			start()
		case <-tick.C:
			switch {
			case way != nil && time.Since(way.since) >= patience+a.interval: // the world does not heed its context
				since := time.Since(way.since)
				a.post(func(m *model) { m.late(since) })
			case now.query.Frozen == 0 || time.Since(last) >= frozenInterval:
				start()
			}
		case answer := <-done:
			way.cancel()
			way, done = nil, nil
			if !sameRows(answer.asked, now.query) || errors.Is(answer.err, context.Canceled) {
				start()
				continue
			}
			a.post(func(m *model) { m.take(answer) })
			if answer.asked != now.query { // more rows are wanted by now
				start()
			}
		}
	}
}

func (a *asker) start(ctx context.Context, q view.Query) *asking {
	ctx, cancel := context.WithTimeout(ctx, patience)
	way := &asking{time.Now(), cancel, make(chan answer, 1)}
	go func() {
		snap, err := snapshot(ctx, a.world, q)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("nothing came in %s", patience)
		}
		way.done <- answer{q, snap, err}
	}()
	return way
}

// snapshot turns a panic of a world in this process into an error.
func snapshot(ctx context.Context, w view.World, q view.Query) (s *view.Snapshot, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("mistake in sonde: %v %s", p, origin(debug.Stack()))
		}
	}()
	return w.Snapshot(ctx, q)
}

func (w *asking) wait() {
	select {
	case <-w.done:
	case <-time.After(farewell):
	}
}
