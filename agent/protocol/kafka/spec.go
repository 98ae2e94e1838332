// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"hash/maphash"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits.
const (
	maxHead    = 8 << 10 // bytes of a message that are looked at; what is behind is unknown
	maxWaiting = 256     // requests of a connection that wait for their answer ("pipeline_limit" beyond)
	maxFrame   = 1 << 30 // bytes of a message; a length beyond is none
	maxName    = 256     // bytes of a name that are kept; topics have 249 at most
	maxLearnt  = 64      // topic ids learnt from one answer
	maxTopics  = 4096    // topic ids whose names are known, of all connections
	maxStray   = 8       // answers without a request after which a connection is not taken for this protocol
	tableSets  = 256     // of names seen before; a power of two
	tableWays  = 4
)

// Spec describes Kafka to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolKafka, Probe: Probe, Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
		s := &shared{env: env, seed: maphash.MakeSeed(), topics: map[[16]byte]string{}}
		s.walk.learnt = make([]binding, 0, maxLearnt)
		return s.open
	}}
}

// shared is what the parsers of an engine have in common.
type shared struct {
	env     *protocol.Env
	walk    walk
	request model.Request   // that is being reported
	detail  model.Messaging // its detail

	seed  maphash.Seed
	names [tableSets][tableWays]string

	// topics holds the names of topic ids. An id is of one topic for ever and of one cluster only, so what one connection's
	// answers say holds for all: consumers fetch by id on other connections than those they ask for metadata on.
	topics map[[16]byte]string
}

// intern returns b as a string of at most maxName bytes, without allocating when it came lately.
func (s *shared) intern(b []byte) string {
	b = b[:min(len(b), maxName)]
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

// learn remembers the names of topic ids. Beyond the limit all are forgotten: they come again with the next metadata.
func (s *shared) learn(all []binding) {
	for _, b := range all {
		if isZero(b.id) {
			continue
		}
		if _, known := s.topics[[16]byte(b.id)]; known {
			continue
		}
		if len(s.topics) >= maxTopics {
			clear(s.topics)
		}
		s.topics[[16]byte(b.id)] = string(b.name[:min(len(b.name), maxName)])
	}
}

// topic returns the name of the first topic that facts speak of, "" when it is not known.
func (s *shared) topic(f *facts) string {
	if f.topic == nil && f.topicID != nil {
		return s.topics[[16]byte(f.topicID)]
	}
	return s.intern(f.topic)
}
