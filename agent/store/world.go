// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// world is the state of a store at a moment. Nothing in it changes, so that it needs no lock.
type world struct {
	config *Config
	clock  model.Clock
	words  Words

	begun      bool
	began, now time.Duration
	kinds      [kinds]past
	ring       ring
	observed   uint64
	flows      []*flow
	openFlows  [2]int
	fewFlows   bool // some were forgotten for want of room
	sockets    meter
	packets    meter
	lost       meter
	losses     []loss
	drops      []view.Count
	samples    samples
}

// needs says what a question is about: the copying of the rest would be for nothing.
type needs struct {
	kinds [kinds]bool
	flows bool
}

func everything() needs {
	n := needs{flows: true}
	for k := range n.kinds {
		n.kinds[k] = true
	}
	return n
}

// packAtOnce is how many series are packed before the goroutine that feeds gets its turn: some 300 us.
const packAtOnce = 1500

// capture copies what is needed.
func (s *Store) capture(n needs) *world {
	for range 3 {
		if w := s.tryCapture(n, packAtOnce); w != nil {
			return w
		}
	}
	return s.tryCapture(n, 1<<30)
}

// tryCapture packs at most atOnce series without a pause. It returns nil when a second was closed in a pause: parts of two
// seconds are no moment.
func (s *Store) tryCapture(n needs, atOnce int) *world {
	w := s.room(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fill(w, n, atOnce) {
		return nil
	}
	return w
}

// fill is called with the lock held.
func (s *Store) fill(w *world, n needs, atOnce int) bool {
	s.copyTo(w, n)
	generation, left := s.generation, atOnce
	for k := range s.tables {
		if !n.kinds[k] {
			continue
		}
		t, open := &s.tables[k], w.kinds[k].open
		for i := 0; i < len(t.active); i++ {
			if left == 0 {
				left = atOnce
				s.mu.Unlock()
				s.mu.Lock()
				if s.generation != generation {
					return false
				}
			}
			open.pack(t.active[i])
			left--
		}
	}
	return true
}

// room makes a world with room for what is to be copied, so that the lock is not held while memory is found.
func (s *Store) room(n needs) *world {
	w := &world{config: &s.config, clock: s.clock(), words: s.words}
	s.mu.Lock()
	flows, chunks := len(s.flows.reports), len(s.ring.chunks)
	var active [kinds]int
	for k := range s.tables {
		active[k] = len(s.tables[k].active)
	}
	s.mu.Unlock()
	if n.flows {
		w.flows = make([]*flow, 0, flows+64)
	}
	w.ring.chunks = make([]*chunk, 0, chunks+1)
	for k, wanted := range n.kinds {
		if wanted {
			room := active[k] + 16
			w.kinds[k] = past{
				fine: make([]*slot, 0, keepFine+2), coarse: make([]*slot, 0, keepCoarse/coarseSeconds+2),
				open: &slot{records: make([]record, 0, room), cells: make([]cell, 0, 16*room)},
			}
		}
	}
	return w
}

func (s *Store) copyTo(w *world, n needs) {
	chunks := append(w.ring.chunks, s.ring.chunks...)
	w.begun, w.began, w.now = s.begun, s.began, s.now
	w.ring, w.observed = s.ring, s.observed
	w.ring.chunks = chunks
	w.sockets, w.packets, w.lost = s.sockets, s.packets, s.lost
	w.losses = slices.Clone(s.losses)
	w.samples = s.samples.view()
	for reason, count := range s.drops {
		w.drops = append(w.drops, view.Count{Name: reason, Count: count})
	}
	w.openFlows, w.fewFlows = s.flows.open, s.flows.dropped
	if n.flows {
		w.flows = append(w.flows, s.flows.reports...)
	}
	for k := range s.tables {
		t, p := &s.tables[k], &w.kinds[k]
		if n.kinds[k] {
			p.fine, p.coarse = append(p.fine, t.past.fine...), append(p.coarse, t.past.coarse...)
			p.open.start = s.second
		}
	}
}

// maxFrozen is how many worlds are kept frozen.
const maxFrozen = 8

// frozenWorlds are the worlds that somebody looks at while time goes on.
type frozenWorlds struct {
	mu     sync.Mutex
	nextID uint64
	all    map[uint64]*frozenWorld
}

type frozenWorld struct {
	world *world
	asked time.Time
}

// Freeze implements view.World. The ninth world takes the place of the one that was not looked at for longest. A world shares what
// it has in common with the others and with the living one: it takes memory for the requests that were forgotten since, at most
// Config.RequestBytes, and for its connections.
func (s *Store) Freeze(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.renew()
	w := s.capture(everything())
	sortDrops(w)
	return s.frozen.keep(w), nil
}

func (f *frozenWorlds) keep(w *world) uint64 {
	f.expire()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) >= maxFrozen {
		oldest := uint64(0)
		for id, one := range f.all {
			if was := f.all[oldest]; was == nil || cmp.Or(one.asked.Compare(was.asked), cmp.Compare(id, oldest)) < 0 {
				oldest = id
			}
		}
		delete(f.all, oldest)
	}
	if f.all == nil {
		f.all = map[uint64]*frozenWorld{}
	}
	f.nextID++
	f.all[f.nextID] = &frozenWorld{w, time.Now()}
	return f.nextID
}

// Thaw implements view.World.
func (s *Store) Thaw(ctx context.Context, frozen uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f := &s.frozen
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[frozen] == nil {
		return fmt.Errorf("thaw %d: %w", frozen, view.ErrGone)
	}
	delete(f.all, frozen)
	return nil
}

// get returns a frozen world, which lives on for a while from now.
func (f *frozenWorlds) get(id uint64) (*world, error) {
	f.expire()
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.all[id]
	if one == nil {
		return nil, view.ErrGone
	}
	one.asked = time.Now()
	return one.world, nil
}

// expire drops the worlds that nobody looks at.
func (f *frozenWorlds) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, one := range f.all {
		if time.Since(one.asked) >= unwatchedFor {
			delete(f.all, id)
		}
	}
}

func (f *frozenWorlds) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.all)
}

// renew notes a query.
func (s *Store) renew() {
	if s.onDemand {
		s.Watch()
	}
}

// look returns the world that a query is about.
func (s *Store) look(q *view.Query) (*world, error) {
	if q.Frozen != 0 {
		return s.frozen.get(q.Frozen)
	}
	w := s.capture(needsOf(q))
	sortDrops(w)
	return w, nil
}

func sortDrops(w *world) {
	slices.SortFunc(w.drops, func(a, b view.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
}

// needsOf returns what the page of a query is made of. The edges and the services are for the overview.
func needsOf(q *view.Query) needs {
	n := needs{}
	n.kinds[edges], n.kinds[services] = true, true
	switch q.Page {
	case view.PageServices, view.PageProcesses:
		n.kinds[processes] = true
		n.flows = q.Page == view.PageProcesses
	case view.PageRoutes, view.PageRequests, view.PageRequest:
		n.kinds[routes] = true
	case view.PageDNS:
		n.kinds[names], n.kinds[lookups] = true, true
	case view.PageFlows, view.PageConns:
		n.flows = true
	}
	return n
}
