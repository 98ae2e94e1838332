// SPDX-License-Identifier: Apache-2.0

// Package view is what a viewer asks of sonde and what it gets: a Query, and a Snapshot that answers it.
//
// The same question is answered by a store in the viewer's own process, by an agent at the other end of a socket, and by
// a recording that is being played. So the types hold plain values that survive JSON, ready to be shown: names instead of
// processes, wall time instead of time since boot. It holds no state, knows no protocol, and draws nothing.
//
// Implemented by agent/store, carried by exporters/socket, shown by tui. The JSON names are part of the socket's contract:
// fields may be added, never renamed.
package view
