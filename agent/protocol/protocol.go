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
// direction begins a new turn. Over UDP each Feed is one datagram, and a Skip behind it the part of it that was not captured.
// Not safe for concurrent use.
type Parser interface {
	// Feed takes the next bytes of direction d, which passed at time t. p is valid during the call only.
	Feed(d Dir, p []byte, t time.Duration)
	// Skip says that the next n bytes of direction d passed at time t and were not captured (over the payload budget)
	// or lost (the ring was full). n > 0.
	Skip(d Dir, n uint64, t time.Duration)
	// EOF says that direction d ended in order (FIN) at time t.
	EOF(d Dir, t time.Duration)
	// Close ends the connection: what is still open is reported as incomplete. Only Release may follow.
	Close(c Close)
	// Pending reports the number of requests that wait for the end of their answer.
	Pending() int
	// Fit tells whether the bytes so far were this protocol. It is asked after each Feed until it says FitYes or FitNo.
	Fit() Fit
	// Release gives the parser's memory back without a report of what is open. It must not be used afterwards.
	Release()
}

// Fit is a parser's opinion of the guess that opened it.
type Fit uint8

// A parser that says FitNo has emitted nothing and will not be fed again: the bytes go to the next protocol that may be meant.
const (
	FitOpen Fit = iota // too early to tell
	FitYes             // a message passed that hardly anything else would have made; from now on errors are its own affair
	FitNo              // not this protocol
)

// Yes says that the bytes are this protocol, unless it is decided.
func (f *Fit) Yes() { f.decide(FitYes) }

// No says that they are not, unless it is decided.
func (f *Fit) No() { f.decide(FitNo) }

func (f *Fit) decide(to Fit) {
	if *f == FitOpen {
		*f = to
	}
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

// Emit receives each finished request. r is valid during the call. The parser sets Protocol, Role (RoleServer when the
// observed socket received the request, else RoleClient), Outcome, Reason, ErrorType, OneWay, the times, the sizes and the
// detail; its owner fills in the rest.
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

// Spec describes a protocol to the engine. A package of a protocol exports one function that returns it; agent/protocol/all
// lists them.
type Spec struct {
	Protocol  model.Protocol // that its connections are called after
	Transport model.Transport

	// Names are what Env.Open knows the protocol by, in lower case: tokens of the Upgrade field of HTTP/1 ("h2c", "websocket",
	// "tls/1.0") and the protocol's own. nil stands for Protocol.String() alone.
	Names []string

	// ClientFirst says that servers never speak before they are asked: what looks like an answer at the very beginning of a
	// connection is something else's.
	ClientFirst bool

	// Probe says what the first bytes of a turn look like; it is asked at each turn of a connection that nothing is known
	// of. len(p) > 0. It may claim too much where bytes are few: the parser has the last word (Parser.Fit). What it says
	// never depends on ports.
	Probe func(p []byte) Guess

	// Setup is called once for each engine; what the parsers of an engine share is made there. The function that it returns
	// makes a parser for one connection.
	Setup func(env *Env) func(s Start) Parser
}

// Env is what the engine offers to parsers.
type Env struct {
	Emit Emit

	// Open makes a parser for what follows on the same connection: after an upgrade, inside a tunnel. The parser that asked
	// for it forwards all calls from there on and releases it. name is one of Spec.Names; "" finds the protocol by its first
	// bytes. The result is nil when there is no parser.
	Open func(name string, s Start) Parser

	// Begin tells that a request began whose head was read, and returns what its Request.Begun must say; nil when nobody
	// traces. Parsers call it for requests that others may be the consequence of, so that causes are known before effects, and
	// so that both ends of a connection are joined, which know it by the same byte. A request that was begun and is never emitted
	// does no harm, but takes up room until its connection ends. See Begins.
	Begin func(b Begin) uint64

	// Resync counts a direction that was found out of step.
	Resync func(p model.Protocol)

	// Marks is nil unless what passes is recorded.
	Marks Marks

	// Wire says that what passes comes from a capture. Then neither end is the observed one, whichever of them Sent and Role
	// stand for, and what is an error to clients alone is one.
	Wire bool
}

// Begin describes a request whose head was read. Both ends of a connection see the same bytes, and know it by Dir, At and
// Stream: a parser that joined in the middle must choose the same ones, or none that another request has.
type Begin struct {
	Dir    Dir    // that its first byte travels in
	At     uint64 // position of its first byte; see Marks
	Stream uint32 // of HTTP/2; what else tells requests apart that begin at one position, 0 where none do
	Start  time.Duration
	Fields []model.Field // that may carry trace context; valid during the call

	// Pushed says that the server sent it unasked. The role is that of the connection all the same: the observed socket that
	// received it is the client. It is the consequence of what the server sent.
	Pushed bool
	// Late says that it is over already. Nothing is its consequence.
	Late bool
}

// Begins tells whether a request is to be begun: somebody traces, and it was not begun before. begun is what its Request.Begun
// would say.
func (e *Env) Begins(begun uint64) bool { return e.Begin != nil && begun == 0 }

// View returns the role whose idea of an error a request is judged by, given that of the observed socket.
func (e *Env) View(r model.Role) model.Role {
	if e.Wire {
		return model.RoleClient
	}
	return r
}

// Marks is told which bytes a recording may hold. Positions count the bytes of a direction from the first that the
// connection's first parser was given; a parser begins to count at Start.Base.
//
// What is not settled is not written. So a parser that knows nothing of recordings has no payload in them, and one that
// does settles bytes once it has parsed them and hidden what is private: bodies, values, credentials. What is hidden keeps
// its length, and must be parsed again to the same requests.
type Marks interface {
	// Hide says that bytes [from, to) of direction d are private, and what to write in their place.
	Hide(d Dir, from, to uint64, with Filler)
	// Replace says the same of the bytes of direction d from position at on, and what to write in their place, one for one.
	// with is valid during the call.
	Replace(d Dir, at uint64, with []byte)
	// Settle says that all bytes of direction d before position upTo may be written, but for the hidden ones.
	Settle(d Dir, upTo uint64)
}

// Filler is what stands for private bytes.
type Filler uint8

// The fillers, from the bluntest on.
const (
	FillAll    Filler = iota // every byte becomes an x
	FillText                 // letters become x, digits 0; quotes and backslashes stay, so that a literal ends where it did; the rest becomes x
	FillDigits               // digits become 0, all else stays: a number remains one
	FillZero                 // every byte becomes 0
)

// Start says how a parser begins.
type Start struct {
	// Joined says that bytes have passed before: the connection is older than the agent, or records were lost.
	Joined bool

	// Upgrade is the request that asked for the new protocol, nil elsewhere. Client is the direction it came in. What it
	// points to may be kept.
	Upgrade *model.Request
	Client  Dir

	// Base is the position at which each direction stands; see Marks.
	Base [2]uint64
}

// RoleOf returns the role of an observed socket at which requests pass in direction d.
func RoleOf(d Dir) model.Role {
	if d == Received {
		return model.RoleServer
	}
	return model.RoleClient
}
