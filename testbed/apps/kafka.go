// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNotBuilt says that a program of a nested module could not be built, as when its module cannot be downloaded.
var ErrNotBuilt = errors.New("cannot be built here")

// StartKafka builds kafka/, a module with dependencies of its own, and starts it: a broker in memory (kfake) with the topic
// "orders" of one partition. The error is ErrNotBuilt when the module is not to be had.
func (k *Kit) StartKafka() (*Server, error) {
	folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", "sonde/testbed/apps").Output()
	if err != nil {
		return nil, fmt.Errorf("find testbed/apps: %w", err)
	}
	bin := k.Path("kafkaserver")
	out, err := exec.Command("go", "build", "-C", filepath.Join(strings.TrimSpace(string(folder)), "kafka"), "-o", bin, ".").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w: %w\n%s", ErrNotBuilt, err, out)
	}
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	return startServer("kafka", k.command(bin, "-port", strconv.Itoa(port)))
}
