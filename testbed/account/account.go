// SPDX-License-Identifier: Apache-2.0

// Package account helps tests to see what other users of the machine may do. Used by tests alone.
package account

import (
	"os"
	"path/filepath"
	"testing"
)

// Executable copies the test binary to where every user may run it, until the test ends: what go test makes is for its user
// alone.
func Executable(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sonde") // not the test's own directory, which others cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "sonde")
	if err := os.WriteFile(path, binary, 0o755); err != nil { //nolint:gosec // others are to run it
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // and to get there
		t.Fatal(err)
	}
	return path
}
