// SPDX-License-Identifier: Apache-2.0

// Package mongodb follows MongoDB's wire protocol on a connection: bytes in, commands out.
//
// It keeps names of commands, collections and databases, and of documents nothing else. It does not check commands. It knows
// neither kernel nor process nor clock. Called by agent/protocol/detect through protocol.Parser; the parsers of one Setup
// are not safe for concurrent use.
//
// # Wire format
//
// A message has a header of 16 bytes: its length, its identifier, the identifier that it answers, its opcode; all little
// endian. OP_MSG (2013) has flags, a section of kind 0 with one BSON document (the command, or its answer), and sections of
// kind 1 with a sequence of documents (what is to be written). OP_COMPRESSED (2012) holds another message. OP_QUERY (2004),
// OP_REPLY (1) and the legacy writes (2001, 2002, 2005, 2006, 2007) are understood as far as servers up to 5.0 took them.
//
// Answers are matched by identifier. A request with moreToCome has no answer (OneWay), and neither have legacy writes. An
// answer with moreToCome ends its request; those that follow it unasked (exhaust) are passed over.
//
// # Fields
//
// Operation is the first element of the command's document, as sent; legacy operations are called as in the server's
// profiler ("query", "getMore"). Collection, Namespace ($db). An error's code is Status and ErrorType, its codeName Message:
// of an answer with ok 0, else of the first of writeErrors, else of writeConcernError. Batch counts the documents of a bulk
// write, Rows those that were returned (cursor.firstBatch, nextBatch) or changed (n).
//
// # Gaps and limits
//
// MaxHead bytes of a message are put together, and documents are walked as far as they go: fields behind are unknown, not
// absent. MaxInflated bytes of a compressed message are looked at. Gaps inside a message do no harm; where the beginning of
// one is lost, the direction is out of step until the client's next turn, and what waited is "lost".
package mongodb
