// SPDX-License-Identifier: Apache-2.0

package model

// Host is the machine that observed processes run on. Every field is "" when unknown.
type Host struct {
	Name string // node name
	ID   string // machine-id(5)
	Arch string // of OpenTelemetry's host.arch: "amd64", "arm64"
}
