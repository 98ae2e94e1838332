// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes. What a script may want to tell apart has a code of its own.
const (
	exitOK      = 0
	exitFailure = 1 // sonde could not do its work
	exitUsage   = 2 // the command line is wrong
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// execute runs a command line and returns the exit code.
func execute(ctx context.Context, e env, args []string) int {
	root := rootCommand(e)
	root.SetArgs(args)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(e.stderr, "sonde: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(e.stderr, "Run 'sonde --help' or 'sonde COMMAND --help' for what is accepted.")
		return exitUsage
	}
	return exitFailure
}

func rootCommand(e env) *cobra.Command {
	root := &cobra.Command{
		Use:   "sonde",
		Short: "See every flow and request of this machine from the kernel",
		Long: `sonde sees every flow and every request on a Linux machine from the kernel with eBPF:
no sidecar, no SDK, no restart, no changed traffic.

  sonde observe    live requests and flows, one line each
  sonde run        the daemon: metrics for Prometheus on localhost:9464
  sonde doctor     what this kernel allows, what is attached where, what cannot be seen

It needs root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN to enter
other network namespaces) and Linux 5.10 or newer with BTF.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(observeCommand(e), runCommand(e), doctorCommand(e), versionCommand(e))
	return root
}

// noArgs refuses arguments with the exit code of a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}
