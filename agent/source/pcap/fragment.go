// SPDX-License-Identifier: Apache-2.0

package pcap

import "slices"

// Limits of what waits for the rest of its datagram; beyond them the oldest is given up and counted.
const (
	maxDatagrams     = 1024
	maxFragments     = 256     // of one datagram
	maxFragmentBytes = 8 << 20 // of all
	maxIPBytes       = 65535
	fragmentTimeout  = 30e9 // ns, as Linux waits
)

type fragmentKey struct {
	src, dst [16]byte
	id       uint32
	proto    uint8
}

// fragments puts datagrams together (RFC 791 section 3.2, RFC 8200 section 4.5).
type fragments struct {
	waiting map[fragmentKey]*datagram
	oldest  []*datagram // in order of arrival, those that are complete included
	bytes   int
	lost    uint64 // fragments of datagrams that were never whole
}

// datagram is one that is not whole yet.
type datagram struct {
	key     fragmentKey
	since   uint64
	pieces  []piece // in order, not overlapping
	total   int     // length of the whole, 0 while unknown
	have    int
	packets uint64
	bytes   uint64 // of IP packets
	held    int
	done    bool
}

// piece is a fragment: bytes [from, from+n) of which the first len(data) were captured.
type piece struct {
	from, n int
	data    []byte
}

// fragment takes a fragment and goes on with the datagram when that is whole. Bytes that two fragments have are taken from
// the one that came first.
func (d *decoder) fragment(id uint32, from int, more bool, b []byte, n int) verdict {
	p, f := &d.packet, &d.fragments
	if n <= 0 || from+n > maxIPBytes {
		return cutShort
	}
	f.expire(p.time)
	g := f.of(fragmentKey{p.src, p.dst, id, p.proto}, p.time)
	g.packets += p.packets
	g.bytes += p.bytes
	if !more {
		g.total = from + n
	}
	f.add(g, piece{from, n, b[:min(len(b), n)]})
	if g.total == 0 || g.have < g.total {
		return fragmented
	}
	f.remove(g)
	p.packets, p.bytes = g.packets, g.bytes
	return d.transport(p.proto, g.join(), g.total)
}

func (f *fragments) of(k fragmentKey, now uint64) *datagram {
	g := f.waiting[k]
	if g == nil {
		if f.waiting == nil {
			f.waiting = map[fragmentKey]*datagram{}
		}
		g = &datagram{key: k, since: now}
		f.waiting[k] = g
		f.oldest = append(f.oldest, g)
	}
	return g
}

// add keeps what is new in a piece.
func (f *fragments) add(g *datagram, p piece) {
	if len(g.pieces) == maxFragments {
		return
	}
	at := 0
	for ; at < len(g.pieces) && p.n > 0; at++ {
		q := g.pieces[at]
		if p.from+p.n <= q.from {
			break
		}
		if before := q.from - p.from; before > 0 {
			f.insert(g, at, piece{p.from, before, p.data[:min(len(p.data), before)]})
			at++
		}
		p = p.without(q.from + q.n - p.from)
	}
	if p.n > 0 {
		f.insert(g, at, p)
	}
}

// without returns what is left of a piece when its first k bytes are there already.
func (p piece) without(k int) piece {
	k = max(0, min(k, p.n))
	return piece{p.from + k, p.n - k, p.data[min(k, len(p.data)):]}
}

func (f *fragments) insert(g *datagram, at int, p piece) {
	p.data = slices.Clone(p.data)
	g.pieces = slices.Insert(g.pieces, at, p)
	g.have += p.n
	g.held += len(p.data)
	f.bytes += len(p.data)
}

// join returns the bytes of the datagram up to the first that was not captured.
func (g *datagram) join() []byte {
	whole := make([]byte, 0, g.held)
	for _, p := range g.pieces {
		whole = append(whole, p.data...)
		if len(p.data) < p.n {
			break
		}
	}
	return whole[:min(len(whole), g.total)]
}

func (f *fragments) remove(g *datagram) {
	g.done = true
	f.bytes -= g.held
	delete(f.waiting, g.key)
}

// expire gives up what has waited too long, and the oldest where too many wait.
func (f *fragments) expire(now uint64) {
	for len(f.oldest) > 0 {
		g := f.oldest[0]
		if !g.done {
			if now < g.since+fragmentTimeout && len(f.waiting) < maxDatagrams && f.bytes < maxFragmentBytes {
				return
			}
			f.lost += g.packets
			f.remove(g)
		}
		f.oldest[0] = nil
		f.oldest = f.oldest[1:]
	}
}
