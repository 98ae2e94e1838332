// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestArchiveIsReadByCpio has another program unpack what we wrote.
func TestArchiveIsReadByCpio(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	from := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(from, []byte("12345"), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a := newArchive(&b)
	a.text("/etc/deep/name", "content\n")
	a.text("empty", "")
	a.link("/bin/other", "program")
	a.file("bin/program", from)
	a.dir("/proc")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("cpio", "-i", "--quiet", "-d")
	cmd.Dir, cmd.Stdin = dir, &b
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("cpio: %v %s", err, out)
	}
	for name, want := range map[string]string{"etc/deep/name": "content\n", "empty": "", "bin/program": "12345", "bin/other": "12345"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, "bin/program")); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the program has mode %v, %v", st.Mode(), err)
	}
	if st, err := os.Stat(filepath.Join(dir, "proc")); err != nil || !st.IsDir() {
		t.Errorf("proc is no directory: %v", err)
	}
}

func TestArchiveKeepsItsFirstError(t *testing.T) {
	a := newArchive(&bytes.Buffer{})
	a.file("x", filepath.Join(t.TempDir(), "absent"))
	a.text("y", "later")
	if err := a.close(); !os.IsNotExist(err) {
		t.Errorf("an absent file gave %v", err)
	}
}

func TestSelectKnowsTheCatalogueAlone(t *testing.T) {
	if all, err := Select(""); err != nil || len(all) != len(Catalogue()) {
		t.Errorf("%d kernels, %v", len(all), err)
	}
	some, err := Select("6.12,5.10")
	if err != nil || len(some) != 2 || some[0].Name != "5.10" {
		t.Errorf("selected %v, %v", some, err)
	}
	if _, err := Select("5.10,4.19"); err == nil {
		t.Error("4.19 is in no catalogue and was accepted")
	}
}
