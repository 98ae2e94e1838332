// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"fmt"
	"net"
	"os"
	"os/exec"
)

// StartInstrumented builds, once, and starts otelapp, a server that traces itself. upstream is the URL of the server that it
// calls, endpoint where it sends its spans, both "http://127.0.0.1:8080". Without an endpoint it makes no spans.
func (k *Kit) StartInstrumented(host, upstream, endpoint string) (*Server, error) {
	bin := k.Path("otelapp")
	if _, err := os.Stat(bin); err != nil {
		out, err := exec.Command("go", "build", "-o", bin, "sonde/testbed/apps/otelapp").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("build otelapp: %w\n%s", err, out)
		}
	}
	cmd := k.command(bin, "-listen", net.JoinHostPort(host, "0"), "-upstream", upstream)
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint) // empty counts as unset
	return startServer("otelapp", cmd)
}
