// SPDX-License-Identifier: Apache-2.0

package hpack

// Sizes of tables in bytes, as RFC 7541 4.1 counts: name, value and entryOverhead for each entry.
const (
	DefaultTable  = 4096     // that every connection begins with (RFC 9113 6.5.2)
	MaxTable      = 64 << 10 // kept of a table that the encoder made larger
	joinedTable   = 8 << 10  // kept of a table whose maximum is not known
	entryOverhead = 32
)

// entry is a field of the dynamic table. Its name and its value stand together in table.bytes.
type entry struct {
	at           uint64 // position of the name: bytes inserted before it
	name, value  uint32 // lengths
	size         uint32 // what it takes in the table, at least
	nameUnknown  bool
	valueUnknown bool
}

// table is the dynamic table (RFC 7541 2.3.2), as far as it is known.
type table struct {
	entries []entry // oldest first; those before head are gone
	head    int
	bytes   []byte // of the entries, oldest first; the first of them stands at position base
	base    uint64

	size     uint64 // of the entries, at least
	max      uint64 // that the encoder chose, when maxKnown
	maxKnown bool
	whole    bool // nothing is in the real table that is not here
}

func (t *table) reset(whole bool) {
	t.clear()
	t.max, t.maxKnown, t.whole = DefaultTable, whole, whole
}

func (t *table) clear() {
	t.base += uint64(len(t.bytes))
	t.entries, t.head, t.bytes, t.size = t.entries[:0], 0, t.bytes[:0], 0
}

func (t *table) len() int { return len(t.entries) - t.head }

// limit is the size up to which entries are kept.
func (t *table) limit() uint64 {
	if !t.maxKnown {
		return joinedTable
	}
	return min(t.max, MaxTable)
}

// get returns the i-th entry from the newest, which is 0.
func (t *table) get(i int) (name, value []byte, e *entry) {
	e = &t.entries[len(t.entries)-1-i]
	b := t.bytes[e.at-t.base:]
	return b[:e.name:e.name], b[e.name : e.name+e.value : e.name+e.value], e
}

// resize takes a size update (RFC 7541 6.3).
func (t *table) resize(n uint64) {
	t.max, t.maxKnown = n, true
	t.evict(0)
	t.learn()
}

// add inserts an entry (RFC 7541 4.4). f must not point into the table; size is what it takes, at least.
func (t *table) add(f *Field, size uint64) {
	t.evict(size)
	switch {
	case t.maxKnown && size > t.max: // it empties the table, and is not inserted
		t.whole = true
		return
	case size > t.limit(): // it is, but not here, and now it is the oldest
		t.whole = false
		return
	}
	t.room(len(f.Name) + len(f.Value))
	e := entry{
		at: t.base + uint64(len(t.bytes)), name: uint32(len(f.Name)), value: uint32(len(f.Value)), size: uint32(size),
		nameUnknown: f.NameUnknown, valueUnknown: f.ValueUnknown,
	}
	t.bytes = append(append(t.bytes, f.Name...), f.Value...)
	t.entries = append(t.entries, e)
	t.size += size
	t.learn()
}

// evict makes room for size bytes.
func (t *table) evict(size uint64) {
	for limit := t.limit(); t.size+size > limit && t.len() > 0; t.head++ {
		t.size -= uint64(t.entries[t.head].size)
		t.whole = t.maxKnown && limit == t.max
	}
	if t.len() == 0 {
		t.clear()
	}
}

// learn notices that no entry older than those known can be left.
func (t *table) learn() {
	t.whole = t.whole || t.maxKnown && t.size+entryOverhead > t.max
}

// room makes room for n bytes and an entry. What is gone is dropped when it is a quarter of a full array, so that moving
// the rest costs little for each byte.
func (t *table) room(n int) {
	if len(t.entries) == cap(t.entries) && t.head > len(t.entries)/4 {
		k := copy(t.entries, t.entries[t.head:])
		t.entries, t.head = t.entries[:k], 0
	}
	if len(t.bytes)+n <= cap(t.bytes) || t.len() == 0 {
		return
	}
	gone := int(t.entries[t.head].at - t.base)
	if gone < len(t.bytes)/4 {
		return // append will find more memory
	}
	t.base += uint64(gone)
	t.bytes = t.bytes[:copy(t.bytes, t.bytes[gone:])]
}
