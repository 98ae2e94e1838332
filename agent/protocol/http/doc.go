// SPDX-License-Identifier: Apache-2.0

// Package http1 follows HTTP/1.0 and 1.1 on a connection (RFC 9110, RFC 9112) and reports each request with its answer.
//
// It is for watching: it takes what servers and clients accept of each other, where that is more than the RFC allows, and
// never judges. It is not a validating parser, does not look into bodies, and keeps no header but those named below. It
// knows bytes and the times it is told, no kernel, no process, no clock. Called by agent/conn through protocol.Parser, on
// one goroutine; a Shared and its Conns are not safe for concurrent use.
//
// # Wire format
//
// A message is a first line, header lines, an empty line and a body. Lines end with CRLF or a bare LF; empty lines before
// the first line are passed over (RFC 9112 2.2). The length of a body follows RFC 9112 6.3: none after HEAD, 1xx, 204, 304;
// chunked before Content-Length; otherwise none for a request, and for an answer until the connection ends. 1xx answers but 101 are added to the sizes of the
// final answer. After 101, or 2xx to CONNECT, the connection is no longer HTTP and everything later is passed over.
//
// Requests wait in a queue for their answers, which come in the same order. Which direction carries requests is learned
// from the first head. A turn that is no message is reported, without a method, when an HTTP answer follows it: that is
// the 400 a server gives to garbage.
//
// # Fields
//
// Method, target (path and query apart, host from the absolute form before the Host field), version, User-Agent, status,
// the protocol of an Upgrade, sizes of heads and bodies as on the wire, times of first and last byte on both sides.
//
// # Limits
//
// MaxHead bytes of a head are put together, MaxQueue requests wait, MaxPath bytes of a path are kept, and strings are
// shared between requests up to a bounded number. A connection holds a buffer only while a head or a chunk's line is
// incomplete. Nothing read from the wire sizes an allocation.
//
// # Gaps
//
// Skip stands for bytes that were not captured or were lost. What it leaves certain is kept, the rest is given up:
//
//   - In a body of known length, or in a chunk, it is counted and nothing is lost.
//   - Over a chunk's size or a trailer the end of the body is not known any more. It is then taken from the bytes that end
//     a segment ("\r\n0\r\n\r\n"), from the next request of the client, or from the end of the connection.
//   - Inside a head, what came before is reported with HeadTruncated, and the direction is out of step until the next
//     turn, when the other side has spoken in between.
//   - Where an answer should begin, all requests of earlier turns are incomplete, "lost": the gap may hold any number of
//     answers. Requests of later turns are taken to be answered after it, as clients that pipeline at all wait for the
//     answers of a batch. A client that was seen not to wait is not followed further: every later request of such a
//     connection is "lost".
//
// # Reasons
//
// The reason of an incomplete request is "lost" (see above), "not_http" (what stands where its answer should begin is none),
// "pipeline_limit" (over MaxQueue), "client_closed" (the client left before the answer was acknowledged) or what Close says.
//
// # How it is tested
//
// A table of exchanges and gaps named by what they show; fuzz targets that hold any split of the same bytes to the same
// requests, any gap to no wrong value, and arbitrary calls to bounded memory; the fixtures of llhttp; benchmarks that hold
// the steady state to no allocation.
package http1
