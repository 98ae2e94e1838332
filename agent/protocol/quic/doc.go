// SPDX-License-Identifier: Apache-2.0

// Package quic reads the beginning of QUIC connections (RFC 9000, RFC 9001, RFC 9369): bytes in, one request for each
// handshake out, with what the TLS messages in its Initial packets say.
//
// Initial packets are encrypted with keys that follow from the client's first destination connection identifier, which they
// carry in the clear: whoever sees the first datagram can read them, on both sides. Nothing else is decrypted. Called by
// agent/protocol/detect through protocol.Parser, on one goroutine; not safe for concurrent use.
//
// # Wire format
//
// A datagram holds packets one after the other. Long headers name version, connection identifiers and, but for Retry and
// Version Negotiation, their length; a short header goes to the end. The versions are 1, 2, and the drafts 27 to 34, which
// differ in the salt and labels of their keys and in the numbers of packet types. CRYPTO frames may come in any order.
//
// # The request
//
// Start is the client's first Initial packet, RequestEnd the one that completes the ClientHello, ResponseStart the first
// packet of the server that could be read. The handshake is established with the client's first short header behind the
// ServerHello (RFC 9001 4.1.2: then the client has its last keys), and End is that datagram. An Initial packet that closes
// the connection makes an error: the alert's description, or the name of the transport error in lower case. A server that
// speaks none of the client's versions makes "version_negotiation", unless the client begins again.
//
// What the server sends behind the ServerHello is encrypted: chosen application protocol, certificates and most refusals are
// not seen. After a Retry the client's second Initial packet belongs to the same request.
//
// # What is certain after a gap
//
// A packet is read only if it is authentic (AES-GCM), so nothing else is ever taken for one. A connection whose first
// datagram was not seen cannot be read and reports nothing.
//
// # Limits
//
// maxAttempts handshakes at a time between two addresses, maxCrypto bytes of each hello, maxSpans pieces of it out of order.
package quic
