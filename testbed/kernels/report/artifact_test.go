// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
)

func TestArtifactSurvivesTheLog(t *testing.T) {
	const text = "a: 1\n\n  b\n"
	got := ""
	for line := range strings.Lines("=== RUN\n" + Artifact("x.json", text) + "PASS\n") {
		if name, part, ok := ParseArtifact(line); ok {
			if name != "x.json" {
				t.Errorf("name %q", name)
			}
			got += part
		}
	}
	if got != text {
		t.Errorf("got %q", got)
	}
}
