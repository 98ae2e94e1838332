// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"sonde/agent/model"
)

// machineIDPaths are where machine-id(5) is. The root of the first process comes first: in a container with the host's PID
// namespace it is the host's, while /etc is the image's.
var machineIDPaths = []string{"1/root/etc/machine-id", "1/root/var/lib/dbus/machine-id"}

// ReadHost tells which machine this is. procRoot is where procfs is mounted, "/proc" as a rule. What cannot be read is left
// out.
func ReadHost(procRoot string) model.Host {
	h := model.Host{Arch: hostArch()}
	if name, err := os.Hostname(); err == nil {
		h.Name = name
	}
	for _, p := range machineIDPaths {
		if h.ID = machineID(filepath.Join(procRoot, p)); h.ID != "" {
			return h
		}
	}
	h.ID = machineID("/etc/machine-id")
	return h
}

// machineID reads one file. 32 hexadecimal digits are an id; "uninitialized" and empty files, which images carry, are none.
func machineID(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(text))
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// hostArch is OpenTelemetry's word for what sonde was built for, which is what the machine runs.
func hostArch() string {
	switch runtime.GOARCH {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	case "ppc64le":
		return "ppc64"
	}
	return runtime.GOARCH
}
