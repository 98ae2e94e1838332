// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"slices"
	"time"

	"sonde/agent/model"
)

// forgetAfter is how long a series may be out of sight before its last values are given up. The aggregator hides a series
// when it is idle, and lets it go on where it was for some time: what it had counted before must not be sent twice.
const forgetAfter = time.Hour

// deltas remembers what was sent of each series. It is for one goroutine.
type deltas struct {
	series map[string]sent
	at     time.Time     // wall time of the last export
	until  time.Duration // the same since boot, 0 before the first and where snapshots do not tell
	key    []byte        // of the series that was asked for last
}

// sent is a series at the last export.
type sent struct {
	start     time.Duration
	value     float64
	histogram *model.Histogram // of the snapshot that was sent, which nobody changes
	seen      time.Time
	hidden    bool // it was not in the last snapshot
}

// detached returns a copy that does not keep the memory of its snapshot, which all its series share.
func detached(h *model.Histogram) *model.Histogram {
	if h == nil {
		return nil
	}
	c := &model.Histogram{Bounds: h.Bounds, Counts: slices.Clone(h.Counts), Sum: h.Sum}
	if x := h.Exponential; x != nil {
		own := *x
		own.Counts = slices.Clone(x.Counts)
		c.Exponential = &own
	}
	return c
}

func newDeltas() *deltas { return &deltas{series: map[string]sent{}} }

// last returns what was sent of s, and false where all of it is new: it was never seen, or began again since.
func (d *deltas) last(id model.Metric, s *model.Series) (sent, bool) {
	d.key = append(d.key[:0], byte(id))
	for _, l := range s.Labels {
		d.key = append(append(append(d.key, byte(l.Attr)), l.Value...), 0)
	}
	last, known := d.series[string(d.key)]
	return last, known && last.start == s.Start && !last.isAbove(s)
}

// isAbove tells of a series that counts from the beginning again although its beginning did not move.
func (k sent) isAbove(s *model.Series) bool {
	if s.Histogram == nil || k.histogram == nil {
		return s.Value < k.value || (s.Histogram == nil) != (k.histogram == nil)
	}
	now, before := s.Histogram, k.histogram
	if len(now.Counts) != len(before.Counts) || (now.Exponential == nil) != (before.Exponential == nil) {
		return true
	}
	for i, n := range before.Counts {
		if n > now.Counts[i] {
			return true
		}
	}
	return now.Exponential != nil && !covers(now.Exponential, before.Exponential)
}

// covers tells whether now can be before and more: the buckets grew, or were merged, and no count fell.
func covers(now, before *model.Exponential) bool {
	if now.Scale > before.Scale || now.ZeroCount < before.ZeroCount {
		return false
	}
	before = coarser(before, now.Scale)
	for i, n := range before.Counts {
		at := int(before.Offset) + i - int(now.Offset)
		if n > 0 && (at < 0 || at >= len(now.Counts) || now.Counts[at] < n) {
			return false
		}
	}
	return true
}

// keep remembers s, the series that last was called for.
func (d *deltas) keep(s *model.Series) {
	d.series[string(d.key)] = sent{start: s.Start, value: s.Value, histogram: s.Histogram}
}

// end is the end of an export.
func (d *deltas) end(until time.Duration, now time.Time) {
	d.at, d.until = now, until
	for key, k := range d.series {
		switch {
		case k.seen.IsZero(): // in this export
			k.seen = now
			d.series[key] = k
		case now.Sub(k.seen) > forgetAfter:
			delete(d.series, key)
		case !k.hidden:
			k.hidden, k.histogram = true, detached(k.histogram)
			d.series[key] = k
		}
	}
}
