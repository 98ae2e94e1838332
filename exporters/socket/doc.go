// SPDX-License-Identifier: Apache-2.0

// Package socket carries a view.World over a Unix socket: Server on the side of `sonde run`, Client on the side of `sonde top`.
//
// What is spoken is HTTP/1.1 with JSON, so that curl and jq can ask as well:
//
//	POST   /v1/snapshot            view.Query -> view.Snapshot
//	GET    /v1/snapshot?page=...   the same for people: window=1m, filter=, sort=, reverse=true, offset=, limit=, frozen=, and
//	                               the fields of view.Scope by their JSON names
//	POST   /v1/freeze              -> {"frozen": 7}
//	DELETE /v1/frozen/{id}
//	GET    /v1/values?flag=process -> {"values": [...]}
//	GET    /v1/version             -> {"version": "...", "api": 1, "pid": 1}
//	errors                         {"error": "for people", "code": "bad_query"}, see Error
//
// Who may connect is who may open the file: its owner, root, and the members of one group. The file has its mode and its group
// before it has its name, and it is made only in a directory that nobody else can write to (see Listen). The protocol has no way
// to change what the agent does. What a peer can take of it is bounded: connections, bytes and time for each, rows of an answer,
// and the number of large answers at a time.
//
// The package keeps nothing but frozen worlds that peers asked for, and these are the World's. It draws nothing. cmd/sonde
// calls both sides.
package socket
