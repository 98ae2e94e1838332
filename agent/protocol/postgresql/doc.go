// SPDX-License-Identifier: Apache-2.0

// Package postgresql follows the PostgreSQL protocol, versions 3.0 and 3.2, on a connection: bytes in, requests out.
//
// It is not a client: it validates what it needs for framing, keeps no values, no rows and nothing of an authentication.
// Called by agent/protocol/detect through protocol.Parser, on one goroutine; not safe for concurrent use.
//
// # Wire format
//
// "PostgreSQL Documentation, Frontend/Backend Protocol". A message is a type byte, a length that counts itself, and a body;
// the first messages of a client have no type. Which direction carries requests is seen from the messages.
//
// # Requests
//
//   - Startup: from the StartupMessage to ReadyForQuery or an error. What is exchanged for authentication is counted, not read.
//   - SSLRequest and GSSENCRequest: with their one-byte answer. Behind an S, the TLS parser follows the connection.
//   - CancelRequest and Terminate: one way, they have no answer.
//   - Query: from Query to ReadyForQuery. Several statements in one are one request with Batch.
//   - Execute: each is a request. It begins with the first message since the request before (Parse, Bind, Describe, Close),
//     so that Parse, Bind, Execute is one; it ends with its CommandComplete, EmptyQueryResponse or PortalSuspended, the last
//     one before a Sync with ReadyForQuery. The Sync belongs to it.
//   - What comes between two Syncs without an Execute is one request, called after its most telling message: Parse, else
//     Describe, Bind, Close. So is what a Flush ends, when the answer comes before the client goes on. A Sync alone is none,
//     unless it fails.
//   - FunctionCall.
//
// COPY belongs to the request that began it: data in both directions is counted. What an error made the server skip up to
// the next Sync was not executed: incomplete, "skipped". Beyond MaxPending requests without an answer, further ones are
// added to the last as a batch.
//
// # Fields
//
// Status is the SQLSTATE of an ErrorResponse; it is an error unless its class is 00 or 01. Message is the name of the
// condition. Rows comes from the tag of CommandComplete (summed over the statements of a Query that are of the kind of
// the last), for a suspended portal and where the tag has no count from the rows seen. The text of an Execute is that of the statement its portal was bound to; what was
// prepared before sonde looked, or pushed out of the MaxStatements kept, is unknown: Query is "". User and Namespace
// come from the StartupMessage; after joining in the middle they are unknown.
//
// # What is certain after a gap
//
// Inside a message, framing goes on exactly. Over the beginning of a message the direction is out of step:
//
//   - Answers: the end is found where CommandComplete and ReadyForQuery follow each other: they can be nothing else. Then
//     the request is complete, with the rows of the tag. Else everything that waited is "lost" when the client speaks next.
//   - Requests: in step again with the client's next turn; what waited then is "lost".
//   - A client that does not wait for its answers cannot be followed over a gap in several answers: from there on all of the
//     connection's requests are "lost", never mismatched.
//
// # Tests
//
// Tables of conversations named by behaviour; FuzzSplit, FuzzLoss and FuzzAny; a benchmark; testbed/corpora holds captures
// against what others say of them.
package postgresql
