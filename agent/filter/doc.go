// SPDX-License-Identifier: Apache-2.0

// Package filter decides which requests, flows and losses a reader wants, in the grammar of `sonde observe`, which is
// Hubble's where Hubble has the flag.
//
// It matches what the model says and knows no flag library, no output and no kernel. The command line fills a Config
// (Arguments keeps the order that --not needs), Compile turns it into a Filter, every event is held against that, and
// Filter.Kernel says what the probes may leave out from the start.
//
// # Grammar
//
// Values of one flag are alternatives, different flags must all hold: --port 80 --port 443 --http-status 5+ is a server
// error on either port. --not turns the next filter alone into an exclusion, and each kind of exclusion excludes by
// itself: --not --port 22 --not --process curl drops what is on port 22 and what curl does. (Hubble drops only what is
// both; one flag at a time there is no difference.)
//
// A filter holds only for what is known. A flow has no status, method, path, duration, trace or outcome, so it matches none
// of these, and a request whose status was not seen matches no --http-status: it is neither kept by it nor excluded by
// --not. Reports of loss pass every filter but --type, because what was lost may have matched.
//
// --text looks for text in whatever an event says, and there all values must be found: each further word narrows a search.
// ParseLine reads the same grammar from one line, where a bare word is such a text.
//
// --port, --ip, --process and --service look at both ends, --from-port and the like at the client, --to-port and the like
// at the server. --pid looks at the process whose socket was observed (both ends where that is not known): when both ends
// are on this machine the exchange is observed at each, and --pid shows it once.
package filter
