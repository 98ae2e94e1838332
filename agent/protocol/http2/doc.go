// SPDX-License-Identifier: Apache-2.0

// Package http2 follows HTTP/2 (RFC 9113) and gRPC over it on a connection: bytes in, requests out.
//
// It watches what clients and servers took from each other and is as lenient as they are. It does not validate, does not
// look into messages and keeps no field but those named below. It knows neither kernel nor process nor clock. Called by
// agent/conn through protocol.Parser, on one goroutine. HTTP/2 inside TLS is for the same code, once its bytes are in the
// clear.
//
// # Wire format
//
// The client begins with a preface, both sides with SETTINGS; behind that come frames of nine bytes and a payload. A request
// is a stream: HEADERS with CONTINUATION, DATA, HEADERS once more as trailers. Answers are matched by the number of the
// stream. An answer with a 1xx status is interim and counts for the size of the final one. A request is reported when the
// server's side of its stream ends: what the client sends behind that is not counted. HTTP/2 without TLS begins with the
// preface (prior knowledge) or by an upgrade from HTTP/1 (protocol.Start.Upgrade: its request is stream 1).
//
// Answers that the server pushes are not reported: nobody asked for them. Their heads pass through the table of fields.
// SETTINGS need not be known: frames are taken at any size, and package hpack says why it takes any size of a table.
//
// # Fields
//
// Method, scheme, path, query, authority (or host) and user agent; the status; :protocol of an extended CONNECT (RFC 8441)
// as Upgrade. Bytes of a request and its answer are those of their HEADERS, CONTINUATION and DATA frames, with the nine bytes
// in front of each; body bytes are those of DATA without padding. RequestEnd is the last byte of the client's frames that was
// seen, ResponseStart the first byte of the final HEADERS, End the last byte of the frame that ends the stream, or of the
// RST_STREAM that gives it up.
//
// A call of gRPC is a request with content-type application/grpc, where that is not known an answer with it or with a grpc-
// status, or a POST whose data are messages. gRPC-Web is HTTP. Messages are counted by their prefixes in DATA, both ways;
// FirstMessage is the first byte of the first one of the server. The status is that of the trailers, or of the only
// HEADERS. A call without one gets the status that gRPC's rules give it (StatusInferred): by the code of a RST_STREAM,
// where CANCEL at the end of grpc-timeout is DEADLINE_EXCEEDED; UNAVAILABLE after GOAWAY and the end of the connection;
// else by the HTTP status.
//
// # Outcomes
//
// HTTP by its status, calls by their status and the role, as the conventions say. A call that is reset ends with the status
// of its code. Incomplete are: "cancelled" (RST_STREAM CANCEL of the client), "stream_reset", "goaway" (the server will not
// process it), "stream_limit" beyond MaxStreams, "lost" (the stream may have ended in a gap), "status_unknown" (it was seen to
// its end, but the status refers to a field that was not seen), else the reason that Close gives. ErrorType is the name of the
// code of RST_STREAM or GOAWAY.
//
// # What is certain after a gap
//
//   - In the payload of DATA, framing goes on exactly, and so do messages unless a prefix was in the gap.
//   - In a header block, what came before it is kept with HeadTruncated, and what is in the table of fields is not known any
//     more.
//   - Over a frame's header the direction is out of step until a segment begins with what looks like frames, or has frames
//     behind the beginning that can be nothing else: of an open stream, or with a header block that begins one, or
//     several up to the segment's end. The table of its direction is not known. Requests are matched by their numbers all the
//     same; one that was not seen is not reported, whatever answers it.
//   - Frames in the gap are not counted: the sizes of a stream that goes on behind it are lower bounds.
//   - A stream that was open while frames of the server were lost may have ended: it is "lost" unless it is seen again, when
//     the connection ends or doubtTime later.
//
// A field that refers to an entry of the table that was not seen is not known: then HeadTruncated is set, a path is "", never
// that of another request. A block of which nothing is known is a request only where all frames of the client were seen;
// one of a stream that began before the connection was joined is passed over. Calls of such a connection mostly have neither
// method nor status: they are "status_unknown", and "cancelled" where the deadline may have been among what was not seen.
//
// # Limits
//
// MaxStreams requests wait for the end of their answer. MaxPath, MaxQuery and MaxField bytes of fields are kept, without a mark
// for what is cut off. A connection between requests holds its tables of fields, usually a few KB, and nothing read from
// the wire sizes an allocation.
//
// # Recordings
//
// Nothing is settled (protocol.Marks): values in a header block cannot be hidden without changing what is decoded.
//
// # Tests
//
// Tables of conversations named by behaviour. Real clients and servers over loopback, with many streams at once. FuzzSplit:
// cutting the bytes otherwise changes no request. FuzzLoss: no loss gives a request another's path, method or status.
// FuzzAny: nothing breaks the bounds.
package http2
