// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// TestQuestionsComeWhileEventsDo is for the race detector, and holds that no answer mixes two moments.
func TestQuestionsComeWhileEventsDo(t *testing.T) {
	world := newBusy(t)
	world.s.config.Slow = 0
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for n := range 3 {
		asking.Go(func() {
			for i := n; ctx.Err() == nil; i++ {
				world.question(ctx, t, pages[i%len(pages)])
			}
		})
	}
	for i := range 20_000 {
		world.s.Request(world.at(i))
		world.s.Flow(world.grown(i), model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 100, Final: i%7 == 0})
		if i%100 == 0 {
			world.now += time.Second / 4
			world.s.Tick(world.now)
			world.s.Drops("NO_SOCKET", 1)
			world.s.Lost(&model.Loss{Where: "ring", What: "records", Count: 1, Time: world.now})
		}
		if i == 15_000 {
			world.s.Reset()
		}
	}
	cancel()
	asking.Wait()
}

func (b *busy) question(ctx context.Context, t *testing.T, page view.Page) {
	id, err := b.s.Freeze(ctx)
	if err != nil {
		return // ctx is done
	}
	for _, frozen := range []uint64{0, id} {
		s, err := b.s.Snapshot(context.Background(), view.Query{Page: page, Frozen: frozen, Within: scopeFor(page), Limit: view.MaxLimit})
		if errors.Is(err, view.ErrGone) { // others froze eight more
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		var sum uint64
		for _, r := range rowsOf(s) {
			sum += r.count
		}
		if page == view.PageMap && sum != s.Total.Count || page == view.PageRoutes && sum != s.Total.Count {
			t.Errorf("%s: rows have %d, the total %d", page, sum, s.Total.Count)
		}
	}
	if _, err := b.s.Values(context.Background(), "process"); err != nil {
		t.Error(err)
	}
	if err := b.s.Thaw(context.Background(), id); err != nil && !errors.Is(err, view.ErrGone) {
		t.Error(err)
	}
}
