// SPDX-License-Identifier: Apache-2.0

// Package trace finds out which request caused which, and gives every request its place in a trace.
//
// It is told when requests begin (their head was read), which threads and goroutines read from and send on their connections,
// and when requests are finished; from that, and from trace context on the wire, follow identifiers and parents. A parent is
// set with evidence or not at all:
//
//   - the request carries the context of its parent (model.EvidenceHeader),
//   - the other end of its connection was seen with the same bytes, by addresses and sequence number (EvidenceConnection),
//   - the thread that sent it was serving exactly one request (EvidenceThread), or was started by one that was, meanwhile
//     (EvidenceParentThread),
//   - the same of goroutines, whose identity is exact where the runtime says who is behind a call (EvidenceGoroutine,
//     EvidenceParentGoroutine).
//
// Threads prove nothing in programs that move work between them: see family for how they show that they do not.
//
// A Tracer is a pure function of the calls made to it, in their order: the same recording gives the same identifiers. It
// holds a bounded number of requests, connections and actors, and counts what it had no room for. It reads no clock and knows
// no kernel. Who calls it: agent/conn tells of beginnings and uses, agent/pipeline has it finish each request before any sink
// sees it. Not safe for concurrent use.
package trace
