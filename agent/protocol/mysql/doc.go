// SPDX-License-Identifier: Apache-2.0

// Package mysql follows the client/server protocol of MySQL and MariaDB on a connection: bytes in, requests out.
//
// It is not a client: it validates what it needs for framing, keeps no values, no rows and nothing of an authentication.
// Called by agent/protocol/detect through protocol.Parser, on one goroutine; not safe for concurrent use.
//
// # Wire format
//
// "MySQL Source Code Documentation, Client/Server Protocol"; "MariaDB Server Documentation, Clients & Connectors Protocol".
// A packet is a length of three bytes, a sequence number and a payload; a payload of 16 MB goes on in the next packet. The
// server speaks first. Sequence numbers begin anew with each command, and every packet of the exchange carries the next
// one, whichever side sends it: a packet out of sequence is not what it was taken for. What the capabilities decide
// (EOF packets, query attributes, metadata) is seen from the packets where the login was not.
//
// # Requests
//
//   - Login: from the client's answer to the greeting to OK or ERR. What is exchanged for authentication is counted, not
//     read. A greeting that is an error is a Login that failed. After an SSLRequest, the TLS parser follows the connection.
//   - Each command is a request, called as in the protocol (COM_QUERY). It ends with the last packet of its last result.
//   - COM_STMT_SEND_LONG_DATA belongs to the COM_STMT_EXECUTE that follows. COM_QUIT and COM_STMT_CLOSE are one way.
//   - COM_BINLOG_DUMP ends with the first packet of its answer; the stream behind is passed over.
//
// # Fields
//
// Status is the error number; every ERR is an error. Message is the name of the error. Rows counts the rows of all results, or
// what OK says was changed. The text of a COM_STMT_EXECUTE is that of the statement; what was prepared before sonde looked,
// or pushed out of the MaxStatements kept, is unknown: Query is "". Namespace follows the login, COM_INIT_DB and USE.
// Collection is the table of a COM_FIELD_LIST. System is "mariadb" where the greeting says so, else "mysql".
//
// # Compression
//
// Behind a login with CLIENT_COMPRESS, or where the first bytes of a connection joined in the middle show it, frames are
// inflated up to MaxInflated bytes; what lies behind is a gap of known length. Sizes are those on the wire. zstd is noticed
// and not read: what it hides is a gap.
//
// # What is certain after a gap
//
// Inside a packet, framing goes on exactly. Over the beginning of a packet the direction is out of step:
//
//   - Answers: the end is found by an EOF, OK or ERR packet that ends a result, when no other packet follows it. Then the
//     request is complete, its rows unknown. Else everything that waited is "lost" when the client speaks next.
//   - Requests: in step again with the client's next turn; what waited then is "lost".
//   - A client that does not wait for its answers cannot be followed over a gap in several answers: from there on all of the
//     connection's requests are "lost", never mismatched.
//
// # Tests
//
// Tables of conversations named by behaviour; FuzzSplit, FuzzLoss and FuzzAny; a benchmark; testbed/corpora holds captures
// against what others say of them.
package mysql
