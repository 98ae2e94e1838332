// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes NATS to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolNATS, Probe: probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env}
		return func(start protocol.Start) protocol.Parser { return newConn(s, start) }
	}}
}

const maxFree = 1024 // exchanges kept for the next use

// shared is what the parsers of an engine have in common.
type shared struct {
	env  *protocol.Env
	free []*exchange
	line line // of the frame at hand
}

func (s *shared) exchange() *exchange {
	if n := len(s.free); n > 0 {
		e := s.free[n-1]
		s.free = s.free[:n-1]
		*e = exchange{}
		return e
	}
	return &exchange{}
}

func (s *shared) recycle(e *exchange) {
	if len(s.free) < maxFree {
		s.free = append(s.free, e)
	}
}
