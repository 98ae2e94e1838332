// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"slices"
	"sync"
	"time"

	"sonde/agent/model"
)

// table holds the series of one metric, or of metrics with the same keys, up to a limit.
type table[K comparable, V any] struct {
	cells    map[K]*cell[K, V]
	list     []*cell[K, V] // the same cells, and the overflow cell
	overflow *cell[K, V]   // takes every key over the limit; nil until there is one
	limit    int           // of list

	// recent remembers where a connection's last request was counted. Comparing keys costs a third of finding them: a
	// string that is the same string is not even read.
	recent [recentCells]*cell[K, V]

	// crowded decides about keys that come while the table is more than half full; nil lets all of them in.
	crowded func(K) bool

	// removing is called before a cell goes, nil does nothing: others may remember it too.
	removing func()

	// describe returns the labels of a key, and the key to keep: with strings of its own, as those of a request may be
	// slices of a much larger buffer. Keys that differ must have labels that differ, or a metric would hold the same
	// series twice.
	describe func(K) (K, []model.Label)
}

const recentCells = 256

// cell is a series and its age.
type cell[K comparable, V any] struct {
	key    K
	labels []model.Label
	place  int           // in the table's list
	began  time.Duration // when it was made
	seen   time.Duration // last change
	shown  shown
	value  V
}

// shown says what the readers know of a series.
type shown uint8

// A series is forgotten only after the readers could see its last value, and then its absence.
const (
	showNext    shown = iota // changed since the last snapshot
	showCurrent              // the last snapshot had its value
	showAbsent               // the last snapshot left it out
)

func newTable[V any, K comparable](limit int, describe func(K) (K, []model.Label)) table[K, V] {
	return table[K, V]{cells: map[K]*cell[K, V]{}, limit: limit, describe: describe}
}

// at returns the value to be changed at time now: that of k, or the overflow's when the table is full.
func (t *table[K, V]) at(k K, now time.Duration) *V {
	c := t.cell(k, now)
	c.touch(now)
	return &c.value
}

// cell returns the cell of k, or the overflow's. Whoever changes it has to touch it.
func (t *table[K, V]) cell(k K, now time.Duration) *cell[K, V] {
	c := t.cells[k]
	if c == nil {
		c = t.add(k, now)
	}
	return c
}

func (c *cell[K, V]) touch(now time.Duration) { c.seen, c.shown = now, showNext }

// recently is at with a guess: place is any number that often goes with the same key.
func (t *table[K, V]) recently(place uint16, k K, now time.Duration) *V {
	c := t.recentCell(place, k, now)
	c.touch(now)
	return &c.value
}

// recentCell is cell with a guess.
func (t *table[K, V]) recentCell(place uint16, k K, now time.Duration) *cell[K, V] {
	recent := &t.recent[place%recentCells]
	if c := *recent; c != nil && c.key == k {
		return c
	}
	c := t.cell(k, now)
	if c != t.overflow {
		*recent = c
	}
	return c
}

// add makes the series of k, or takes the overflow's. The last free place is kept for that.
func (t *table[K, V]) add(k K, now time.Duration) *cell[K, V] {
	used := len(t.list)
	if t.overflow == nil {
		used++
	}
	if used < t.limit && (t.crowded == nil || used < t.limit/2 || t.crowded(k)) {
		c := &cell[K, V]{began: now}
		c.key, c.labels = t.describe(k)
		t.cells[c.key] = c
		t.append(c)
		return c
	}
	if t.overflow == nil {
		t.overflow = &cell[K, V]{began: now, labels: []model.Label{{Attr: model.AttrOverflow, Value: "true"}}}
		t.append(t.overflow)
	}
	return t.overflow
}

func (t *table[K, V]) append(c *cell[K, V]) {
	c.place = len(t.list)
	t.list = append(t.list, c)
}

// remove takes c out of the table. The overflow series stays for good: it has no key to be found again by.
func (t *table[K, V]) remove(c *cell[K, V]) {
	if c == t.overflow {
		return
	}
	clear(t.recent[:])
	if t.removing != nil {
		t.removing()
	}
	delete(t.cells, c.key)
	last := t.list[len(t.list)-1]
	last.place = c.place
	t.list[c.place] = last
	t.list[len(t.list)-1] = nil
	t.list = t.list[:len(t.list)-1]
}

// chunk is the number of cells that a snapshot handles before it lets the feeding goroutine in, tens of microseconds.
const chunk = 32

// reading is what a snapshot needs to go over tables.
type reading struct {
	mu        *sync.Mutex
	now, idle time.Duration
	slabs     slabs
}

// len returns how many cells each is going to see at most.
func (t *table[K, V]) len(r *reading) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(t.list)
}

// each calls take, with the lock held, for the first n series that are to be shown, and forgets those that have been absent
// for long enough. Snapshots are taken one at a time and only they remove cells, so that the list can only grow between two
// chunks.
func (t *table[K, V]) each(r *reading, n int, take func(*cell[K, V])) {
	var gone []*cell[K, V]
	for from := 0; from < n; from += chunk {
		r.slabs.reserve()
		r.mu.Lock()
		for _, c := range t.list[from:min(n, from+chunk)] {
			if c.expired(r.now, r.idle) {
				gone = append(gone, c)
			} else if c.show(r.now, r.idle) {
				take(c)
			}
		}
		r.mu.Unlock()
	}
	t.forget(gone, r)
}

// forget removes cells that are still expired: one that changed since it was collected lives on with its count.
func (t *table[K, V]) forget(gone []*cell[K, V], r *reading) {
	for part := range slices.Chunk(gone, chunk) {
		r.mu.Lock()
		for _, c := range part {
			if c.expired(r.now, r.idle) {
				t.remove(c)
			}
		}
		r.mu.Unlock()
	}
}

// show decides whether the snapshot that is being taken has the cell, and notes it.
func (c *cell[K, V]) show(now, idle time.Duration) bool {
	if c.shown == showNext || now-c.seen < idle {
		c.shown = showCurrent
		return true
	}
	c.shown = showAbsent
	return false
}

func (c *cell[K, V]) expired(now, idle time.Duration) bool {
	return c.shown == showAbsent && now-c.seen >= 2*idle
}
