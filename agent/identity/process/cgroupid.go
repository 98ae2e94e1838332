// SPDX-License-Identifier: Apache-2.0

package process

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxCgroups   = 16384           // ids remembered, and directories looked at in one walk
	mountinfoMax = 256 << 10       // bytes of mountinfo read
	walkAfter    = 5 * time.Second // between two walks: a walk of 1,000 cgroups takes some 10 ms
)

// cgroupIndex names cgroups by the id that the kernel reports for them: the inode of their directory in version 2. It
// is what places a process that procfs no longer has. Safe for concurrent use.
type cgroupIndex struct {
	root string // where version 2 is mounted, "" when it is not

	mu     sync.Mutex
	paths  map[uint64]string
	walked time.Time
}

func newCgroupIndex(root string) *cgroupIndex {
	return &cgroupIndex{root: root, paths: make(map[uint64]string)}
}

// learn remembers the cgroup of a process that could be read. Each time anew: a unit that restarts has the old path
// and a new id.
func (x *cgroupIndex) learn(hierarchies []hierarchy) {
	if x.root == "" {
		return
	}
	for _, h := range hierarchies {
		if !h.version2 {
			continue
		}
		var st syscall.Stat_t
		if syscall.Stat(x.root+h.path, &st) == nil {
			x.mu.Lock()
			x.put(st.Ino, h.path)
			x.mu.Unlock()
		}
	}
}

// path returns the path of a cgroup below the root, "" when the id is unknown. An unknown id makes it look through the
// whole hierarchy, at most once every walkAfter.
func (x *cgroupIndex) path(id uint64, now time.Time) string {
	if id == 0 || x.root == "" {
		return ""
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if path, ok := x.paths[id]; ok {
		return path
	}
	if now.Sub(x.walked) >= walkAfter {
		x.walked = now
		x.walk()
	}
	return x.paths[id]
}

func (x *cgroupIndex) put(id uint64, path string) {
	if len(x.paths) >= maxCgroups {
		clear(x.paths) // ids of cgroups long gone make up most of it; those in use are soon learned again
	}
	x.paths[id] = path
}

func (x *cgroupIndex) walk() {
	left := maxCgroups
	_ = filepath.WalkDir(x.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // a cgroup removed meanwhile is no reason to stop
		}
		if left--; left < 0 {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				x.put(st.Ino, "/"+strings.TrimPrefix(strings.TrimPrefix(path, x.root), "/"))
			}
		}
		return nil
	})
}

// cgroupMount finds the mount point of cgroup version 2, proc_pid_mountinfo(5): the filesystem type is the first field
// after the separator "-".
func cgroupMount(procRoot string) string {
	buf := make([]byte, mountinfoMax)
	n, err := readInto(procRoot+"/self/mountinfo", buf)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(buf[:n])) {
		mount, source, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if len(fields) > 4 && strings.HasPrefix(source, "cgroup2 ") && isDir(fields[4]) {
			return fields[4]
		}
	}
	return ""
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
