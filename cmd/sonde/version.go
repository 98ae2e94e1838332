// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (make build).
var version = "dev"

// revision returns the commit that the binary was built from, as far as the toolchain recorded it.
func revision() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	rev, dirty := "", ""
	for _, s := range b.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return rev + dirty
}

func versionCommand(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			commit := ""
			if r := revision(); r != "" {
				commit = " commit " + r
			}
			_, err := fmt.Fprintf(e.stdout, "sonde %s%s %s/%s %s\n", version, commit, runtime.GOOS, runtime.GOARCH,
				runtime.Version())
			return err
		},
	}
}
