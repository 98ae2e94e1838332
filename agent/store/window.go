// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/bits"
	"time"

	"sonde/agent/latency"
)

// Lengths of slots in seconds, and how many of each are kept: enough for the longest window in slots of their kind and for the
// seconds that are not merged yet.
const (
	fineSeconds   = 1
	coarseSeconds = 10
	keepFine      = 61
	keepCoarse    = 15*60 + coarseSeconds
)

// Sides of a group. What is seen on the wire has one observation, which takes the place of the server's.
const (
	sideServer = iota // services and processes: what they answer
	sideClient        // what they ask
	sides
)

// series counts one side of a group in the second that is underway.
type series struct {
	group      *group
	side       uint8
	count      uint32
	failed     uint32
	incomplete uint32
	bits       uint32 // of the kind of the group: see bits.go
	max        time.Duration
	touched    [(latency.Buckets + 63) / 64]uint64
	buckets    [latency.Buckets]uint32
}

// observation is what a request adds to series.
type observation struct {
	took       time.Duration
	failed     bool
	incomplete bool
	bits       uint32
}

func (s *series) add(o *observation) {
	s.count++
	s.bits |= o.bits
	if o.failed {
		s.failed++
	}
	if o.incomplete {
		s.incomplete++
		return
	}
	s.max = max(s.max, o.took)
	b := latency.Bucket(o.took)
	s.touched[b/64] |= 1 << (b % 64)
	s.buckets[b]++
}

// reset empties the buckets that were used, which are few.
func (s *series) reset() {
	for w, word := range s.touched {
		for ; word != 0; word &= word - 1 {
			s.buckets[w*64+bits.TrailingZeros64(word)] = 0
		}
	}
	s.group, s.count, s.failed, s.incomplete, s.bits, s.max = nil, 0, 0, 0, 0, 0
	clear(s.touched[:])
}

// slot holds the counts of one kind of groups over a second or ten. It never changes once it is closed.
type slot struct {
	start   int64 // second since boot
	records []record
	cells   []cell
}

// record is one side of a group in a slot. Its buckets are cells[from:to].
type record struct {
	group                     *group
	max                       time.Duration
	count, failed, incomplete uint32
	bits                      uint32
	from, to                  uint32
	side                      uint8
}

// cell is a bucket in its upper eight bits and a count in the others. A bucket that is too full has several cells.
type cell uint32

const cellMax = 1<<24 - 1

func appendCells(cells []cell, bucket int, n uint64) []cell {
	for n > 0 {
		part := min(n, cellMax)
		cells = append(cells, cell(bucket)<<24|cell(part))
		n -= part
	}
	return cells
}

// pack adds what s counted so far.
func (sl *slot) pack(s *series) {
	from := len(sl.cells)
	for w, word := range s.touched {
		for ; word != 0; word &= word - 1 {
			b := w*64 + bits.TrailingZeros64(word)
			sl.cells = appendCells(sl.cells, b, uint64(s.buckets[b]))
		}
	}
	sl.records = append(sl.records, record{
		group: s.group, side: s.side, count: s.count, failed: s.failed, incomplete: s.incomplete, bits: s.bits, max: s.max,
		from: uint32(from), to: uint32(len(sl.cells)),
	})
}

// packTally adds what t counted, for the slots that are made of others.
func (sl *slot) packTally(g *group, side uint8, t *tally) {
	from := len(sl.cells)
	for b, n := range t.buckets {
		sl.cells = appendCells(sl.cells, b, uint64(n))
	}
	sl.records = append(sl.records, record{
		group: g, side: side, count: uint32(t.count), failed: uint32(t.failed), incomplete: uint32(t.incomplete),
		bits: t.bits, max: t.max, from: uint32(from), to: uint32(len(sl.cells)),
	})
}

// past is what is known of one kind of groups. The slices are owned by whoever has the past, the slots are shared.
type past struct {
	fine, coarse []*slot // ascending; seconds in which nothing happened have none
	open         *slot   // of the second that is underway, nil when nothing happened in it
}

// close adds a second that is over.
func (p *past) close(sl *slot) { p.fine = append(p.fine, sl) }

// merge makes one slot of the seconds from..from+coarseSeconds.
func (p *past) merge(from int64) {
	t := tallies{}
	for _, sl := range p.fine {
		if sl.start >= from && sl.start < from+coarseSeconds {
			t.addSlot(sl, nil)
		}
	}
	if len(t.all) == 0 {
		return
	}
	out := &slot{start: from}
	for _, both := range t.all {
		for side, one := range both.side {
			if one != nil {
				out.packTally(both.group, uint8(side), one)
			}
		}
	}
	out.cells, out.records = append([]cell(nil), out.cells...), append([]record(nil), out.records...)
	p.coarse = append(p.coarse, out)
}

// forget drops the slots that no window reaches from second now on.
func (p *past) forget(now int64) {
	p.fine = since(p.fine, now-keepFine)
	p.coarse = since(p.coarse, now-keepCoarse-coarseSeconds)
}

// since drops the slots that begin before start.
func since(all []*slot, start int64) []*slot {
	n := 0
	for n < len(all) && all[n].start < start {
		all[n] = nil // the array is shared by what is appended later
		n++
	}
	return all[n:]
}

// span is a window of time that ends now.
type span struct {
	window  time.Duration // as it was asked for
	now     time.Duration
	from    int64         // first second that counts
	covered time.Duration // that counts: since from, or since the store began
}

func newSpan(window, now, began time.Duration) span {
	grain := time.Duration(fineSeconds) * time.Second
	if window > time.Minute {
		grain = coarseSeconds * time.Second
	}
	from := now/grain*grain - window
	s := span{window: window, now: now, from: int64(from / time.Second)}
	if from < 0 {
		s.from = 0
	}
	s.covered = now - max(from, began)
	return s
}

// seconds is what counts are divided by to make rates: at least one, so that the first request is no thousand a second.
func (s *span) seconds() float64 { return max(s.covered, time.Second).Seconds() }

// begin is the moment from which on events count.
func (s *span) begin() time.Duration { return time.Duration(s.from) * time.Second }

// holds calls f for the slots of p that the window is made of.
func (s *span) holds(p *past, f func(*slot)) {
	fineFrom := s.from
	if s.window > time.Minute {
		fineFrom = int64(s.now/time.Second) / coarseSeconds * coarseSeconds
		for _, sl := range p.coarse {
			if sl.start >= s.from && sl.start < fineFrom {
				f(sl)
			}
		}
	}
	for _, sl := range p.fine {
		if sl.start >= fineFrom {
			f(sl)
		}
	}
	if p.open != nil {
		f(p.open)
	}
}
