// SPDX-License-Identifier: Apache-2.0

package process

import (
	"net/url"
	"strings"

	"sonde/agent/model"
)

// runtimeUnits are the systemd units that containers hang below when no scope of their own was made for them.
var runtimeUnits = map[string]bool{
	"docker.service": true, "containerd.service": true, "crio.service": true, "cri-o.service": true,
	"podman.service": true, "kubelet.service": true, "k3s.service": true, "k3s-agent.service": true,
	"rke2-server.service": true, "rke2-agent.service": true, "k0scontroller.service": true, "k0sworker.service": true,
	"snap.docker.dockerd.service": true, "snap.microk8s.daemon-containerd.service": true, "buildkit.service": true,
	"ecs.service": true, "garden.service": true, "lxc.service": true, "lxd.service": true, "incus.service": true,
}

// serviceName applies the order of the package comment. It reads the Name, ContainerID and Unit of p.
func serviceName(p *model.Process, declared string) string {
	switch {
	case declared != "":
		return declared
	case namesService(p):
		return unescapeUnit(strings.TrimSuffix(p.Unit, ".service"))
	case p.Name != "":
		return p.Name
	}
	return "unknown"
}

func namesService(p *model.Process) bool {
	switch {
	case p.Unit == "" || strings.HasPrefix(p.Unit, "user@"):
		return false
	case p.ContainerID == "":
		return true
	}
	return !runtimeUnits[p.Unit] && !strings.HasPrefix(p.Unit, "systemd-nspawn@")
}

// declaredName returns the service name that an environment block declares, "" when it declares none. An empty variable
// counts as unset (OpenTelemetry specification, "Environment Variable Specification").
func declaredName(environ []byte) string {
	attributes := ""
	for block := string(environ); block != ""; {
		var variable string
		variable, block, _ = strings.Cut(block, "\x00")
		if name, ok := strings.CutPrefix(variable, "OTEL_SERVICE_NAME="); ok && chosen(name) != "" {
			return chosen(name)
		}
		if list, ok := strings.CutPrefix(variable, "OTEL_RESOURCE_ATTRIBUTES="); ok && attributes == "" {
			attributes = list
		}
	}
	return attributeName(attributes)
}

// attributeName finds service.name in "k=v,k=v" with percent-encoded values. The last one counts, as in the SDKs.
func attributeName(attributes string) string {
	found := ""
	for pair := range strings.SplitSeq(attributes, ",") {
		key, value, _ := strings.Cut(pair, "=")
		if strings.TrimSpace(key) != "service.name" {
			continue
		}
		if decoded, err := url.PathUnescape(strings.TrimSpace(value)); err == nil {
			found = chosen(decoded)
		}
	}
	return found
}

func chosen(name string) string {
	cut := strings.ToValidUTF8(name[:min(len(name), nameBytes)], "") // drops a character cut in two
	return strings.Clone(strings.TrimSpace(clean(cut)))              // not to keep the environment in memory
}
