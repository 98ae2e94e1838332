// SPDX-License-Identifier: Apache-2.0

// Package load is an HTTP/1.1 load client that knows exactly what it sent and what it got.
//
// One thread drives all connections through epoll. It runs closed loop (each connection sends as soon as it has its answer)
// or at a fixed rate; at a fixed rate latency counts from the moment a request was due, so that a stall of the server
// is not hidden by the client waiting for it. It never retries: an error ends the run. Who calls it: command loadclient, which
// the tests and the bench start as a process of its own.
package load
