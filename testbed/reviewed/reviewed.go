// SPDX-License-Identifier: Apache-2.0

// Package reviewed compares what tests get with golden files: text that people read, and review as code when it changes.
//
// `go test PACKAGE -args -update` writes the files of a package anew. Used by tests alone.
package reviewed

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew: review the difference")

// Compare fails the test when the file at path, below the folder of the package, does not hold got.
func Compare(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // it is to be committed
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; review it with -args -update and git diff. Got:\n%s\nwant:\n%s", path, got, want)
	}
}
