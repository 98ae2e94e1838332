// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"slices"
)

// order is where a row belongs: numbers fall, names rise, and the same always comes in the same order.
type order struct {
	number, second float64 // falling
	text           string  // rising
	name           string  // rising, whatever the key
	id             uint64  // rising
	row            int
}

// compare is negative where x comes before y.
func (x *order) compare(y *order, reverse bool) int {
	first := cmp.Compare(y.number, x.number)
	if first == 0 {
		first = cmp.Compare(y.second, x.second)
	}
	if first == 0 && x.text != y.text {
		first = cmp.Compare(x.text, y.text)
	}
	switch {
	case first != 0 && reverse:
		return -first
	case first != 0:
		return first
	case x.name != y.name:
		return cmp.Compare(x.name, y.name)
	}
	return cmp.Compare(x.id, y.id)
}

// picker keeps the first rows of an order, without the memory and the time that sorting all of them would take.
type picker struct {
	from, limit int
	reverse     bool
	rows        int     // that were offered
	kept        []order // the first of them are in order once some were dropped
	full        bool    // some were dropped
}

func (b *builder) picker() picker {
	return picker{from: b.q.Offset, limit: b.q.Limit, reverse: b.q.Reverse}
}

func (p *picker) add(o order) {
	p.rows++
	if p.limit == 0 || p.full && o.compare(&p.kept[p.wanted()-1], p.reverse) >= 0 {
		return
	}
	p.kept = append(p.kept, o)
	if len(p.kept) >= 2*p.wanted() {
		p.sort()
		p.kept, p.full = p.kept[:p.wanted()], true
	}
}

func (p *picker) wanted() int { return max(p.from, p.from+p.limit) }

func (p *picker) sort() {
	slices.SortFunc(p.kept, func(x, y order) int { return x.compare(&y, p.reverse) })
}

// pick returns the rows to be shown.
func (p *picker) pick() []int {
	p.sort()
	from := min(p.from, len(p.kept))
	to := min(from+p.limit, len(p.kept))
	rows := make([]int, 0, to-from)
	for _, o := range p.kept[from:to] {
		rows = append(rows, o.row)
	}
	return rows
}

// arranged sorts rows, and returns the indices of those to be shown.
func (b *builder) arranged(all []order) []int {
	p := b.picker()
	for _, o := range all {
		p.add(o)
	}
	b.out.Rows = p.rows
	return p.pick()
}
