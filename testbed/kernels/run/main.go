// SPDX-License-Identifier: Apache-2.0

// Command run boots kernels of Debian under emulation, tests sonde on each and prints the table of what held: see
// testbed/kernels. It is for `make test-kernels` and exits with 1 when a cell is red.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sonde/testbed/kernels"
)

var errRed = errors.New("something is red")

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

func run() error {
	p := kernels.Proof{Options: kernels.DefaultOptions(), Progress: os.Stderr}
	names := flag.String("kernels", "", "comma-separated names of the catalogue (default all)")
	flag.BoolVar(&p.Refresh, "refresh", false, "look for newer kernel packages")
	flag.StringVar(&p.Options.Run, "run", "", "only these tests, as go test -run")
	flag.BoolVar(&p.Options.Full, "full", false, "every combination of flavours")
	flag.IntVar(&p.Parallel, "parallel", 2, "machines at once")
	flag.DurationVar(&p.Options.Timeout, "timeout", p.Options.Timeout, "time limit of each kernel")
	update := flag.Bool("update", false, "write what the runs tell to testdata and docs/kernel-support.md")
	flag.Parse()
	var err error
	if p.Kernels, err = kernels.Select(*names); err != nil {
		return err
	}
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	p.Root = filepath.Dir(strings.TrimSpace(string(out)))
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	results, err := p.Run(ctx)
	if err != nil {
		return err
	}
	if err := judge(p.Root, results, *update); err != nil {
		return err
	}
	kernels.Print(os.Stdout, results, isTerminal(os.Stdout))
	for _, r := range results {
		if r.Fails() {
			return errRed
		}
	}
	return nil
}

// judge compares what the runs told with what is committed, after writing that anew when asked to.
func judge(root string, results []*kernels.Result, update bool) error {
	golden := kernels.Golden(filepath.Join(root, "testbed", "kernels", "testdata"))
	for _, r := range results {
		if update {
			if err := golden.Update(r); err != nil {
				fmt.Fprintln(os.Stderr, "kernels:", err)
			}
		}
		if err := golden.Compare(r); err != nil {
			return err
		}
	}
	if !update {
		return nil
	}
	page, err := golden.Page()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "kernel-support.md"), []byte(page), 0o644)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("NO_COLOR") == ""
}
