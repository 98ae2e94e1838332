// SPDX-License-Identifier: Apache-2.0

// Package house holds the tree's own rules as tests: which folder may import which, how long a function may be, what the
// first line of a file says. A rule that only stands in a document is one that is broken next month.
//
// A rule is a function from the tree to complaints, so that a test can also hand it a bad tree and see it complain. The
// package looks at the text of the sources and runs none of it. `go test ./testbed/house` is its only caller.
package house
