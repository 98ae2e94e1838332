// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"hash/maphash"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits.
const (
	maxHead      = 4 << 10  // bytes of a frame that are looked at
	maxFrame     = 64 << 20 // bytes of a payload; brokers and clients agree on 128 KiB as a rule
	maxChannels  = 2048     // of a connection that are followed: what RabbitMQ allows
	maxUnsettled = 1024     // messages of a channel that wait to be settled, in each direction ("pipeline_limit" beyond)
	maxOpen      = 4096     // the same for a connection
	maxConsumers = 256      // of a channel whose queue and mode are known
	maxName      = 255      // bytes of a name: a short string
	tableSets    = 256      // of names seen before; a power of two
	tableWays    = 4
)

// Spec describes AMQP 0-9-1 to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolAMQP, Probe: Probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env, seed: maphash.MakeSeed()}
		return s.open
	}}
}

// shared is what the parsers of an engine have in common.
type shared struct {
	env     *protocol.Env
	request model.Request   // that is being reported
	detail  model.Messaging // its detail
	asked   int             // methods of all connections that wait for their answer
	seed    maphash.Seed
	names   [tableSets][tableWays]string
}

// intern returns b as a string, without allocating when it came lately. A short string is bounded by itself.
func (s *shared) intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	set := &s.names[maphash.Bytes(s.seed, b)%tableSets]
	for i := range set {
		if set[i] == string(b) {
			return set[i]
		}
	}
	copy(set[1:], set[:])
	set[0] = string(b)
	return set[0]
}
