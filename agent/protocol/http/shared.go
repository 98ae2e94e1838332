// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits. What lies beyond them is counted, not kept.
const (
	MaxHead   = 16 << 10 // bytes of a head that are put together, for each direction
	MaxQueue  = 128      // requests that wait for their answer; more and the oldest is given up ("pipeline_limit")
	MaxPath   = 4 << 10  // bytes of a path or a query that are kept
	maxField  = 256      // bytes of a host or a user agent that are kept
	maxSpare  = 1024     // parsers and exchanges that are kept for the next one
	maxIntern = 4096     // strings shared between requests
)

// Shared is what the parsers of one agent have in common. Not safe for concurrent use.
type Shared struct {
	emit    protocol.Emit
	strings map[string]string
	conns   []*Conn
	spare   []*exchange
	buffers [][]byte

	Resyncs uint64 // times a direction was found out of step
}

// NewShared returns the shared part; emit gets every finished request.
func NewShared(emit protocol.Emit) *Shared {
	return &Shared{emit: emit, strings: map[string]string{}}
}

// intern returns a string of at most limit bytes of b, the same one for the same bytes as long as there is room.
func (s *Shared) intern(b []byte, limit int) string {
	b = b[:min(len(b), limit)]
	if v, ok := s.strings[string(b)]; ok {
		return v
	}
	if len(s.strings) >= maxIntern {
		clear(s.strings) // an attacker's million paths cost what one path costs
	}
	v := string(b)
	if len(b) <= maxField {
		s.strings[v] = v
	}
	return v
}

func (s *Shared) buffer() []byte {
	if n := len(s.buffers); n > 0 {
		b := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return b[:0]
	}
	return make([]byte, 0, 2048)
}

func (s *Shared) giveBack(b []byte) {
	if b != nil && len(s.buffers) < 256 {
		s.buffers = append(s.buffers, b)
	}
}

func version(v []byte) string {
	switch string(v) {
	case "1.1":
		return "1.1"
	case "1.0":
		return "1.0"
	}
	return string(v)
}

// finish hands a request on and takes its memory back.
func (s *Shared) finish(e *exchange, reason string) {
	r := &e.request
	r.Protocol, r.HTTP, r.Reason = model.ProtocolHTTP, &e.http, reason
	switch status := e.http.Status; {
	case reason != "":
		r.Outcome = model.OutcomeIncomplete
	case r.Role == model.RoleServer && status >= 500, r.Role != model.RoleServer && status >= 400:
		r.Outcome = model.OutcomeError
	default:
		r.Outcome = model.OutcomeOK
	}
	s.emit(r)
	s.forget(e)
}
