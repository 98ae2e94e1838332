// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"hash/maphash"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// Limits. What lies beyond them is counted, not kept.
const (
	MaxStreams = 4096    // of a connection that wait for the end of their answer; beyond it the oldest is given up ("stream_limit")
	MaxPath    = 4 << 10 // bytes of a path that are kept; what is behind is cut off without a mark
	MaxQuery   = 8 << 10 // bytes of a query that are kept
	MaxField   = 256     // bytes of other fields that are kept
)

// Limits of what is kept for the next use.
const (
	tableSets  = 1024 // a power of two
	tableWays  = 4    // strings in a set
	maxBuffers = 64
	maxFree    = 1024
)

// shared is what the parsers of one engine have in common: strings seen before and memory for the next use.
// Not safe for concurrent use, and neither are its parsers together.
type shared struct {
	env     *protocol.Env
	scratch hpack.Scratch
	seed    maphash.Seed
	table   [tableSets][tableWays]string
	conns   []*conn
	streams []*stream
	heads   []*head
	buffers [][]byte
	ids     []uint32 // of streams to be given up; used within one call
}

func (s *shared) resync() {
	if s.env.Resync != nil {
		s.env.Resync(model.ProtocolHTTP)
	}
}

// intern returns the first limit bytes of b as a string, without allocating when the same bytes came lately. A set of the
// table forgets its oldest string for a new one.
func (s *shared) intern(b []byte, limit int) string {
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

func (s *shared) buffer() []byte {
	if n := len(s.buffers); n > 0 {
		b := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return b[:0]
	}
	return make([]byte, 0, 1024)
}

func (s *shared) giveBack(b []byte) {
	if b != nil && cap(b) <= hpack.MaxField && len(s.buffers) < maxBuffers {
		s.buffers = append(s.buffers, b)
	}
}

func (s *shared) head() *head {
	if n := len(s.heads); n > 0 {
		h := s.heads[n-1]
		s.heads = s.heads[:n-1]
		clear(h.fields)
		*h = head{fields: h.fields[:0]}
		return h
	}
	return &head{}
}

func (s *shared) stream() *stream {
	if n := len(s.streams); n > 0 {
		st := s.streams[n-1]
		s.streams = s.streams[:n-1]
		clear(st.fields)
		*st = stream{fields: st.fields[:0]}
		return st
	}
	return &stream{}
}

func (s *shared) recycle(st *stream) {
	if len(s.streams) < maxFree {
		s.streams = append(s.streams, st)
	}
}

// conn returns a parser for one connection.
func (s *shared) conn(start protocol.Start) protocol.Parser {
	var c *conn
	if n := len(s.conns); n > 0 {
		c, s.conns = s.conns[n-1], s.conns[:n-1]
	} else {
		c = &conn{shared: s, streams: protocol.NewByID[uint32, *stream](MaxStreams)}
	}
	c.begin(start)
	return c
}

// Release implements protocol.Parser.
func (c *conn) Release() {
	s := c.shared
	for {
		st, ok := c.streams.Pop()
		if !ok {
			break
		}
		s.recycle(st)
	}
	for d := range c.side {
		c.side[d].dropBlock(s)
	}
	if len(s.conns) < maxFree {
		s.conns = append(s.conns, c)
	}
}
