// SPDX-License-Identifier: Apache-2.0

// Package nats follows the client protocol of NATS on a connection: bytes in, requests out.
//
// Called by agent/protocol/detect through protocol.Parser, on one goroutine. It is no client and no server: it checks no
// permission, keeps no payload, no header field but those that may carry trace context (protocol.CarriesContext, where all
// fields were captured), and no credential. Links between servers (routes, leaf nodes, gateways) are recognised and report
// nothing.
//
// # Wire format
//
// A control line ends with CRLF; its words are divided by spaces or tabs and its verb may be in any case. PUB, HPUB, MSG and
// HMSG are followed by a payload of the size that the line gives, and CRLF. The server speaks first (INFO). A server answers
// commands in order: each with +OK or -ERR unless CONNECT says that it wants none (verbose), PING with PONG in any case. A
// publication whose subject is not valid is answered by both. A line that is no command is answered by -ERR and the end of
// the connection: what stands before it is answered as usual.
//
// # What is reported
//
//   - INFO, the greeting, answered by CONNECT: what the client took to begin. Later INFOs are news, not requests.
//   - CONNECT, answered by +OK or -ERR; where it was not verbose by the PONG behind it, because commands are taken in
//     order; OneWay when something else comes or the connection ends, for then no answer was due.
//   - PUB, HPUB: publish/send, OneWay; answered by +OK in a verbose connection. With a reply subject that one of the client's
//     subscriptions matches it is a request, and the message that comes there is its answer: a service's reply, JetStream's
//     acknowledgement of a publication (Offset is its sequence number), the first message of a pull. A status of 503 (no
//     responders), 409 or another above 400 is an error, as is an error of JetStream's API; 404 and 408 are a pull without
//     messages; 100 (idle) is no answer.
//   - PUB to $JS.ACK: ack/settle of stream and consumer (Destination, Group), with the word of the payload as the operation.
//   - PUB to $JS.API.CONSUMER.MSG.NEXT: poll/receive. Other requests to $JS.API move no message and have no operation.
//   - MSG, HMSG: receive/receive, OneWay. With a reply subject it is held: when the client publishes there, both are one
//     request (process/process), from the delivery to the reply; else it is reported OneWay after maxWait.
//   - SUB, UNSUB: OneWay, or answered by +OK. Group is the queue group.
//   - PING with its PONG, from either side.
//   - -ERR that answers none of these: API "-ERR", OneWay.
//
// Role is that of the NATS client throughout, whoever sent the message. ErrorType is the text of -ERR up to the names in
// it, in snake case ("permissions_violation"), or the status.
//
// # What is certain after a gap
//
// A gap inside a payload does no harm. Over a control line the direction is out of step until its next turn, or until
// a segment that frames fill from its first byte to its last. Replies are
// found by their subject, which hardly anybody uses twice, and are not affected. For answers in order everything that waits
// is "lost", and so is what is asked within settle after it: a server that still owes an answer then is none that works.
//
// # Limits
//
// keep bytes of a frame are put together: a longer control line is passed over. maxDue, maxCalls and maxSubs bound what a
// connection remembers; beyond them the oldest request is given up ("pipeline_limit"), and subscriptions are not told apart.
package nats
