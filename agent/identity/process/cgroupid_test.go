// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A directory tree stands for the cgroup filesystem: ids are inodes in both.
func TestSeenPlacesProcessByCgroupID(t *testing.T) {
	root := t.TempDir()
	dir := mkdir(t, root+"/system.slice/docker-"+id1+".scope")
	r := fixture(t.TempDir())
	r.cgroups = newCgroupIndex(root)
	p := r.Seen(77, "curl", inode(t, dir))
	if p.ContainerID != id1 || p.Runtime != "docker" || p.CgroupPath != "/system.slice/docker-"+id1+".scope" {
		t.Errorf("got %+v", p)
	}
	unit := r.Seen(78, "curl", inode(t, mkdir(t, root+"/system.slice")))
	if unit.CgroupPath != "/system.slice" || unit.ContainerID != "" {
		t.Errorf("got %+v", unit)
	}
	if p := r.Seen(79, "curl", inode(t, root)); p.CgroupPath != "/" {
		t.Errorf("in the root cgroup: %+v", p)
	}
}

func TestCgroupIsRememberedAfterItsRemoval(t *testing.T) {
	proc, root := t.TempDir(), t.TempDir()
	dir := mkdir(t, root+"/shop.service")
	mkdir(t, proc+"/42")
	for name, text := range map[string]string{"stat": "42 (sh)" + statTail, "cgroup": "0::/shop.service\n"} {
		if err := os.WriteFile(filepath.Join(proc, "42", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := fixture(proc)
	r.cgroups = newCgroupIndex(root)
	r.Lookup(42)
	id := inode(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if p := r.Seen(77, "curl", id); p.Unit != "shop.service" || p.ServiceName != "shop" {
		t.Errorf("got %+v", p)
	}
}

func TestWalksAreRareAndBounded(t *testing.T) {
	root := t.TempDir()
	x := newCgroupIndex(root)
	now := time.Unix(1_700_000_000, 0)
	x.path(1<<60, now)
	id := inode(t, mkdir(t, root+"/late"))
	if got := x.path(id, now.Add(walkAfter-1)); got != "" {
		t.Errorf("walked again at once: %q", got)
	}
	if got := x.path(id, now.Add(walkAfter)); got != "/late" {
		t.Errorf("got %q", got)
	}
	for i := range uint64(3 * maxCgroups) {
		x.put(1<<40+i, "/x")
	}
	if len(x.paths) > maxCgroups {
		t.Errorf("%d ids remembered", len(x.paths))
	}
}

func TestCgroupMountIsFound(t *testing.T) {
	proc, mount := t.TempDir(), t.TempDir()
	mkdir(t, proc+"/self")
	text := "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / " + mount + " rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
	if err := os.WriteFile(proc+"/self/mountinfo", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := cgroupMount(proc); got != mount {
		t.Errorf("got %q, want %q", got, mount)
	}
	if got := cgroupMount(t.TempDir()); got != "" {
		t.Errorf("without mountinfo: %q", got)
	}
}

// The kernel's own hierarchy, where there is one: the id of a living process's cgroup leads to its path.
func TestOwnCgroupIsLearned(t *testing.T) {
	r := New(Default())
	if r.cgroups.root == "" {
		t.Skip("no cgroup v2 mounted")
	}
	p := r.Lookup(uint32(os.Getpid()))
	if _, err := os.Stat(r.cgroups.root + p.CgroupPath); err != nil {
		t.Skipf("own cgroup is not below the mount: %v", err)
	}
	id := inode(t, r.cgroups.root+p.CgroupPath)
	if got := r.Seen(1<<23, "curl", id).CgroupPath; got != p.CgroupPath {
		t.Errorf("path %q, want %q", got, p.CgroupPath)
	}
}
