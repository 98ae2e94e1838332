// SPDX-License-Identifier: Apache-2.0

// Package http1 follows HTTP/1.0 and 1.1 on a connection (RFC 9110, RFC 9112): bytes in, requests out.
//
// It watches what clients and servers took from each other and is as lenient as they are. It does not validate, does not
// look into bodies and keeps no header field but those named below. It knows neither kernel nor process nor clock. Called
// by agent/conn through protocol.Parser, on one goroutine; a Shared and its Conns are not safe for concurrent use.
//
// # Wire format
//
// A message is a start line, fields, an empty line and a body. Lines end with CRLF or LF alone; empty lines before a start
// line belong to no message (RFC 9112 2.2); a line that begins with white space goes on with the field before (5.2). A body
// ends by RFC 9112 6.3: none after HEAD, 1xx, 204, 304 and in CONNECT; chunked comes before Content-Length; a response with
// neither ends with its direction. Interim answers (1xx) are added to the size of the final one. Behind 101, and behind 2xx
// to CONNECT, there is no HTTP any more: what follows goes to the parser of the protocol that was agreed on, or to detection
// by first bytes (protocol.Env.Open). A request that was upgraded to HTTP/2 is left to it, because its answer comes there.
//
// Versions other than 1.0 and 1.1 are read once it is clear what a connection speaks, among them those of RTSP and Icecast,
// which share the start lines: their version has its name ("RTSP/1.0"). Packets of media between the messages of RTSP
// (RFC 7826 14) are passed over. A request of HTTP/0.9 is one when it ends with an empty line or HTTP/1 answers it.
//
// Answers are matched to requests in order. The first message shows which direction carries requests. A turn that is no
// message, but is answered by one, is reported without a method: that is the 400 a server gives to garbage. A client that
// sent a Content-Length that is none is taken to have sent no body if a request follows at once (servers differ: some
// refuse, some go on, and that is how requests are smuggled). One that
// sent Expect: 100-continue and got a final answer may go on with the body or with the next request: both are understood.
//
// # Fields
//
// Method, target, version and status; Host, User-Agent, Upgrade; and for framing Content-Length, Transfer-Encoding and
// Expect. Connection is not needed: what follows on a connection shows whether it was kept. The host of an absolute-form
// target comes before Host, without user information. Path is empty for CONNECT, and where the target was not seen to
// its end.
//
// # Limits
//
// MaxHead bytes of a head are put together; a longer one is truncated there. MaxPath bytes of a path and MaxField bytes of
// other fields are kept, without a mark for what is cut off. MaxQueue requests wait for answers. A connection holds a
// buffer only while a head is incomplete, and nothing read from the wire sizes an allocation.
//
// # What is certain after a gap
//
// Skip stands for bytes that were not captured, or were lost. Nothing is concluded that they could contradict:
//
//   - In a body of known length or in the data of a chunk, framing goes on exactly.
//   - Over a chunk's line, framing is lost until the end of the message. That is where the bytes behind a gap end in a last
//     chunk without a trailer, if no other message can be meant; else where the client's next turn begins; else the end of
//     the direction or the connection. The bytes decide nowhere else where pieces end; here they do.
//   - In a head, what came before it is kept with HeadTruncated. A truncated request ends where its answer begins, a
//     truncated answer like one whose framing was lost.
//   - Where a head should begin, the direction is out of step until its next turn. In the answers' direction all requests
//     so far are incomplete, "lost", among them one whose head or body has come in part: their answers passed in the gap
//     or will pass out of step. In the requests' direction their answers will find no request and are dropped.
//
// That a turn begins in step is true of clients that wait for their answers, one by one or in batches. What a client does
// is known from what it did: if a turn ever brought requests before older ones were answered, or if the first batch is hit,
// nobody can tell after a loss how many answers are still to come. Then all later requests of the connection are "lost".
// A client that begins to overlap in the very turn that is lost is not recognised.
//
// A caller that learns of lost bytes late should tell those of the request direction first when both belong to an earlier
// turn. In the wrong order the next request is lost too, never mismatched.
//
// # Reasons
//
// An incomplete request has the reason "lost"; "pipeline_limit" beyond MaxQueue; "client_closed" when a server's client had
// ended its direction before the answer began, or did not acknowledge all of it; else the reason that Close gives.
//
// # Tests
//
// Tables of conversations named by behaviour, from the RFC's examples and from hostile ones. FuzzSplit: cutting the bytes
// otherwise changes no request. FuzzLoss: no loss gives a request another's status, path or method. FuzzAny: nothing breaks
// the bounds. The fixtures of llhttp judge framing. Benchmarks and a test hold the steady state to no allocation.
package http1
