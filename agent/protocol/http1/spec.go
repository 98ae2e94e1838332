// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes HTTP/1 to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolHTTP, Probe: Probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		shared := NewShared(env)
		return func(s protocol.Start) protocol.Parser {
			c := shared.New()
			c.side[0].pos, c.side[1].pos = s.Base[0], s.Base[1]
			if s.Joined {
				c.Joined()
			}
			return c
		}
	}}
}
