// SPDX-License-Identifier: Apache-2.0

// Command capturepoint measures the two ways to get at the bytes of a TCP connection: at the socket calls and at the
// packets of local sockets. It holds the prototypes behind docs/design/0001-capture-point.md and is run by hand, as
// root, on a machine with clang, bpftool, nginx and wrk; no part of the agent imports it.
//
// It attaches to the whole machine, but changes nothing: the one program that drops packets is attached for the
// coverage row "loss" only, to the loopback device, for as long as one download.
package main
