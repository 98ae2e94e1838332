// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sonde/agent/model"
)

// unwatchedFor is how long after the last query a store on demand goes on, and a frozen world stays.
const unwatchedFor = 10 * time.Minute

// Store implements pipeline.Sink, Dropper and Ticker on one side, view.World on the other. Safe for concurrent use.
type Store struct {
	config Config
	clock  func() model.Clock
	words  Words
	self   func() Self

	onDemand bool
	watched  atomic.Bool  // of a store that is not, calls of the sink return at once
	asked    atomic.Int64 // wall time of the last query, in nanoseconds since 1970

	seed maphash.Seed

	scratch []byte     // of the goroutine that feeds
	slab    []withHTTP // the same

	frozen frozenWorlds

	mu sync.Mutex
	state
}

// state is what Reset forgets. It is guarded by Store.mu.
type state struct {
	begun      bool
	began, now time.Duration
	second     int64  // that is underway
	generation uint64 // grows with each second that is closed

	tables [kinds]table
	spare  []*series
	recent *[1 << recentBits]recent
	texts  map[netip.AddrPort]string
	met    meetings
	twins  twins

	ring     ring
	observed uint64 // requests since the beginning
	flows    flowTable
	sockets  meter // bytes that sockets sent and received, both ends of a connection once
	packets  meter // bytes that crossed interfaces
	lost     meter // records
	losses   []loss
	drops    map[string]uint64
	samples  samples
}

// loss is what was lost of one thing at one place.
type loss struct {
	where, what string
	role        model.Role
	count       uint64
}

// New makes a store. clock gives wall time for times since boot, self the state of the agent once a second (nil: none). c must
// be valid. A store in mode "attached", as OnDemand has it, keeps nothing until Watch.
func New(c Config, clock func() model.Clock, words Words, self func() Self) *Store {
	if clock == nil {
		clock = func() model.Clock { return model.Clock{} }
	}
	s := &Store{config: c, clock: clock, words: words, self: self, onDemand: c.Mode == OnDemand().Mode, seed: maphash.MakeSeed()}
	s.state.init(c)
	s.watched.Store(!s.onDemand)
	return s
}

func (st *state) init(c Config) {
	*st = state{generation: st.generation + 1}
	for k := range kinds {
		limit := c.Groups
		if k == names || k == lookups { // a name is asked for with several types, by several clients
			limit *= 2
		}
		st.tables[k] = newTable(k, limit)
	}
	st.texts = map[netip.AddrPort]string{}
	st.ring = newRing()
	st.flows = newFlowTable(c.Flows)
	st.drops = map[string]uint64{}
}

// Watch says that somebody will look: until ten minutes pass without a query, the store keeps what it is told. A store whose
// mode is another than OnDemand's is always watched.
func (s *Store) Watch() {
	s.asked.Store(time.Now().UnixNano())
	s.watched.Store(true)
}

// Reset forgets everything but frozen worlds: the source begins again. Identifiers of requests begin at 1 again, so that a
// source that repeats itself repeats them too.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.init(s.config)
}

// unwatched stops a store on demand that nobody has asked for long.
func (s *Store) unwatched() {
	if !s.onDemand || time.Since(time.Unix(0, s.asked.Load())) < unwatchedFor {
		return
	}
	s.watched.Store(false)
	s.frozen.clear() // whoever asks for them asks the store
	s.Reset()
}

// Lost implements pipeline.Sink.
func (s *Store) Lost(l *model.Loss) {
	if !s.watched.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.Time > 0 {
		s.advance(l.Time)
	}
	if l.What == "records" {
		s.lost.add(s.second, l.Count)
	}
	for i := range s.losses {
		if is := &s.losses[i]; is.where == l.Where && is.what == l.What && is.role == l.Role {
			is.count += l.Count
			return
		}
	}
	if len(s.losses) < maxReasons {
		s.losses = append(s.losses, loss{l.Where, l.What, l.Role, l.Count})
	}
}

// maxReasons bounds the names that losses and drops may have: there are a few dozen.
const maxReasons = 512

// Drops implements pipeline.Dropper.
func (s *Store) Drops(reason string, packets uint64) {
	if !s.watched.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.drops[reason]; known || len(s.drops) < maxReasons {
		s.drops[reason] += packets
	}
}

// Tick implements pipeline.Ticker.
func (s *Store) Tick(now time.Duration) {
	if !s.watched.Load() {
		return
	}
	s.mu.Lock()
	before, begun := s.second, s.begun
	s.advance(now)
	next := !begun || s.second != before
	s.mu.Unlock()
	if !next {
		return
	}
	s.unwatched()
	s.frozen.expire()
	s.sample(now)
}
