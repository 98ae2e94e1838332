// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:9 master:1 - cgroup cgroup rw,devices
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
`

func TestCgroup2RootIsFoundInMountinfo(t *testing.T) {
	partial := "60 50 0:38 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	tests := []struct {
		name, mountinfo string
		whole           []string // directories that are the root of the whole tree
		want, err       string
	}{
		{"hybrid layout: the unified directory", hybrid, []string{"/sys/fs/cgroup/unified"}, "/sys/fs/cgroup/unified", ""},
		{"pure layout", "29 22 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n", []string{"/sys/fs/cgroup"}, "/sys/fs/cgroup", ""},
		{"v1 only says how to mount v2", "36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw\n", nil, "", "not mounted: mkdir"},
		{"a cgroup namespace shows its sub-tree as the root", partial, nil, "", "--cgroupns=host"},
		{"a bind mount of a sub-tree", "60 50 0:38 /kubepods/x /mnt rw - cgroup2 cgroup rw\n", []string{"/mnt"}, "", "/mnt shows only"},
		{"the host's tree mounted beside the container's", partial + "61 50 0:38 / /host/cgroup ro - cgroup2 none rw\n", []string{"/host/cgroup"}, "/host/cgroup", ""},
		{"a space in the path", `29 22 0:26 / /mnt/a\040b rw - cgroup2 none rw` + "\n", []string{"/mnt/a b"}, "/mnt/a b", ""},
		{"cut lines are skipped", "29 22 0:26\n29 22 0:26 / /x rw -\n", nil, "", "not mounted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			has := func(dir, name string) bool { return name == "cgroup.procs" || !slices.Contains(tt.whole, dir) }
			got, err := cgroup2Root(parseMountinfo(tt.mountinfo), has)
			if got != tt.want {
				t.Errorf("root %q, want %q", got, tt.want)
			}
			if text := errorText(err); (tt.err == "") != (err == nil) || !strings.Contains(text, tt.err) {
				t.Errorf("error %q, want one with %q", text, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzParseMountinfoNeverPanics(f *testing.F) {
	f.Add(hybrid)
	f.Add("1 2 3 4 5 6 -")
	f.Fuzz(func(t *testing.T, text string) {
		if got := len(parseMountinfo(text)); got > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts in %d lines", got, strings.Count(text, "\n")+1)
		}
	})
}

func set(bits ...int) (c capabilities) {
	for _, bit := range bits {
		c |= 1 << bit
	}
	return c
}

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	needed := []int{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}
	tests := []struct {
		name string
		caps capabilities
		want []string
	}{
		{"none at all", 0, []string{"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"}},
		{"the three", set(needed...), nil},
		{"CAP_SYS_ADMIN stands for two", set(unix.CAP_SYS_ADMIN), []string{"CAP_NET_ADMIN"}},
		{"CAP_BPF alone", set(unix.CAP_BPF), []string{"CAP_PERFMON", "CAP_NET_ADMIN"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.caps.missing(needed...); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if err := set(unix.CAP_DAC_OVERRIDE).need(unix.CAP_DAC_READ_SEARCH); err != nil {
		t.Error(err)
	}
}

func TestNeedRightsSaysWhatToDo(t *testing.T) {
	tests := []struct {
		name string
		err  NeedRights
		want string
	}{
		{"one capability", NeedRights{Missing: []string{"CAP_NET_ADMIN"}}, "CAP_NET_ADMIN missing: run sonde as root (sudo), or grant that capability"},
		{"several", NeedRights{Missing: []string{"CAP_BPF", "CAP_PERFMON"}}, "CAP_BPF, CAP_PERFMON missing: run sonde as root (sudo), or grant these"},
		{"rootless container", NeedRights{UserNS: true, Cause: unix.EPERM}, "user namespace"},
		{"seccomp", NeedRights{Cause: unix.EPERM}, "seccomp or LSM profile forbids it; run"},
		{"an old kernel's limit", NeedRights{Cause: unix.EPERM, Memlock: true}, "ulimit -l"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
				t.Errorf("%q has no %q", got, tt.want)
			}
		})
	}
}

func TestLackAndRefusalAreToldApart(t *testing.T) {
	if err := reason("x", unix.EPERM); !errors.Is(err, ErrRefused) {
		t.Errorf("EPERM: %v", err)
	}
	if err := reason("x", unix.EINVAL); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("EINVAL: %v", err)
	}
	if err := reason("x", nil); err != nil {
		t.Error(err)
	}
}

func TestSelectedLockdown(t *testing.T) {
	for line, want := range map[string]string{
		"none [integrity] confidentiality": "integrity",
		"[none] integrity confidentiality": "none",
		"":                                 "",
		"none [integrity":                  "",
	} {
		if got := selected(line); got != want {
			t.Errorf("selected(%q) = %q, want %q", line, got, want)
		}
	}
}
