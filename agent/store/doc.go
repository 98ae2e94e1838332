// SPDX-License-Identifier: Apache-2.0

// Package store keeps the recent past in bounded memory and answers the questions of viewers about it.
//
// It is a sink of the pipeline on one side and a view.World on the other. It draws nothing, writes no metric and knows no
// protocol beyond what the model says: words come from Words. Built by cmd/sonde, asked by tui and exporters/socket.
//
// # Time
//
// All time is the source's, as ticks and requests tell it, so that a recording gives the same answers whenever it is played.
// The wall clock decides one thing only: when nobody has asked for too long.
//
// Each group (a service, an operation, an edge, a process, a name) is counted in slots of one second; ten of them become one
// slot of ten seconds. A window holds the slot that is underway and as many whole slots before it as the window is long: 10 s
// and 1 min in seconds, 5 min and 15 min in tens of seconds. So a window covers what it is called and less than a slot more,
// and a rate is the count divided by exactly the time covered: it does not jump when a slot begins. An event counts in the
// slot in which the store heard of it.
//
// # Both ends
//
// Where both ends of a connection are on the machine, both report the same exchange. Routes, edges and names of lookups count
// each side apart and show the server's, unless that has less than nine tenths of what the client's has: then the server was
// observed badly or not at all, and the client's is shown. Services and processes have one side for what they answer and one
// for what they ask. Total of a page adds up its rows (services: all exchanges), Overview.Requests the edges.
//
// Ends do not always know each other: behind NAT, and with datagrams, each sees but an address in place of the other. An exchange of
// which the server's end was counted a moment ago, by the same addresses or as the parent of its span, counts at its client
// in the same edge and route.
//
// # Locks
//
// One mutex guards the state. The pipeline's goroutine holds it for one event, and once a second while slots are closed. Those
// that ask hold it to copy pointers to what never changes again (requests, flows, closed slots) and to pack the slot that is
// underway, at most packAtOnce series at a time. Filtering, sorting and writing of texts happen outside.
package store
