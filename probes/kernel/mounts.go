// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	tracefsDir = "/sys/kernel/tracing"
	bpffsDir   = "/sys/fs/bpf"
)

// mount is one line of /proc/self/mountinfo, proc_pid_mountinfo(5).
type mount struct {
	root   string // directory inside of the file system that the mount shows
	point  string
	fstype string
}

// parseMountinfo skips lines that it does not understand: a mount that cannot be read is a mount that is not used.
func parseMountinfo(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		for i := 6; i+1 < len(fields); i++ {
			if fields[i] == "-" { // ends the optional fields
				mounts = append(mounts, mount{unescape(fields[3]), unescape(fields[4]), fields[i+1]})
				break
			}
		}
	}
	return mounts
}

// unescape resolves the octal escapes of space, tab, newline and backslash.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// cgroup2 returns the directory of the whole cgroup v2 tree.
func cgroup2() (string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find the cgroup v2 mount: %w", err)
	}
	return cgroup2Root(parseMountinfo(string(text)), hasFile)
}

func hasFile(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// cgroup2Root chooses among mounts. In a cgroup namespace a sub-tree is shown as "/" too; what tells them apart is
// cgroup.type, which exists in every cgroup but the root of the whole tree.
func cgroup2Root(mounts []mount, has func(dir, name string) bool) (string, error) {
	partial := ""
	for _, m := range mounts {
		if m.fstype != "cgroup2" {
			continue
		}
		if m.root == "/" && has(m.point, "cgroup.procs") && !has(m.point, "cgroup.type") {
			return m.point, nil
		}
		partial = m.point
	}
	if partial != "" {
		return "", fmt.Errorf("%s shows only the cgroups of this container: start it in the cgroup namespace of the host "+
			"(--cgroupns=host) with the host's /sys/fs/cgroup mounted", partial)
	}
	return "", errors.New("cgroup v2 is not mounted: mkdir -p /sys/fs/cgroup/unified && " +
		"mount -t cgroup2 none /sys/fs/cgroup/unified")
}

func tracefs() error {
	if isMounted(tracefsDir, unix.TRACEFS_MAGIC) || isMounted("/sys/kernel/debug/tracing", unix.TRACEFS_MAGIC) {
		return nil
	}
	return errors.New("tracefs is not mounted: mount -t tracefs nodev " + tracefsDir)
}

func bpffs() error {
	if isMounted(bpffsDir, unix.BPF_FS_MAGIC) {
		return nil
	}
	return errors.New("bpffs is not mounted: mount -t bpf bpf " + bpffsDir)
}

func isMounted(dir string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && int64(st.Type) == magic
}

// MountTracefs mounts tracefs at /sys/kernel/tracing unless it is mounted already. The mount stays when the process ends.
func MountTracefs() error {
	if tracefs() == nil {
		return nil
	}
	return mountAt("tracefs", tracefsDir)
}

// MountBPFFS mounts the BPF file system at /sys/fs/bpf unless it is mounted already. The mount stays.
func MountBPFFS() error {
	if bpffs() == nil {
		return nil
	}
	return mountAt("bpf", bpffsDir)
}

func mountAt(fstype, dir string) error {
	if err := unix.Mount(fstype, dir, fstype, 0, ""); err != nil {
		return fmt.Errorf("mount %s at %s (needs CAP_SYS_ADMIN and a kernel that has it): %w", fstype, dir, err)
	}
	return nil
}

// readLine returns the first line of a small file, or "" when there is none.
func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}
