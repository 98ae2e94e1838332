// SPDX-License-Identifier: Apache-2.0

package text

import "sonde/agent/model"

// AppendTarget adds what a request asked for, as the lines of this package have it: "GET /path", "A shop.example",
// "SELECT cart", "-" where nothing is known. It is printable ASCII. Safe for concurrent use.
func AppendTarget(b []byte, r *model.Request) []byte { return appendTarget(b, r) }

// AppendStatus adds what the protocol says of the outcome: "200", "OK", "NXDOMAIN", "42P01", "-" where no answer was seen. It
// is printable ASCII. Safe for concurrent use.
func AppendStatus(b []byte, r *model.Request) []byte { return appendStatus(b, r) }
