// SPDX-License-Identifier: Apache-2.0

package process

import (
	"strconv"
	"strings"

	"sonde/agent/model"
)

// hierarchy is one line of /proc/PID/cgroup, cgroups(7): version 2 has the line "0::path", version 1 a line per
// controller or per named hierarchy.
type hierarchy struct {
	version2 bool
	systemd  bool // "name=systemd", where systemd keeps its units on version 1
	path     string
}

func parseCgroup(b []byte) []hierarchy {
	var out []hierarchy
	for line := range strings.Lines(string(b)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		out = append(out, hierarchy{
			version2: id == "0" && controllers == "",
			systemd:  controllers == "name=systemd",
			path:     belowRoot(path),
		})
	}
	return out
}

// belowRoot drops the "/.." that the kernel writes for cgroups outside the reader's cgroup namespace, and the mark of a
// cgroup that was removed.
func belowRoot(path string) string {
	path = strings.TrimSuffix(path, " (deleted)")
	for strings.HasPrefix(path, "/../") {
		path = path[len("/.."):]
	}
	if path == "/.." {
		return "/"
	}
	return path
}

// place sets the cgroup, container and unit of p. The path and the unit come from version 2, or from systemd's own
// hierarchy without it. The container comes from the hierarchy that names most: on hybrid hosts the version 2 path may
// be "/" while the controllers of version 1 know the container.
func place(p *model.Process, hierarchies []hierarchy) {
	depth := 0
	for _, h := range byTrust(hierarchies) {
		if p.CgroupPath == "" {
			p.CgroupPath = strings.Clone(h.path)
		}
		if p.Unit == "" && (h.version2 || h.systemd) {
			p.Unit = unitOf(h.path)
		}
		if c := containerOf(h.path); c.depth > depth {
			depth, p.ContainerID, p.Runtime = c.depth, c.id, c.runtime
		}
	}
}

// byTrust puts version 2 first, then systemd's hierarchy, then the rest as they stood.
func byTrust(in []hierarchy) []hierarchy {
	out := make([]hierarchy, 0, len(in))
	for _, wanted := range []hierarchy{{version2: true}, {systemd: true}, {}} {
		for _, h := range in {
			if h.version2 == wanted.version2 && h.systemd == wanted.systemd {
				out = append(out, h)
			}
		}
	}
	return out
}

// unitOf returns the innermost service of a path, named as systemctl takes it (escapes kept). Slices and scopes are
// groups of processes, not services.
func unitOf(path string) string {
	unit := ""
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(segment, ".service") && segment != ".service" {
			unit = strings.TrimPrefix(segment, "_") // systemd escapes names that collide with kernel files so
		}
	}
	return strings.Clone(unit)
}

// unescapeUnit undoes the \xHH of systemd.unit(5): "foo\x2dbar" is foo-bar.
func unescapeUnit(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && len(s) >= i+4 {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return clean(b.String())
}
