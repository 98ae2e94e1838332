// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"math"
	"math/bits"
	"time"

	"sonde/agent/model"
)

// latencies tells the slow requests from the others of the same service and span name.
type latencies struct {
	appendName func(b []byte, r *model.Request) []byte
	most       int // names
	least      int // requests of a name before one is slow
	byName     map[string]*latency
	others     latency // of the names over the limit
	key        []byte
}

// slow tells whether r took longer than 99 of 100 before it. Requests whose end was not seen, or that have none, tell nothing.
func (l *latencies) slow(r *model.Request) bool {
	if r.Outcome == model.OutcomeIncomplete || r.OneWay || r.WebSocket != nil {
		return false
	}
	return l.of(r).observe(r.Duration(), l.least)
}

func (l *latencies) of(r *model.Request) *latency {
	l.key = l.key[:0]
	if p := r.Local().Process; p != nil {
		l.key = append(l.key, p.ServiceName...)
	}
	l.key = l.appendName(append(l.key, 0, byte(r.Role)), r)
	if known := l.byName[string(l.key)]; known != nil {
		return known
	}
	if len(l.byName) >= l.most {
		return &l.others
	}
	if l.byName == nil {
		l.byName = make(map[string]*latency)
	}
	added := new(latency)
	l.byName[string(l.key)] = added
	return added
}

const (
	perOctave = 8 // buckets from one power of two to the next: 12 % wide at most
	octaves   = 30
	buckets   = octaves * perOctave
	unit      = 10 // bits of a duration that do not count: about a microsecond

	// forgetAfter is the number of requests after which the past counts half.
	forgetAfter = 1 << 14
	// refreshEvery is the number of requests after which the percentile is computed anew: a hundredth of a scan for each.
	refreshEvery = 64
)

// latency is a histogram of durations whose past fades.
type latency struct {
	count   [buckets]uint32
	total   uint32
	passed  uint32 // requests since the percentile was computed
	longest int    // bucket that the 99th percentile is in; requests beyond are slow
	known   bool
}

// observe tells whether d is slow by what was observed before, and adds it.
func (l *latency) observe(d time.Duration, least int) bool {
	if l.passed >= refreshEvery || !l.known && int(l.total) >= least {
		l.refresh(least)
	}
	at := bucketOf(d)
	slow := l.known && at > l.longest
	l.count[at]++
	l.total++
	l.passed++
	return slow
}

func (l *latency) refresh(least int) {
	l.passed = 0
	if l.total >= forgetAfter {
		l.total = 0
		for i := range l.count {
			l.count[i] /= 2
			l.total += l.count[i]
		}
	}
	if int(l.total) < least {
		return
	}
	rank := uint32(math.Ceil(float64(l.total) * 0.99))
	var below uint32
	for i, n := range l.count {
		if below += n; below >= rank {
			l.longest, l.known = i, true
			return
		}
	}
}

// bucketOf grows with the logarithm of d, and with d itself below eight units.
func bucketOf(d time.Duration) int {
	v := uint64(max(0, d)) >> unit
	if v < perOctave {
		return int(v)
	}
	e := bits.Len64(v) - bits.Len(perOctave)
	return min(buckets-1, (e+1)*perOctave+int(v>>e)%perOctave)
}

// budget lets a number of traces through each second, and as many at once.
type budget struct {
	perSecond, tokens float64
	last              time.Duration
}

func (b *budget) refill(now time.Duration) {
	if now > b.last {
		b.tokens = min(max(1, b.perSecond), b.tokens+b.perSecond*(now-b.last).Seconds())
		b.last = now
	}
}

func (b *budget) take() bool {
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
