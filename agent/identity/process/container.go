// SPDX-License-Identifier: Apache-2.0

package process

import "strings"

// container is the innermost container of a cgroup path and how many it is nested in, itself included.
type container struct {
	id      string
	runtime string
	depth   int
}

// scopes are the prefixes that runtimes put before the id, in the name of a systemd scope or, with the cgroupfs driver,
// of a plain directory. Longer prefixes stand before the shorter ones that begin them.
var scopes = []struct{ prefix, runtime string }{
	{"docker-", "docker"},
	{"cri-containerd-", "containerd"},
	{"containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"libpod-payload-", "podman"}, // below the unit of a quadlet, beside libpod's own processes
	{"libpod-", "podman"},
}

// containerOf finds the container of a cgroup path. Monitors such as libpod-conmon-<id>.scope are none: what follows
// the prefix must be an id.
func containerOf(path string) container {
	var c container
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		id, runtime := containerAt(segments[:i], segment)
		if id != "" {
			c = container{id: strings.Clone(id), runtime: runtime, depth: c.depth + 1}
		}
	}
	return c
}

// containerAt tells whether a segment is a container, given those before it.
func containerAt(before []string, segment string) (id, runtime string) {
	name := strings.TrimSuffix(segment, ".scope")
	for _, s := range scopes {
		if id, ok := strings.CutPrefix(name, s.prefix); ok && isID(id) {
			return id, s.runtime
		}
	}
	if id, runtime := colonForm(name); id != "" {
		return id, runtime
	}
	if id := machine(segment); id != "" {
		return id, "systemd-nspawn"
	}
	return directory(before, segment)
}

// colonForm is what runc makes of "slice:prefix:id" when it is not told to use systemd: one directory of that name.
func colonForm(name string) (id, runtime string) {
	parts := strings.Split(name, ":")
	if len(parts) != 3 || !isID(parts[2]) {
		return "", ""
	}
	for _, s := range scopes {
		if parts[1]+"-" == s.prefix {
			return parts[2], s.runtime
		}
	}
	return parts[2], ""
}

// machine returns the name of a systemd-nspawn container. Scopes of libvirt look the same but for the driver's name,
// and its machines are not containers that share this kernel's sockets.
func machine(segment string) string {
	name, unit := strings.CutPrefix(segment, "systemd-nspawn@")
	if unit {
		name, unit = strings.CutSuffix(name, ".service")
		return onlyIf(unit, unescapeUnit(name))
	}
	name, machine := strings.CutPrefix(segment, "machine-")
	name, scope := strings.CutSuffix(name, ".scope")
	if !machine || !scope {
		return ""
	}
	name = unescapeUnit(name)
	return onlyIf(!strings.HasPrefix(name, "qemu-") && !strings.HasPrefix(name, "lxc-"), name)
}

func onlyIf(ok bool, s string) string {
	if ok {
		return s
	}
	return ""
}

// directory is a container whose segment is the bare id. Who runs it is said by the directory above, or by nothing.
func directory(before []string, segment string) (id, runtime string) {
	parent := ""
	if len(before) > 0 {
		parent = before[len(before)-1]
	}
	switch {
	case parent == "libpod_parent": // a pod of podman; its containers are below, named libpod-<id>
		return "", ""
	case parent == "docker" && isID(segment):
		return segment, "docker"
	case (parent == "default" || parent == "k8s.io") && len(before) == 1: // containerd's usual namespaces; ids are free
		return segment, "containerd"
	case parent == "garden" && segment != "":
		return segment, "garden"
	case (parent == "lxc" || parent == "lxc.payload") && segment != "":
		return segment, "lxc"
	case strings.HasPrefix(segment, "lxc.payload."):
		return strings.TrimPrefix(segment, "lxc.payload."), "lxc"
	case isID(segment), isFargateID(before, segment):
		return segment, ""
	}
	return "", ""
}

// isID tells whether s is an id as all runtimes but the oldest generate them: 64 hexadecimal digits.
func isID(s string) bool { return len(s) == 64 && isHex(s) }

// isFargateID recognises the ids of AWS Fargate, "/ecs/<task>/<32 hex digits>-<number>".
func isFargateID(before []string, s string) bool {
	if len(before) != 2 || before[0] != "ecs" {
		return false
	}
	id, number, ok := strings.Cut(s, "-")
	return ok && len(id) == 32 && isHex(id) && number != "" && strings.Trim(number, "0123456789") == ""
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
