// SPDX-License-Identifier: Apache-2.0

// Package hpack decodes the header blocks of HTTP/2 (RFC 7541) for an observer that may have come late.
//
// It does not encode, does not judge header lists, and is not for an endpoint, which must refuse what this package passes
// over. Called by agent/protocol/http2, with one Decoder for each direction of a connection.
//
// # What a decoder knows
//
// An encoder and its decoder share a table of earlier fields, and a block refers to them by number. A Decoder that was there
// from the first block has the whole table. One that joined later, or for which a block was lost (Lose), has the newest part
// of it, because the newest entry always has the lowest number: a reference to an entry that came since is exact, one to
// an older entry is a field marked unknown. It never yields a wrong name or value, as long as the encoder is correct:
//
//   - A name that is unknown makes an entry with an unknown name and the value that was sent with it.
//   - Entries that the real table has evicted may still be here, because sizes of unknown names and the table's maximum are not
//     known. That does no harm: a correct encoder does not refer to them, and they are older than all that it may refer to.
//   - The whole table is known again when surely nothing older is left in it: after a size update to less than the smallest
//     entry, an entry larger than the table, and as soon as the entries that came since fill it. That needs its maximum, which
//     is known from the start or since the last size update.
//
// SETTINGS_HEADER_TABLE_SIZE only bounds what the encoder may choose; it tells what it chose by a size update at the
// beginning of a block (RFC 9113 4.3.1). So a Decoder need not be told of settings, and takes any size.
//
// # Limits
//
// A string of more than MaxString bytes as sent is passed over: the field says that its value is unknown, and the table
// keeps its place. Of a table, MaxTable bytes by the RFC's count (4.1) are kept, whatever the encoder chose; what is older is
// unknown. Where the maximum is not known it is joinedTable bytes.
//
// # Tests
//
// The examples of RFC 7541 Appendix C. The stories of three encoders, whole and joined at every block: no wrong value.
// FuzzDecode against golang.org/x/net/http2/hpack, FuzzJoined against a Decoder that was there from the start.
package hpack
