// SPDX-License-Identifier: Apache-2.0

package store

import (
	"sort"
	"time"

	"sonde/agent/model"
)

// chunkEntries is how many requests are kept and forgotten together. The bounds of the ring are kept to the request; the memory
// of a chunk goes with its last one.
const chunkEntries = 256

// entry is a kept request. It never changes: those that ask share it.
type entry struct {
	request *model.Request
	at      time.Duration // that the store heard of it
	took    time.Duration
	conn    uint64
	trace   uint64 // begin of the trace id: most requests are of another trace
	twin    uint64 // the observation of the same exchange that came before, 0 when there is none
	twins   uint64 // entries with a twin up to this one, since the beginning
	bytes   uint32 // of memory
	bits    uint32 // of routes and edges
	flags   uint8
	groups  [names]*group // by kind; nil where it counts in none
}

// Flags of an entry.
const (
	entryFailed uint8 = 1 << iota
	entryIncomplete
	entrySlow
)

type chunk [chunkEntries]entry

// ring keeps the newest requests. A copy of the value with a copy of its chunks is a view that later requests do not change.
type ring struct {
	chunks     []*chunk
	base       uint64 // identifier of the first entry of the first chunk
	first, end uint64 // identifiers of the kept requests: first <= id < end
	bytes      int
}

// entryBytes is what an entry takes itself.
const entryBytes = 160

func newRing() ring { return ring{base: 1, first: 1, end: 1} }

// add keeps e, and forgets the oldest until there are at most requests that take at most bytes. The newest one always stays.
func (r *ring) add(e *entry, requests, bytes int) {
	if r.first < r.end {
		e.twins = r.get(r.end - 1).twins
	}
	if e.twin != 0 {
		e.twins++
	}
	at := r.end - r.base
	if at/chunkEntries == uint64(len(r.chunks)) {
		r.chunks = append(r.chunks, new(chunk))
	}
	r.chunks[at/chunkEntries][at%chunkEntries] = *e
	r.end++
	r.bytes += int(e.bytes)
	for r.first+1 < r.end && (r.end-r.first > uint64(requests) || r.bytes > bytes) {
		r.bytes -= int(r.get(r.first).bytes)
		r.first++
		if r.first-r.base == chunkEntries {
			r.chunks[0] = nil // views have slices of their own
			r.chunks, r.base = r.chunks[1:], r.first
		}
	}
}

// get returns the entry of an identifier that is kept.
func (r *ring) get(id uint64) *entry {
	at := id - r.base
	return &r.chunks[at/chunkEntries][at%chunkEntries]
}

// find returns the entry of id, nil when it is not kept.
func (r *ring) find(id uint64) *entry {
	if id < r.first || id >= r.end {
		return nil
	}
	return r.get(id)
}

// twinsSince counts the entries from an identifier on that have a twin.
func (r *ring) twinsSince(id uint64) uint64 {
	if id >= r.end {
		return 0
	}
	n := r.get(r.end-1).twins - r.get(id).twins
	if r.get(id).twin != 0 {
		n++
	}
	return n
}

func (r *ring) len() int { return int(r.end - r.first) }

// sinceTime returns the identifier of the first request that was heard of at or after t.
func (r *ring) sinceTime(t time.Duration) uint64 {
	n := sort.Search(r.len(), func(i int) bool { return r.get(r.first+uint64(i)).at >= t })
	return r.first + uint64(n)
}

// observation is what e counted as.
func (e *entry) observation() observation {
	return observation{took: e.took, failed: e.flags&entryFailed != 0, incomplete: e.flags&entryIncomplete != 0, bits: e.bits}
}

// side is the side of its groups that e counted in.
func (e *entry) side() uint8 {
	if e.request.Role == model.RoleClient {
		return sideClient
	}
	return sideServer
}
