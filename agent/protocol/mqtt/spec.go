// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes MQTT to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolMQTT, Probe: probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env}
		return func(start protocol.Start) protocol.Parser { return newConn(s, start) }
	}}
}

const maxFree = 1024 // exchanges kept for the next use

// shared is what the parsers of an engine have in common.
type shared struct {
	env    *protocol.Env
	free   []*exchange
	packet packet // at hand
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

// probe says what the first bytes of a turn look like. CONNECT says its own name; what else a turn may begin with is only
// likely, and must fill the bytes with packets that hold what they should.
func probe(b []byte) protocol.Guess {
	if g := probeConnect(b); g != protocol.GuessNo {
		return g
	}
	for first := true; ; first = false {
		size, state := frameSize(b)
		switch {
		case state == protocol.Invalid:
			return protocol.GuessNo
		case state == protocol.NeedMore:
			return protocol.GuessMaybe
		}
		n := min(size, uint64(len(b)))
		var p packet
		p.read(&protocol.Frame{Head: b[:n], Size: size}, 0)
		ok, sure := p.holds()
		switch {
		case !ok:
			return protocol.GuessNo
		case first && sure && size <= uint64(len(b)):
			return protocol.GuessRequest
		case size >= uint64(len(b)):
			return protocol.GuessMaybe
		}
		b = b[n:]
	}
}

func probeConnect(b []byte) protocol.Guess {
	if b[0] != byte(kindConnect)<<4 {
		return protocol.GuessNo
	}
	n, _ := varint(b[1:])
	if n < 0 {
		return protocol.GuessNo
	}
	rest := b[1+n:]
	for _, name := range []string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
		if m := min(len(rest), len(name)); string(rest[:m]) == name[:m] {
			if n == 0 || m < len(name) {
				return protocol.GuessMaybe
			}
			return protocol.GuessRequest
		}
	}
	return protocol.GuessNo
}

// holds tells whether a packet has the content that its type should have, and whether hardly anything else would.
func (p *packet) holds() (ok, sure bool) {
	switch p.kind {
	case kindConnect:
		_, ok = readConnect(p.body)
		return ok, ok
	case kindConnack:
		return len(p.body) >= 2 && p.body[0] <= 1 && (p.body[1] < byte(len(oldCodes)) || isReason(p.body[1])), false
	case kindPublish:
		_, ok = readPublish(p)
		return ok, false
	case kindPuback, kindPubrec, kindPubrel, kindPubcomp:
		if !p.whole() {
			return len(p.body) < 3 || isReason(p.body[2]), false
		}
		_, ok = readAck(p)
		return ok, false
	case kindSubscribe, kindUnsubscribe:
		_, ok = readFilters(p)
		return ok, ok
	case kindSuback, kindUnsuback:
		_, ok = readCodes(p)
		return ok, false
	case kindDisconnect, kindAuth:
		return p.left == 0 || len(p.body) > 0 && (p.body[0] <= 0x19 || isReason(p.body[0])), false
	}
	return true, false
}
