// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes. What a script may want to tell apart has a code of its own.
const (
	exitOK      = 0
	exitFailure = 1 // sonde could not do its work
	exitUsage   = 2 // the command line is wrong
	exitNothing = 3 // observe --exit-code: no event was shown
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// execute runs a command line and returns the exit code.
func execute(ctx context.Context, e env, args []string) int {
	root := rootCommand(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errNothingShown) {
		return exitNothing
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

  sonde top        services, requests and flows on a screen that stays current; also of sonde run, and of files
  sonde observe    live requests and flows, one line each
  sonde record     what the kernel tells, to a file; observe and top show it again with --read, and captures (pcap, pcapng) too
  sonde run        the daemon: metrics for Prometheus on localhost:9464, spans and metrics over OTLP
  sonde doctor     what this kernel allows, what is attached where, what cannot be seen

It needs root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN to enter
other network namespaces) and Linux 5.10 or newer with BTF. To look at a running agent with sonde top takes no rights but
membership in the group sonde, and to read files none at all.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(e.stdout) // before the command for completion is made, which keeps it
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{plain(err)} })
	root.AddCommand(topCommand(e), observeCommand(e), recordCommand(e), runCommand(e), doctorCommand(e), versionCommand(e), manCommand(e))
	root.SetHelpCommand(helpCommand(root))
	completionCommand(root, e.stdout)
	completeFlags(root)
	return root
}

// unknownCommand is the error for a word that is no command, with the one that may have been meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return usageError{fmt.Errorf("unknown command %q, did you mean %q?", word, near[0])}
	}
	return usageError{fmt.Errorf("unknown command %q", word)}
}

// someShell: a command without a Run would answer any word with its help and exit code 0.
func someShell(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("completion for %q: want bash, fish, powershell or zsh", args[0])}
	}
	return nil
}

// helpCommand is cobra's, but for a command that does not exist it fails instead of showing something else.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if cmd, _, err := root.Find(args); err == nil {
				for _, c := range cmd.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, args[len(args)-max(1, len(rest))])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// plain undoes pflag's wrapping around the errors of filters, which name the flag and the value already.
func plain(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	if _, ours := invalid.GetFlag().Value.(argument); ours {
		return invalid.Unwrap()
	}
	return err
}

// noArgs refuses arguments with the exit code of a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}
