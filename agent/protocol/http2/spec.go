// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"hash/maphash"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes HTTP/2 and gRPC to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolHTTP,
		Names:    []string{"h2c", "h2"},
		Probe:    probe,
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			return (&shared{env: env, seed: maphash.MakeSeed()}).conn
		},
	}
}
