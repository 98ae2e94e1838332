// SPDX-License-Identifier: Apache-2.0

// Package probes loads the kernel side of sonde, attaches it as planned by probes/hooks, and reads what it has to say.
//
// It knows the kernel and nothing about protocols, processes or metrics. It changes nothing that it looks at: every
// program returns "pass", which probes/readonly proves. Called by cmd/sonde and agent/source/live.
package probes
