// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// UDP describes DNS over UDP to the engine.
func UDP() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolDNS, Transport: model.TransportUDP, Probe: probeUDP,
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			sh := &shared{env: env}
			return func(s protocol.Start) protocol.Parser { return &udp{dialogue: sh.open(model.TransportUDP, s)} }
		},
	}
}

// TCP describes DNS over TCP to the engine.
func TCP() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolDNS, Transport: model.TransportTCP, Probe: probeTCP,
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			sh := &shared{env: env}
			return func(s protocol.Start) protocol.Parser { return newTCP(sh.open(model.TransportTCP, s), s.Base) }
		},
	}
}
