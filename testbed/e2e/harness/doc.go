// SPDX-License-Identifier: Apache-2.0

// Package harness runs the sonde binary for tests: it starts it, waits until it is ready, collects what it prints and
// compares that with what was sent, as multisets.
//
// It reads the JSON output with types of its own, on purpose: a mistake in the product's types must not be repeated here.
// Who calls it: testbed/e2e and testbed/bench.
package harness
