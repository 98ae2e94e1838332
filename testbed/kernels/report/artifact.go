// SPDX-License-Identifier: Apache-2.0

// Package report is the language between the tests inside of a virtual machine (testbed/kernels/guest) and the program that runs
// it (testbed/kernels): texts that the guest hands out between the lines of its test log.
package report

import "strings"

// artifactMark begins the lines of an artifact: "artifact:NAME:LINE".
const artifactMark = "artifact:"

// Artifact returns the lines that carry text, which is whole lines, under a name without a colon.
func Artifact(name, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(artifactMark + name + ":" + line)
	}
	return b.String()
}

// ParseArtifact takes a line of a log apart; ok is false for lines that carry no artifact.
func ParseArtifact(line string) (name, text string, ok bool) {
	rest, ok := strings.CutPrefix(line, artifactMark)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}
