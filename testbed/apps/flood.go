// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"fmt"
	"os"
	"os/exec"
)

// Flood builds, once, the program that sends requests no two of which are alike, and returns its path.
func (k *Kit) Flood() (string, error) {
	bin := k.Path("flood")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	out, err := exec.Command("go", "build", "-o", bin, "sonde/testbed/apps/flood").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build flood: %w\n%s", err, out)
	}
	return bin, nil
}
