// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"hash/maphash"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits. What lies beyond them is counted, not kept.
const (
	MaxHead  = 16 << 10 // bytes of a head that are put together, for each direction
	MaxQueue = 128      // requests that wait for their answer; beyond it the oldest is given up ("pipeline_limit")
	MaxPath  = 4 << 10  // bytes of a path that are kept; what is behind is cut off without a mark
	MaxField = 256      // bytes of a host, a user agent or an upgrade that are kept
)

// Limits of what is kept for the next use.
const (
	tableSets   = 1024 // a power of two
	tableWays   = 4    // strings in a set: two or three that are used in turn must not push each other out
	maxBuffers  = 64
	maxFree     = 1024
	firstBuffer = 2048 // bytes
)

// Shared is what the parsers of one agent have in common: strings seen before and memory for the next use.
// Not safe for concurrent use, and neither are its parsers together.
type Shared struct {
	env       *protocol.Env
	seed      maphash.Seed
	table     [tableSets][tableWays]string
	conns     []*Conn
	exchanges []*exchange
	buffers   [][]byte
	head      head   // of the message at hand
	unfolded  []byte // of the same
}

// NewShared returns the shared part. Emit gets every finished request; what it points to is valid during the call. Open and
// Resync may be nil.
func NewShared(env *protocol.Env) *Shared {
	return &Shared{env: env, seed: maphash.MakeSeed()}
}

// resync counts a direction that was found out of step: bytes that are no message, or a gap in a head.
func (s *Shared) resync() {
	if s.env.Resync != nil {
		s.env.Resync(model.ProtocolHTTP)
	}
}

// intern returns the first limit bytes of b as a string, without allocating when the same bytes came lately.
//
// A string's hash names the set that it may be in, and a new one takes the place of the set's oldest. So the table is
// bounded (tableSets*tableWays strings of MaxField bytes) and a flood of new strings costs no more than their copies.
func (s *Shared) intern(b []byte, limit int) string {
	b = b[:min(len(b), limit)]
	if len(b) == 0 {
		return ""
	}
	if len(b) > MaxField {
		return string(b)
	}
	set := &s.table[maphash.Bytes(s.seed, b)%tableSets]
	for i := range set {
		if set[i] == string(b) {
			return set[i]
		}
	}
	copy(set[1:], set[:])
	set[0] = string(b)
	return set[0]
}

func (s *Shared) buffer() []byte {
	if n := len(s.buffers); n > 0 {
		b := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return b[:0]
	}
	return make([]byte, 0, firstBuffer)
}

func (s *Shared) giveBack(b []byte) {
	if b != nil && len(s.buffers) < maxBuffers {
		s.buffers = append(s.buffers, b)
	}
}

func (s *Shared) exchange() *exchange {
	if n := len(s.exchanges); n > 0 {
		e := s.exchanges[n-1]
		s.exchanges = s.exchanges[:n-1]
		clear(e.fields)
		*e = exchange{fields: e.fields[:0]}
		return e
	}
	return &exchange{}
}

func (s *Shared) recycle(e *exchange) {
	if len(s.exchanges) < maxFree {
		s.exchanges = append(s.exchanges, e)
	}
}

// New returns a parser for one connection. Give it back with Release.
func (s *Shared) New() *Conn {
	if n := len(s.conns); n > 0 {
		c := s.conns[n-1]
		s.conns = s.conns[:n-1]
		return c
	}
	return &Conn{shared: s}
}

// Release gives the parser back without a report of what is open (see Close). It must not be used afterwards.
func (c *Conn) Release() {
	s := c.shared
	for d := range c.side {
		s.giveBack(c.side[d].buf)
	}
	for _, e := range c.queue {
		s.recycle(e)
	}
	for _, e := range c.held {
		s.recycle(e)
	}
	if c.cur != nil {
		s.recycle(c.cur)
	}
	if c.inner != nil {
		c.inner.Release()
	}
	*c = Conn{shared: s, queue: c.queue[:0], held: c.held[:0]}
	if len(s.conns) < maxFree {
		s.conns = append(s.conns, c)
	}
}
