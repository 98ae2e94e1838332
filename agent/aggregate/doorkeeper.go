// SPDX-License-Identifier: Apache-2.0

package aggregate

// doorkeeper keeps the second half of a table for keys that come again. Names that are made up for one query each would
// fill a table before the names of services get to it. Until a key is let in, the overflow series counts it.
//
// It is a count-min sketch that ages: a key is let in early only where others share all of its counters, which one in
// thousands does.
type doorkeeper struct {
	counts [rows][1 << rowBits]uint8
	asked  int
}

const (
	rows     = 4
	rowBits  = 12
	admitAt  = 3    // requests after which a key is one that comes again
	forgetIn = 2048 // requests after which all counts are halved, before strangers fill too many of them
)

// admit counts a key by its hash and tells whether it may have a series.
func (d *doorkeeper) admit(hash uint64) bool {
	if d.asked++; d.asked > forgetIn {
		d.age()
	}
	admitted := true
	for i := range d.counts {
		n := &d.counts[i][hash>>(64-rowBits)]
		hash <<= rowBits
		*n = min(*n+1, admitAt)
		admitted = admitted && *n == admitAt
	}
	return admitted
}

func (d *doorkeeper) age() {
	d.asked = 1
	for i := range d.counts {
		for j := range d.counts[i] {
			d.counts[i][j] /= 2
		}
	}
}

// hashOf is FNV-1a with its bits spread. It is the same in each run, so that a replay gives the same series.
func hashOf(all ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range all {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>32) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}
