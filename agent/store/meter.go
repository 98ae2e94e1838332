// SPDX-License-Identifier: Apache-2.0

package store

import "time"

// meter counts one thing by second and by ten seconds, as far back as windows reach.
type meter struct {
	any    bool
	total  uint64
	fine   [64]reading
	coarse [96]reading
}

type reading struct {
	start int64 // second since boot
	count uint64
}

func (r *reading) add(start int64, n uint64) {
	if r.start != start {
		*r = reading{start: start}
	}
	r.count += n
}

func (m *meter) add(second int64, n uint64) {
	m.any = true
	m.total += n
	m.fine[second%int64(len(m.fine))].add(second, n)
	decade := second / coarseSeconds
	m.coarse[decade%int64(len(m.coarse))].add(decade*coarseSeconds, n)
}

// within adds up what was counted in the window.
func (m *meter) within(s *span) uint64 {
	all := m.fine[:]
	if s.window > time.Minute {
		all = m.coarse[:]
	}
	var n uint64
	for _, r := range all {
		if r.start >= s.from {
			n += r.count
		}
	}
	return n
}
