// SPDX-License-Identifier: Apache-2.0

// Package memcached follows memcached's text, meta and binary protocols on a connection: bytes in, commands out.
//
// It keeps keys and no values, and does not check commands. It knows neither kernel nor process nor clock. Called by
// agent/protocol/detect through protocol.Parser; the parsers of one Setup are not safe for concurrent use.
//
// # Wire format
//
// Text (doc/protocol.txt of memcached): a command is a line, behind storage commands a data block of the length that the line
// says. An answer is a line, or VALUE, STAT and the like up to END, values with data blocks. "noreply" asks for no answer, an
// error may come nevertheless. Meta commands (mg, ms, md, ma, mn, me) with the flag q have an answer only when it is not the
// expected one; what belongs to which is then told by the opaque token, the key, or mn, which is always answered.
//
// Binary (doc/protocol-binary.txt): frames with a header of 24 bytes. An answer has its request's opcode and opaque. Quiet
// opcodes are answered like q; a stat has several answers, the last of which is empty.
//
// # Fields
//
// Operation is the command as sent, for binary its name in lower case ("getkq"). Query has the keys, everything else is "?".
// Rows counts the values of an answer. Status of an error is ERROR, CLIENT_ERROR or SERVER_ERROR, for binary the number with
// its name in Message. A miss, a key that exists and the like are no errors. Requests without an answer are OneWay, among
// them quiet ones that were passed over by a later answer.
//
// # Gaps
//
// Inside data blocks and frames framing goes on exactly, elsewhere it is lost until the client's next turn; see
// protocol.Dialogue. An error behind a noreply may be that command's: then what waits is "lost".
package memcached
