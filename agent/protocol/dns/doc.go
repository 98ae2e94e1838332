// SPDX-License-Identifier: Apache-2.0

// Package dns follows DNS queries and answers over UDP and TCP (RFC 1035, RFC 6891, RFC 7766): bytes in, requests out.
//
// It is not a resolver and not a validator: it reads what passed and keeps what identifies an exchange. Called by
// agent/protocol/detect and agent/conn through protocol.Parser, on one goroutine; the parsers of one engine share buffers
// and are not safe for concurrent use.
//
// # Wire format
//
// A message is a header of 12 bytes, questions, and three sections of records. Names are labels with pointers to earlier
// names; a pointer that does not go back, or a name of more than 255 bytes, makes a message invalid. Over UDP a datagram is
// a message; over TCP each has its length before it, in two bytes. mDNS (RFC 6762), LLMNR and the NetBIOS name service use
// the same format and are read as DNS.
//
// # Matching
//
// An answer belongs to the query with the same identifier, name, type and class that went the other way; case of letters
// does not count (RFC 1035 2.3.3), but the name is reported as it was queried. An answer without a question (a server that
// could not read the query) belongs to the only query with its identifier. A query that is sent again is the same request:
// Start is that of the first, Retries counts the others. A second answer to a query is passed over.
//
// Messages with several questions are reported by the first, as no server answers more. A query to a multicast group is
// OneWay: what answers it, if anything, comes from other addresses. mDNS announcements are no requests.
//
// A zone transfer (AXFR, IXFR) is one request with all messages of its answer; its records are counted and not kept.
//
// # What is certain after a gap
//
// A message that was cut is read as far as it goes: then Answers holds fewer records than Records says. Over TCP, bytes lost
// where a message begins put the direction out of step until its next turn. Since answers carry what they answer, none is
// ever given to another query; queries from before the gap that stay without an answer are "lost".
//
// An answer whose query was not seen is reported, as incomplete with the reason "request_lost" and Start as its own time,
// when the query may have passed unseen: the connection was joined, or only its answers are seen. Else it is passed over:
// nobody asked.
//
// # Reasons
//
// "timeout" after QueryTimeout without an answer, "lost", "request_lost", "pipeline_limit" beyond MaxWaiting, else the reason
// that Close gives.
//
// # Limits
//
// MaxWaiting queries wait for an answer. MaxAnswers records of MaxAnswer bytes of text each are kept of an answer. Of a TCP
// message that comes in pieces, or was cut, maxMessage bytes are read.
package dns
