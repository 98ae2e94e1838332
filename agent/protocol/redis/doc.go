// SPDX-License-Identifier: Apache-2.0

// Package redis follows the Redis serialization protocol on a connection (RESP2 and RESP3): bytes in, commands out.
//
// It serves Redis and what speaks like it (Valkey, KeyDB, Dragonfly). It does not check commands and keeps no value: what
// is not the name of a command, a key or a channel becomes "?". It knows neither kernel nor process nor clock. Called by
// agent/protocol/detect through protocol.Parser; the parsers of one Setup are not safe for concurrent use.
//
// # Wire format
//
// A command is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n") or a line of words (inline). An answer begins
// with a byte that names its type: + - : $ * and in RESP3 _ , # ! = ( % ~ | > with aggregates in aggregates, and with "?" for
// a length that the end decides. An attribute (|) is part of the answer behind it.
//
// Each command has one answer, in order, with these exceptions: SUBSCRIBE and the like have one for each channel; nothing is
// answered under CLIENT REPLY OFF and behind SKIP (the requests are OneWay); REPLCONF ACK has none. What the server says
// unasked is no answer and no request: pushes (>), messages of channels, lines of MONITOR, empty lines. Behind PSYNC the
// connection carries replication and nothing more is reported.
//
// # Fields
//
// Operation is the command as sent, with the subcommand where there is one ("CONFIG GET"). Query has the keys, everything
// else is "?". Namespace is the database index where it is known: from the first byte on, or since a SELECT. An error's
// first word is Status and ErrorType. EXEC has the number of answers in Batch, and the first error in them.
//
// # Gaps
//
// Inside a bulk string framing goes on exactly. Elsewhere it is lost until the client's next turn; protocol.Dialogue tells
// what is then certain. An answer whose end was not seen ends with the server's turn when nothing else waits.
//
// # Limits
//
// MaxQuery bytes of a query and MaxArgument bytes of a key; MaxDepth aggregates in each other. No length from the wire sizes
// an allocation.
package redis
