// SPDX-License-Identifier: Apache-2.0

// Package text writes what sonde reports as lines for people: `sonde observe -o compact` and `-o table`.
//
// Both formats show the same facts; compact is one line of words for each event, table lines them up under a header and
// cuts them to the width of the terminal. Neither is meant for programs: that is exporters/jsonl.
//
// Text from the wire never reaches the terminal as it came: everything but printable ASCII is escaped the way nginx
// escapes it in its logs, so that a path cannot move the cursor, and one byte is one column. The query of a URL is not
// shown, because its values are private.
//
// Amounts follow the arrow from client to server, whichever end was observed: sent or out is client to server, received
// or in is server to client. cmd/sonde filters and calls Writer, one event at a time.
package text
