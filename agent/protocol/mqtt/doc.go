// SPDX-License-Identifier: Apache-2.0

// Package mqtt follows MQTT 3.1, 3.1.1 and 5 on a connection: bytes in, requests out.
//
// Called by agent/protocol/detect through protocol.Parser, on one goroutine. It is no broker: it checks no session, keeps
// no payload, no will, no user name and no password, and of the user properties of PUBLISH those that may carry trace context
// (protocol.CarriesContext). MQTT within WebSocket is not looked into.
//
// # Wire format
//
// A packet is a byte of type and flags, the length of what remains (1 to 4 bytes of 7 bits, MQTT 5 section 1.5.5), and
// that. The client speaks first (CONNECT). Packets that are acknowledged carry an identifier of 16 bits; each side chooses
// its own.
//
// # What is reported
//
//   - CONNECT with CONNACK: ClientID. AUTH packets between them (MQTT 5 section 4.12) are part of it.
//   - PUBLISH: publish/send from the client, receive/receive to it. QoS 0 is OneWay; QoS 1 is answered by PUBACK; QoS 2
//     goes from PUBLISH to PUBCOMP, or to a PUBREC that refuses, and its answer begins with PUBREC. PUBLISH again with DUP
//     while the first waits is the same request.
//   - PUBREL without its PUBLISH (a session that goes on) with PUBCOMP.
//   - SUBSCRIBE with SUBACK, UNSUBSCRIBE with UNSUBACK: the first filter and their number.
//   - PINGREQ with PINGRESP; AUTH of the client with that of the server; DISCONNECT, OneWay.
//
// Role is that of the client throughout, whoever published. Where the beginning was not seen, requests are kept until a
// packet shows who it is that only one side sends; after maxHeld of them, or at the end, the client is who published first.
// Where the version was not seen, the bytes of a body are not counted if they may begin with the properties of MQTT 5.
// Topics that MQTT 5 sends as an alias are put in their place. ErrorType is the name of the reason code in snake case
// ("not_authorized").
//
// # What is certain after a gap
//
// A gap inside a packet does no harm behind its identifier; before it, the request is "lost". Over the beginning of a
// packet the direction is out of step until its next turn, or until a segment that
// packets fill from its first byte to its last; topic aliases are forgotten, and PINGREQ is "lost" for settle.
// Identifiers are used again, but only after the acknowledgement: a request that saw losses in both directions is "lost"
// even if an acknowledgement comes, because that may be the one of another; after a loss in one direction it cannot be.
//
// # Limits
//
// keep bytes of a packet are put together. maxWaiting requests wait in each direction; then the oldest is given up
// ("pipeline_limit"). An identifier that is used again before its acknowledgement came ends the older request ("replaced").
package mqtt
