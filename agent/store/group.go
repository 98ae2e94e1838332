// SPDX-License-Identifier: Apache-2.0

package store

import (
	"strings"
	"time"

	"sonde/agent/model"
)

// kind is a kind of groups.
type kind uint8

const (
	services  kind = iota // key.a is the service
	routes                // service, operation, protocol
	edges                 // client, server, protocol
	processes             // service, and the process
	names                 // looked up name, type of the lookup, code of the answer
	lookups               // looked up name, client, server
	kinds
)

// otherName is the group that takes what finds no room.
const otherName = "(other)"

// key tells groups of a kind apart.
type key struct {
	a, b, c string
	pid     uint32
}

// Bits of series and tallies. Services have a bit for each protocol that they answer in place of these.
const (
	bitPlain uint32 = 1 << iota // a request in the clear
	bitTLS                      // an encrypted one
	bitWire                     // seen on the wire
)

// group is one row of a kind. Those that ask read the first fields, which never change; the others are the writer's.
type group struct {
	key     key
	process *model.Process // of processes
	kind    kind
	number  uint32 // that most other groups of its kind do not have
	rest    bool   // takes what finds no room

	last time.Duration // that anything happened
	gone bool          // forgotten: not to be counted in again
	open [sides]*series
	slow time.Duration // of routes: a request that takes as long is slow; 0 is not known
}

// table has the groups of one kind.
type table struct {
	kind   kind
	limit  int
	made   uint32 // groups, forgotten ones included
	groups map[key]*group
	other  *group
	active []*series // of the second that is underway
	past   past
}

func newTable(k kind, limit int) table {
	other := &group{key: key{a: otherName}, kind: k, rest: true}
	switch k {
	case routes:
		other.key.b = otherName
	case edges, lookups:
		other.key.b, other.key.c = otherName, ""
	}
	return table{kind: k, limit: limit, groups: map[key]*group{}, other: other}
}

// find returns the group of k. The strings of k are copied when the group is new.
func (t *table) find(k key, p *model.Process, now time.Duration) *group {
	g := t.groups[k]
	if g == nil {
		if len(t.groups) >= t.limit {
			return t.other
		}
		k.a, k.b, k.c = strings.Clone(k.a), strings.Clone(k.b), strings.Clone(k.c)
		t.made++
		g = &group{key: k, process: p, kind: t.kind, number: t.made}
		t.groups[k] = g
	}
	g.last = now
	return g
}

// count adds an observation to one side of g.
func (s *Store) count(g *group, side uint8, o *observation) {
	g.last = s.now
	open := g.open[side]
	if open == nil {
		open = s.newSeries()
		open.group, open.side = g, side
		g.open[side] = open
		t := &s.tables[g.kind]
		t.active = append(t.active, open)
	}
	open.add(o)
}

// newSeries takes an empty series from those that were used before.
func (s *Store) newSeries() *series {
	if n := len(s.spare); n > 0 {
		last := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return last
	}
	return new(series)
}

// maxSpare bounds the series that are kept for the next second: a burst must not be paid for ever after.
const maxSpare = 4096

func (s *Store) release(one *series) {
	one.group.open[one.side] = nil
	one.reset()
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, one)
	}
}

// advance moves time on, to the second that now is in. Time never goes back.
func (s *Store) advance(now time.Duration) {
	now = max(now, 0)
	if !s.begun {
		s.begun, s.began, s.now = true, now, now
		s.second = int64(now / time.Second)
	}
	if now <= s.now {
		return
	}
	s.now = now
	second := int64(now / time.Second)
	if second == s.second {
		return
	}
	for k := range s.tables {
		s.closeSecond(&s.tables[k], second)
	}
	s.generation++
	decade := second/coarseSeconds != s.second/coarseSeconds
	s.second = second
	s.flows.expire(now)
	if decade {
		s.learnSlow()
		s.forgetIdle()
	}
}

// closeSecond packs the second that is over.
func (s *Store) closeSecond(t *table, next int64) {
	if len(t.active) > 0 {
		t.past.close(s.packOpen(t))
		for _, one := range t.active {
			s.release(one)
		}
		clear(t.active)
		t.active = t.active[:0]
	}
	if next/coarseSeconds != s.second/coarseSeconds {
		t.past.merge(s.second / coarseSeconds * coarseSeconds)
	}
	t.past.forget(next)
}

func (s *Store) packOpen(t *table) *slot {
	sl := &slot{start: s.second, records: make([]record, 0, len(t.active)), cells: make([]cell, 0, 8*len(t.active))}
	for _, one := range t.active {
		sl.pack(one)
	}
	return sl
}

// forgetIdle makes room for new groups. Slots keep those that they counted.
func (s *Store) forgetIdle() {
	for k := range s.tables {
		for name, g := range s.tables[k].groups {
			if s.now-g.last >= s.config.Idle {
				g.gone = true
				delete(s.tables[k].groups, name)
			}
		}
	}
}

// What makes a request slow for its operation: slowFactor times the duration that 95 of 100 did not exceed in the last minute,
// where there were slowRequests, and no less than slowLeast: what takes microseconds has many that take twice as long, and nobody
// looks for them. It is renewed every coarseSeconds.
const (
	slowFactor   = 2
	slowRequests = 100
	slowLeast    = time.Millisecond
)

func (s *Store) learnSlow() {
	window := newSpan(time.Minute, s.now, s.began)
	var t tallies
	window.holds(&s.tables[routes].past, func(sl *slot) { t.addSlot(sl, nil) })
	for _, g := range s.tables[routes].groups {
		g.slow = 0
	}
	for i := range t.all {
		if one := t.all[i].shown(); one.count-one.incomplete >= slowRequests {
			t.all[i].group.slow = max(slowFactor*one.quantile(0.95), slowLeast)
		}
	}
	s.tables[routes].other.slow = 0 // it is no operation
}
