// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math"
	"time"

	"sonde/agent/latency"
	"sonde/agent/view"
)

// sparks is the number of parts of a sparkline.
const sparks = 30

// tally adds up slots or requests.
type tally struct {
	count, failed, incomplete uint64
	bits                      uint32
	max                       time.Duration
	buckets                   [latency.Buckets]uint32
	spark, sparkErr           [sparks]uint32
}

// pair are the two sides of a group, nil where nothing was counted.
type pair struct {
	group *group
	side  [sides]*tally
}

func (p *pair) at(side uint8, room *[]tally) *tally {
	if p.side[side] == nil {
		if len(*room) == 0 {
			*room = make([]tally, 32)
		}
		p.side[side], *room = &(*room)[0], (*room)[1:]
	}
	return p.side[side]
}

// tallies has a pair for each group that anything happened to.
type tallies struct {
	all  []pair
	at   map[*group]int
	near [1024]int32 // by number of the group: one more than its place, as a guess that saves most searches
	room []tally
}

func (t *tallies) of(g *group) *pair {
	guess := &t.near[g.number%uint32(len(t.near))]
	if i := *guess; i > 0 && t.all[i-1].group == g {
		return &t.all[i-1]
	}
	i, ok := t.at[g]
	if !ok {
		if t.at == nil {
			t.at = map[*group]int{}
		}
		i = len(t.all)
		t.at[g] = i
		t.all = append(t.all, pair{group: g})
	}
	*guess = int32(i) + 1
	return &t.all[i]
}

// addSlot adds all of sl. s places its counts in sparklines, nil leaves these alone.
func (t *tallies) addSlot(sl *slot, s *span) {
	from, to := 0, 0
	if s != nil {
		from, to = s.parts(sl.start)
	}
	for i := range sl.records {
		r := &sl.records[i]
		both := t.of(r.group)
		one := both.at(r.side, &t.room)
		one.addRecord(r, sl.cells[r.from:r.to])
		spread(&one.spark, from, to, r.count)
		spread(&one.sparkErr, from, to, r.failed)
	}
}

func (t *tally) addRecord(r *record, cells []cell) {
	t.count += uint64(r.count)
	t.failed += uint64(r.failed)
	t.incomplete += uint64(r.incomplete)
	t.bits |= r.bits
	t.max = max(t.max, r.max)
	for _, c := range cells {
		t.buckets[c>>24] += uint32(c & cellMax)
	}
}

// observe adds one request at time at.
func (t *tally) observe(o *observation, part int) {
	t.count++
	t.bits |= o.bits
	if part >= 0 {
		t.spark[part]++
	}
	if o.failed {
		t.failed++
		if part >= 0 {
			t.sparkErr[part]++
		}
	}
	if o.incomplete {
		t.incomplete++
		return
	}
	t.max = max(t.max, o.took)
	t.buckets[latency.Bucket(o.took)]++
}

// add adds all of other, which may be nil.
func (t *tally) add(other *tally) {
	if other == nil {
		return
	}
	t.count += other.count
	t.failed += other.failed
	t.incomplete += other.incomplete
	t.bits |= other.bits
	t.max = max(t.max, other.max)
	for i, n := range other.buckets {
		t.buckets[i] += n
	}
	for i := range t.spark {
		t.spark[i] += other.spark[i]
		t.sparkErr[i] += other.sparkErr[i]
	}
}

// shown is the side of an exchange that was seen at both ends: the server's, unless the client's saw a tenth more. A lookup is
// its client's business: to the server a name that does not exist is a good answer. So for names it is the other way round.
func (p *pair) shown() *tally {
	first, second := p.side[sideServer], p.side[sideClient]
	if p.group.kind == names || p.group.kind == lookups {
		first, second = second, first
	}
	switch {
	case second == nil:
		return first
	case first == nil || secondShown(first.count, second.count):
		return second
	}
	return first
}

// secondShown tells whether the second choice of two sides is shown, by what was counted at the two.
func secondShown(first, second uint64) bool { return first*10 < second*9 }

// sideName says which side shown shows.
func (p *pair) sideName() string {
	switch t := p.shown(); {
	case t == p.side[sideClient]:
		return "client"
	case t.bits&bitWire != 0:
		return "wire"
	}
	return "server"
}

// parts returns the parts of a sparkline that a slot falls into: from to to, without to. Parts begin at multiples of their
// length, so that a request stays in its part as time goes on; the last one is the one that is underway. A second of the
// shortest window is spread over three.
func (s *span) parts(start int64) (from, to int) {
	length := int64(s.window/time.Second) / sparks
	if length == 0 {
		per := sparks / int(s.window/time.Second)
		from = sparks - per*int(int64(s.now/time.Second)-start+1)
		return from, from + per
	}
	from = sparks - 1 - int(int64(s.now/time.Second)/length-start/length)
	return from, from + 1
}

// part is where one event at a time falls, -1 for before the sparkline.
func (s *span) part(at time.Duration) int {
	length := s.window / sparks
	part := sparks - 1 - int(s.now/length-at/length)
	return min(max(part, -1), sparks-1)
}

// spread adds n to the parts from to to in shares as equal as can be.
func spread(parts *[sparks]uint32, from, to int, n uint32) {
	if from < 0 || n == 0 || to > sparks {
		return
	}
	for i := from; i < to; i++ {
		share := n / uint32(to-i)
		parts[i] += share
		n -= share
	}
}

// quantile returns the upper bound of the bucket that the fraction q of the durations does not exceed, never more than the
// longest.
func (t *tally) quantile(q float64) time.Duration {
	n := t.count - t.incomplete
	if n == 0 {
		return 0
	}
	rank := uint64(max(1, math.Ceil(q*float64(n))))
	var seen uint64
	for b, c := range t.buckets {
		if seen += uint64(c); seen >= rank {
			return min(latency.Upper(b), t.max)
		}
	}
	return t.max
}

// red says what t counted; a nil t counted nothing.
func (t *tally) red(s *span) view.RED {
	if t == nil {
		return view.RED{}
	}
	r := view.RED{
		Count: t.count, Errors: t.failed, Incomplete: t.incomplete, Rate: float64(t.count) / s.seconds(),
		P50: t.quantile(0.5), P95: t.quantile(0.95), P99: t.quantile(0.99), Max: t.max,
		Histogram: t.histogram(),
	}
	sparkline := make([]uint32, 2*sparks)
	r.Spark, r.SparkErr = sparkline[:sparks:sparks], sparkline[sparks:]
	copy(r.Spark, t.spark[:])
	copy(r.SparkErr, t.sparkErr[:])
	return r
}

func (t *tally) histogram() []view.Bucket {
	from, to := 0, len(t.buckets)
	for from < to && t.buckets[from] == 0 {
		from++
	}
	for to > from && t.buckets[to-1] == 0 {
		to--
	}
	if from == to {
		return nil
	}
	all := make([]view.Bucket, 0, to-from)
	for b := from; b < to; b++ {
		all = append(all, view.Bucket{Upper: latency.Upper(b), Count: uint64(t.buckets[b])})
	}
	return all
}
