// SPDX-License-Identifier: Apache-2.0

// Package protocol is the contract between the bytes of a connection and the parsers of application protocols.
//
// Parsers know bytes and nothing else: no kernel, no process, no clock, no metric. They are pure functions of what they
// are fed, so that any split of the same bytes gives the same messages, and a gap gives an explicit mark in them.
// Who calls them: agent/conn, which puts the bytes of both directions in order first.
package protocol

import (
	"time"

	"sonde/agent/model"
)

// State is the answer of a message parser to the bytes it was given.
type State uint8

// A parser never returns an error for strange traffic, it returns a state.
const (
	Done     State = iota // a message is complete; its length was consumed
	NeedMore              // the bytes are a valid beginning; call again with more
	Invalid               // not this protocol, or out of step: resynchronise at the next turn
	Ignored               // valid, but nothing to report (an interim response, padding between messages)
)

// Dir is a direction of a connection, seen from the observed socket.
type Dir uint8

// Sent bytes left the observed socket, Received bytes reached it.
const (
	Sent Dir = iota
	Received
)

// Other returns the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

// Parser follows one connection of one protocol.
//
// Calls come in the order of the kernel's records. Within a direction the bytes are in stream order and every byte is
// either fed or skipped exactly once. Consecutive calls for the same direction belong to one turn; a call for the other
// direction begins a new turn. Not safe for concurrent use.
type Parser interface {
	// Feed takes the next bytes of direction d, which passed at time t. p is valid during the call only.
	Feed(d Dir, p []byte, t time.Duration)
	// Skip says that the next n bytes of direction d passed at time t and were not captured (over the payload budget)
	// or lost (the ring was full). n > 0.
	Skip(d Dir, n uint64, t time.Duration)
	// EOF says that direction d ended in order (FIN) at time t.
	EOF(d Dir, t time.Duration)
	// Close ends the connection: what is still open is reported as incomplete. The parser may be reused after Reset only.
	Close(c Close)
	// Pending reports the number of requests that wait for the end of their answer.
	Pending() int
}

// Close says how a connection ended.
type Close struct {
	Time   time.Duration
	Reason string // reason for requests that are still open: "connection_closed", "connection_reset", "timeout", "agent_stopped"

	// SentAcked is the number of bytes of direction Sent (as counted by Feed and Skip) that the peer acknowledged.
	// It is valid when AckedKnown is set, which needs the kernel's close event.
	SentAcked  uint64
	AckedKnown bool
}

// Emit receives each finished request. r is valid during the call; Protocol, Role, Outcome, Reason, the times, sizes and the
// detail are set, the rest is filled in by the caller's owner.
type Emit func(r *model.Request)

// Guess is what the first bytes of a turn look like to one protocol.
type Guess uint8

// Maybe means that the bytes are a prefix of both kinds of answers, or too few to tell.
const (
	GuessNo Guess = iota
	GuessMaybe
	GuessRequest
	GuessResponse
)
