// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes QUIC to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolQUIC, Transport: model.TransportUDP, Probe: probe,
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			sh := &shared{env: env}
			return func(protocol.Start) protocol.Parser { return &conn{shared: sh} }
		},
	}
}

// probe says what a datagram looks like: an Initial packet of a known version whose lengths agree. It may see only the
// beginning of one.
func probe(p []byte) protocol.Guess {
	k, ok := readLong(p)
	const least = sampleAt + sampleSize
	if !ok || k.kind != initial || k.to.size < minID && k.from.size < minID || k.size < k.number+least || k.size > 1<<16 {
		return protocol.GuessNo
	}
	return protocol.GuessRequest
}
