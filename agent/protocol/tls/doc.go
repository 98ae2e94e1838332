// SPDX-License-Identifier: Apache-2.0

// Package tls reads what a TLS handshake says in the clear (RFC 8446, RFC 5246; SSL 3.0 and the hello of SSL 2.0 too): bytes
// in, one request for each handshake out.
//
// It decrypts nothing, checks nothing and keeps no certificate. DTLS is another protocol. Called by agent/protocol/detect
// through protocol.Parser, by parsers whose protocol goes over to TLS (protocol.Env.Open), and by agent/protocol/quic, whose
// handshake carries the same hello messages (Hello). On one goroutine; not safe for concurrent use.
//
// # Wire format
//
// Records have five bytes of header: type, version, length. Handshake messages have four and may span records, or share
// one. In TLS 1.3 everything behind the ServerHello is encrypted, in older versions what follows ChangeCipherSpec.
//
// # The request
//
// Start is the first byte of the ClientHello, RequestEnd its last, ResponseStart the first of the ServerHello; a
// HelloRetryRequest is part of the exchange and sets Retried. The handshake is established when both sides have sent
// something encrypted: then End is the last byte of the second side's first such record. In TLS 1.3 only a record of the
// client behind one of the server counts, because early data may come before.
//
// A fatal alert in the clear makes an error with the alert's description. A client that refuses what the server sent does so
// encrypted in TLS 1.3: then its first record is too short for a Finished message (RFC 8446 4.4.4), and the error type is
// "encrypted_alert". What may have been early data is not judged so. A warning does no harm, unless the handshake ends there.
//
// Resumed means in TLS 1.3 that the server selected a pre-shared key; before, that it went on to ChangeCipherSpec without a
// certificate; where bytes were lost, that it repeated the client's session identifier.
//
// # What is certain after a gap
//
// Of a hello that was cut, fields behind the cut are unknown. Bytes lost where a record begins put the direction out of step
// until its next turn. A handshake whose answer was lost is incomplete, "lost"; one whose ClientHello was not seen,
// "request_lost", with the ServerHello's time as Start.
//
// After the handshake nothing is read any more: renegotiation is not seen. A connection that was joined later is recognised
// by its records, and reports nothing.
//
// # Limits
//
// maxHello bytes of a hello are read, maxList entries of a list are kept.
package tls
