// SPDX-License-Identifier: Apache-2.0

// Command sonde sees every flow and every request on a Linux machine from the kernel, without touching the applications.
//
// This package joins the others: one file per sub-command, no logic of its own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, processEnv(), os.Args[1:]))
}
