// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"io"

	"sonde/agent/view"
)

// WriteCSV writes the rows of s as an export does (RFC 4180), a line of names first.
func WriteCSV(w io.Writer, s *view.Snapshot) error { return writeCSV(w, rowsOf(s)) }
