// SPDX-License-Identifier: Apache-2.0

// Package summary counts requests, or connections, by what they have in common, and writes the groups as a table or as JSON,
// one object a line: `sonde observe --group-by service,route`.
//
// Memory is bounded: beyond a number of groups the rest is counted in one group named "(other)", so totals stay exact. The
// contract of the JSON is schema.json beside this file, and a test holds every line against it.
//
// It is not for metrics, which are counted by agent/aggregate under names of the conventions, and it decides nothing about
// what is counted: cmd/sonde filters and calls it, one event at a time.
package summary
