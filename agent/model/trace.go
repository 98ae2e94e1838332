// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/hex"
	"net/netip"
	"time"
)

// TraceID identifies a trace (W3C Trace Context 3.2.2.3). The zero value is none.
type TraceID [16]byte

// SpanID identifies a span within its trace (W3C Trace Context 3.2.2.4). The zero value is none.
type SpanID [8]byte

// String returns 32 lower-case hex digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String returns 16 lower-case hex digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// IsZero tells whether there is none.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero tells whether there is none.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// TraceFlags are the flags of W3C Trace Context.
type TraceFlags uint8

// FlagRandom says that at least the lower seven bytes of the trace id are random (level 2).
const (
	FlagSampled TraceFlags = 1 << iota
	FlagRandom
)

// SpanContext is what one span hands to the next: W3C Trace Context, whatever format it came in.
type SpanContext struct {
	TraceID TraceID
	SpanID  SpanID
	Flags   TraceFlags
	State   string // tracestate as it came, "" when there was none or it was invalid

	// Deferred says that the format left the decision on sampling to the receiver (B3 without a decision, X-Ray's "?").
	// FlagSampled means nothing then.
	Deferred bool
}

// Valid tells whether both identifiers are set.
func (c *SpanContext) Valid() bool { return !c.TraceID.IsZero() && !c.SpanID.IsZero() }

// Field is one name and value from the wire that may carry trace context: a header field, a message header, a pair of an SQL
// comment. Names are as sent.
type Field struct{ Name, Value string }

// Evidence says how the parent of a span was found.
type Evidence uint8

// From nothing on: a span without evidence is a root. Each kind is proof of its own; a guess is none.
const (
	EvidenceNone            Evidence = iota
	EvidenceHeader                   // the request carried its parent's context
	EvidenceConnection               // the other end of the same connection was seen with the same bytes
	EvidenceThread                   // the thread that sent it was serving exactly one request
	EvidenceParentThread             // the same of the thread that started the sending thread meanwhile
	EvidenceGoroutine                // the goroutine that sent it, or handed it to its sender, was serving a request
	EvidenceParentGoroutine          // the same of the goroutine that started the sending goroutine meanwhile

	EvidenceCount // the number of kinds, not one of them
)

var evidences = [...]string{
	"", "header", "connection", "thread", "parent_thread", "goroutine", "parent_goroutine",
}

// String returns the name used in JSON, in attributes and in labels, "" for none.
func (e Evidence) String() string {
	if int(e) < len(evidences) {
		return evidences[e]
	}
	return ""
}

// Span is the place of a request in a trace. It is the zero value where nothing traces.
type Span struct {
	SpanContext
	Parent       SpanID // zero: a root
	ParentRemote bool   // the parent came with the request and is no span of this agent
	Evidence     Evidence

	// Sampled says that the span goes to the exporters of spans. Metrics count every request all the same.
	Sampled bool
	// Denied says that a remote parent, this span's or of a span above it, decided against sampling and that the head sampler
	// honours that: no rule keeps the span.
	Denied bool
	// Kept says why a span is exported that the head sampler had left out: "error", "slow"; "" otherwise.
	Kept string
	// Silenced says that the observed process exports its own spans: the exporters of spans leave this one out.
	Silenced bool

	// Links are the contexts of the messages that the request carried. Never changed once published.
	Links []SpanContext
}

// Started tells of a request whose head was read, long before its answer. It is what causality is found by.
type Started struct {
	Conn           uint64 // as Request.Conn
	Role           Role   // of the observed socket
	Client, Server netip.AddrPort
	NetNS          uint32
	Process        *Process // at the observed end, nil when not known

	// Seq is the TCP sequence number of the first byte of the request, the same at both ends of a connection; Stream tells
	// the streams of HTTP/2 apart, and what else begins at one byte, 0 elsewhere.
	Seq    uint32
	Stream uint32

	Pushed bool // the server sent it unasked, so the client's end is the consequence of the server's
	Late   bool // it is over already: nothing is its consequence

	Start  time.Duration // first byte, since boot
	Fields []Field       // that may carry trace context; valid during the call
}

// UseKind says what a thread did with a socket.
type UseKind uint8

// The kinds of use. Send comes before the bytes that it tells of, Sent after them.
const (
	UseRead  UseKind = 1 + iota // data was copied to a reader
	UseSend                     // the bytes that follow are from this thread
	UseSent                     // the bytes before are from this thread
	UseCall                     // Go: the next request on the socket, or the stream, is from this goroutine
	UseServe                    // Go: the stream that ParentGoroutine read from its socket is served by this goroutine
)

// Actor is a thread or, in Go programs, a goroutine.
type Actor struct {
	PID, TID uint32
	Started  time.Duration // of the thread, since boot
	Creator  uint32        // thread that started this one, 0 when not known

	// Unjudged says that the program may have goroutines that cannot be told apart yet: the thread proves nothing.
	Unjudged bool

	// In Go programs, 0 elsewhere. Threads mean nothing there.
	Goroutine       uint64
	ParentGoroutine uint64
	StartPC         uint64 // of the function that the goroutine runs
}

// Use tells that a thread or goroutine used a socket.
type Use struct {
	Kind   UseKind
	Conn   uint64 // as Request.Conn; 0 where the connection of a UseServe is to follow from its goroutines
	Stream uint32 // HTTP/2, for UseCall and UseServe; 0 for all of the connection
	Time   time.Duration
	Actor  Actor
}
