// SPDX-License-Identifier: Apache-2.0

// Package jsonl writes what sonde reports as JSON, one object a line: the output of `sonde observe -o json`.
//
// The contract is schema.json beside this file, and a test holds every line against it. Keys below "attributes" are
// OpenTelemetry semantic-convention names and nothing else. A value that is not known has no key.
//
// Nothing private leaves here: every value in a URL's query is replaced by REDACTED, and so are credentials in front of
// a host. Text from the wire is escaped so that a line is valid JSON whatever a peer sent, and so that it cannot drive
// the terminal it is shown on.
//
// The package decides nothing about what is shown: cmd/sonde filters and calls Writer, one event at a time.
package jsonl
