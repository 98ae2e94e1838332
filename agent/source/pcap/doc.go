// SPDX-License-Identifier: Apache-2.0

// Package pcap is the source that reads capture files: pcap and pcapng, plain or packed with gzip or zstd.
//
// It undoes links, tunnels and fragments, and turns packets into the very records that the kernel side writes: segments
// with their place in the connection, beginnings and ends of connections, datagrams, counters of flows. Order within a
// connection is not its business (agent/stream), nor are protocols. A capture has no socket: Sent is from client to server,
// the sender of the SYN being the client. The same file gives the same records each time; there is no clock but that of the
// packets. Called by cmd/sonde through agent/pipeline, and by testbed/corpora.
//
// A packet inside a tunnel counts for the flow inside; that of the tunnel itself is not reported beside it. VLAN tags, tunnel
// identifiers and interfaces are no part of what tells connections apart, because the two directions of one connection may
// differ in them, and a packet is often captured at several places on its way.
package pcap
