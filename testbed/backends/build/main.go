// SPDX-License-Identifier: Apache-2.0

// Command build puts the named backends into the cache, as `make backends` asks, and prints where they are.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"sonde/testbed/backends"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, name := range os.Args[1:] {
		p, known := backends.Programs()[name]
		if !known {
			fmt.Fprintf(os.Stderr, "no backend is called %q\n", name)
			os.Exit(2)
		}
		bin, err := backends.Build(ctx, p, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(bin)
	}
}
