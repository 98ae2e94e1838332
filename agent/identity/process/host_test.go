// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHostIDIsThatOfTheFirstProcess(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ name, content, want string }{
		{"an id with a line end", id + "\n", id},
		{"an id that systemd has not made yet", "uninitialized\n", ""},
		{"an empty file of an image", "", ""},
		{"something else of the same length", "0123456789abcdef0123456789abcdeg", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "machine-id")
			if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := machineID(path); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadHostPrefersTheRootOfTheFirstProcess(t *testing.T) {
	const id = "fedcba9876543210fedcba9876543210"
	proc := t.TempDir()
	etc := filepath.Join(proc, "1/root/etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "machine-id"), []byte(id), 0o644); err != nil {
		t.Fatal(err)
	}
	h := ReadHost(proc)
	if h.ID != id || h.Name == "" || h.Arch == "" {
		t.Errorf("got %+v", h)
	}
}
