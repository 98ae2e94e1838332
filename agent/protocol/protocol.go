// SPDX-License-Identifier: Apache-2.0

// Package protocol is the contract between the bytes of a connection and the parsers of application protocols.
//
// Parsers know bytes and nothing else: no kernel, no process, no clock, no metric. They are pure functions of what they
// are fed, so that any split of the same bytes gives the same messages, and a gap gives an explicit mark in them.
package protocol

// State is the answer of a parser to the bytes it was given.
type State uint8

// A parser never returns an error for strange traffic, it returns a state.
const (
	Done     State = iota // a message (or a part that matters) is complete; its length was consumed
	NeedMore              // the bytes are a valid beginning; call again with more
	Invalid               // not this protocol, or out of step: resynchronise at the next turn
	Ignored               // valid, but nothing to report (an interim response, keep-alive padding)
)
