// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes memcached to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolMemcached, ClientFirst: true, Probe: probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env}
		return func(start protocol.Start) protocol.Parser {
			return &conn{shared: s, joined: start.Joined, passing: start.Base, hidden: start.Base}
		}
	}}
}

// shared is what the parsers of an engine have in common.
type shared struct {
	env     *protocol.Env
	waiting int // requests of all connections that wait
	query   []byte

	request model.Request // what is emitted
	db      model.DB
}

func (s *shared) resync() {
	if s.env.Resync != nil {
		s.env.Resync(model.ProtocolMemcached)
	}
}

// request is a command that waits for its answer.
type request struct {
	operation, query string
	words            string // that its answer can begin with, "" for any; separated and enclosed by blanks
	key              string // of a quiet meta command that asks for it
	opaque           string // of a meta command
	keys             int
	cut              bool
	quiet            bool
	oneWay           bool
	behind           bool // a command without answer came before it
	returns          bool // its answer has values
	opcode           byte // of the binary protocol
	token            uint32

	at, begun                          uint64 // position of its first byte, and what Env.Begin said
	start, end, answerStart, answerEnd time.Duration
	bytes, answerBytes                 uint64
	rows                               int64
	status, message                    string
}

// trace begins a request for who traces. It is late where it is over already.
func (s *shared) trace(r *request, client protocol.Dir, late bool) {
	if s.env.Begins(r.begun) {
		r.begun = s.env.Begin(protocol.Begin{Dir: client, At: r.at, Start: r.start, Late: late})
	}
}

// report emits a request; reason tells why it has no answer.
func (s *shared) report(r *request, reason string, client protocol.Dir, closed time.Duration) {
	s.trace(r, client, true)
	if reason == "lost" { // what seemed to be its answer may be another's
		r.answerStart, r.answerEnd, r.answerBytes, r.rows, r.status, r.message = 0, 0, 0, 0, "", ""
	}
	s.db = model.DB{
		System: "memcached", Operation: r.operation, Query: r.query, QueryCut: r.cut, Keys: r.keys,
		Status: r.status, Message: r.message,
	}
	if r.returns && reason == "" && r.status == "" && !r.oneWay && r.rows != unknownRows {
		s.db.Rows, s.db.RowsKnown = r.rows, true
	}
	s.request = model.Request{
		Protocol: model.ProtocolMemcached, Role: protocol.RoleOf(client), OneWay: r.oneWay, ErrorType: r.status, Reason: reason,
		Start: r.start, RequestEnd: r.end, ResponseStart: r.answerStart, End: r.answerEnd,
		RequestBytes: r.bytes, ResponseBytes: r.answerBytes, Begun: r.begun, DB: &s.db,
	}
	switch {
	case reason != "":
		s.request.Outcome = model.OutcomeIncomplete
		s.request.End = max(r.end, r.answerEnd, closed)
	case r.status != "":
		s.request.Outcome = model.OutcomeError
	case r.oneWay:
		s.request.End = r.end
	}
	s.env.Emit(&s.request)
}
