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
	recent [256]*cell[K, V]

	// describe returns the labels of a key, and the key to keep: with strings of its own, as those of a request may be
	// slices of a much larger buffer. Keys that differ must have labels that differ, or a metric would hold the same
	// series twice.
	describe func(K) (K, []model.Label)
}

// cell is a series and its age.
type cell[K comparable, V any] struct {
	key    K
	labels []model.Label
	place  int           // in the table's list
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
	c := t.cells[k]
	if c == nil {
		c = t.add(k)
	}
	c.seen, c.shown = now, showNext
	return &c.value
}

// recently is at with a guess: place is any number that often goes with the same key.
func (t *table[K, V]) recently(place uint8, k K, now time.Duration) *V {
	c := t.recent[place]
	if c == nil || c.key != k {
		if c = t.cells[k]; c == nil {
			return t.at(k, now)
		}
		t.recent[place] = c
	}
	c.seen, c.shown = now, showNext
	return &c.value
}

// add makes the series of k. The last free place is kept for the overflow series.
func (t *table[K, V]) add(k K) *cell[K, V] {
	used := len(t.list)
	if t.overflow == nil {
		used++
	}
	if used < t.limit {
		c := &cell[K, V]{}
		c.key, c.labels = t.describe(k)
		t.cells[c.key] = c
		t.append(c)
		return c
	}
	if t.overflow == nil {
		t.overflow = &cell[K, V]{labels: []model.Label{{Attr: model.AttrOverflow, Value: "true"}}}
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
	delete(t.cells, c.key)
	last := t.list[len(t.list)-1]
	last.place = c.place
	t.list[c.place] = last
	t.list[len(t.list)-1] = nil
	t.list = t.list[:len(t.list)-1]
}

// sample is the copy of a cell in a snapshot.
type sample[V any] struct {
	labels []model.Label
	value  V
}

// chunk is the number of cells that a snapshot handles before it lets the feeding goroutine in, a matter of microseconds.
const chunk = 64

// copy returns the series to be shown and forgets those that have been absent for long enough. Snapshots are taken one at
// a time and only they remove cells, so that the list can only grow between two chunks.
func (t *table[K, V]) copy(mu *sync.Mutex, now, idle time.Duration) []sample[V] {
	mu.Lock()
	n := len(t.list)
	mu.Unlock()

	out := make([]sample[V], 0, n) // allocated without the lock
	var gone []*cell[K, V]
	for from := 0; from < n; from += chunk {
		mu.Lock()
		for _, c := range t.list[from:min(n, from+chunk)] {
			if c.expired(now, idle) {
				gone = append(gone, c)
			} else if c.show(now, idle) {
				out = append(out, sample[V]{c.labels, c.value})
			}
		}
		mu.Unlock()
	}
	t.forget(gone, mu, now, idle)
	return out
}

// forget removes cells that are still expired: one that changed since it was collected lives on with its count.
func (t *table[K, V]) forget(gone []*cell[K, V], mu *sync.Mutex, now, idle time.Duration) {
	for part := range slices.Chunk(gone, chunk) {
		mu.Lock()
		for _, c := range part {
			if c.expired(now, idle) {
				t.remove(c)
			}
		}
		mu.Unlock()
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
