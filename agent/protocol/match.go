// SPDX-License-Identifier: Apache-2.0

package protocol

// InOrder matches answers to requests by their order: the first answer belongs to the first request (HTTP/1, Redis,
// PostgreSQL, memcached). It holds at most its limit; not safe for concurrent use. The zero value holds nothing: use
// NewInOrder.
type InOrder[T any] struct {
	waiting []T
	head    int // index of the oldest in waiting
	limit   int
}

// NewInOrder makes a queue for at most limit requests.
func NewInOrder[T any](limit int) InOrder[T] { return InOrder[T]{limit: limit} }

// Len returns the number of requests that wait.
func (q *InOrder[T]) Len() int { return len(q.waiting) - q.head }

// Push adds a request. When the queue is full it returns the oldest request, which is to be given up, and true.
func (q *InOrder[T]) Push(r T) (oldest T, full bool) {
	if q.Len() >= q.limit {
		oldest, full = q.Pop()
	}
	if q.head > 0 && len(q.waiting) == cap(q.waiting) {
		n := copy(q.waiting, q.waiting[q.head:])
		clear(q.waiting[n:])
		q.waiting, q.head = q.waiting[:n], 0
	}
	q.waiting = append(q.waiting, r)
	return oldest, full
}

// Front returns the oldest request, nil when none waits. It is valid until the next call.
func (q *InOrder[T]) Front() *T { return q.At(0) }

// At returns the i-th request from the oldest, nil when there are fewer. It is valid until the next call.
func (q *InOrder[T]) At(i int) *T {
	if i < 0 || i >= q.Len() {
		return nil
	}
	return &q.waiting[q.head+i]
}

// Pop removes the oldest request.
func (q *InOrder[T]) Pop() (r T, ok bool) {
	if q.Len() == 0 {
		return r, false
	}
	var none T
	r, q.waiting[q.head] = q.waiting[q.head], none
	if q.head++; q.head == len(q.waiting) {
		q.waiting, q.head = q.waiting[:0], 0
	}
	return r, true
}

// ByID matches answers to requests by an identifier that both carry (DNS, Kafka, MongoDB, HTTP/2 streams). It holds at
// most its limit; not safe for concurrent use. Use NewByID.
//
// Draining goes in the order in which requests were added: a map's own order would differ from run to run.
type ByID[K comparable, T any] struct {
	waiting map[K]*entry[K, T]
	first   *entry[K, T] // oldest
	last    *entry[K, T]
	limit   int

	free  *entry[K, T] // for the next requests, linked by next
	spare int          // how many they are
}

// maxSpare is the number of entries that a ByID keeps for the next requests.
const maxSpare = 64

type entry[K comparable, T any] struct {
	id         K
	value      T
	prev, next *entry[K, T]
}

// NewByID makes a table for at most limit requests.
func NewByID[K comparable, T any](limit int) ByID[K, T] {
	return ByID[K, T]{waiting: map[K]*entry[K, T]{}, limit: limit}
}

// Len returns the number of requests that wait.
func (m *ByID[K, T]) Len() int { return len(m.waiting) }

// Add adds a request. It returns one that is to be given up, and true, when the table is full (the oldest) or when one with
// the same identifier waits already.
func (m *ByID[K, T]) Add(id K, r T) (old T, replaced bool) {
	if e := m.waiting[id]; e != nil {
		old, replaced = m.remove(e), true
	} else if len(m.waiting) >= m.limit && m.first != nil {
		old, replaced = m.remove(m.first), true
	}
	e := m.entry()
	e.id, e.value, e.prev = id, r, m.last
	if m.last != nil {
		m.last.next = e
	} else {
		m.first = e
	}
	m.last = e
	m.waiting[id] = e
	return old, replaced
}

// Get returns the request with an identifier, nil when none waits. It is valid until it is taken.
func (m *ByID[K, T]) Get(id K) *T {
	if e := m.waiting[id]; e != nil {
		return &e.value
	}
	return nil
}

// Take removes the request with an identifier.
func (m *ByID[K, T]) Take(id K) (r T, ok bool) {
	e := m.waiting[id]
	if e == nil {
		return r, false
	}
	return m.remove(e), true
}

// Oldest returns the request that was added first, nil when none waits.
func (m *ByID[K, T]) Oldest() *T {
	if m.first == nil {
		return nil
	}
	return &m.first.value
}

// Pop removes the request that was added first.
func (m *ByID[K, T]) Pop() (r T, ok bool) {
	if m.first == nil {
		return r, false
	}
	return m.remove(m.first), true
}

// Each calls f for each request in the order in which they were added. f must not add or remove any.
func (m *ByID[K, T]) Each(f func(id K, r *T)) {
	for e := m.first; e != nil; e = e.next {
		f(e.id, &e.value)
	}
}

func (m *ByID[K, T]) entry() *entry[K, T] {
	e := m.free
	if e == nil {
		return &entry[K, T]{}
	}
	m.free = e.next
	m.spare--
	e.next = nil
	return e
}

func (m *ByID[K, T]) remove(e *entry[K, T]) T {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		m.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		m.last = e.prev
	}
	delete(m.waiting, e.id)
	r := e.value
	if *e = (entry[K, T]{}); m.spare < maxSpare {
		e.next = m.free
		m.free = e
		m.spare++
	}
	return r
}
