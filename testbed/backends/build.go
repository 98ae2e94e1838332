// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Program is a Go program that is built from one of the nested modules of this folder.
type Program struct {
	Name   string
	module string // folder below this one
	pkg    string // to build, within the module's build list
	tags   string
}

// The programs. Collector is quick to build (a minute or two); the others take several.
var (
	Collector   = Program{Name: "otelcol", module: "otelcol", pkg: "."}
	Gateway     = Program{Name: "otelcol-gateway", module: "gateway", pkg: "."}
	Jaeger      = Program{Name: "jaeger", module: "jaeger", pkg: "github.com/jaegertracing/jaeger/cmd/jaeger"}
	Prometheus3 = Program{Name: "prometheus3", module: "prometheus", pkg: "github.com/prometheus/prometheus/cmd/prometheus", tags: "remove_all_sd,netgo"}
)

// Programs returns all of them, by name.
func Programs() map[string]Program {
	all := map[string]Program{}
	for _, p := range []Program{Collector, Gateway, Jaeger, Prometheus3} {
		all[p.Name] = p
	}
	return all
}

// stillBuilding is how often a build says that it goes on.
const stillBuilding = 15 * time.Second

// Build returns the path of the program. It is built when the user's cache directory does not have it yet, which takes
// minutes and downloads its modules; what happens is told to progress. The cache is keyed by the module's sources and sums, the
// Go version and the platform. Safe against other processes that build the same: they wait. The working directory must be
// inside the module sonde.
func Build(ctx context.Context, p Program, progress io.Writer) (string, error) {
	source, err := folder(ctx, p)
	if err != nil {
		return "", err
	}
	bin, err := p.cached(source)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(filepath.Dir(bin), p.Name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(bin); err == nil { // another process was quicker
		return bin, nil
	}
	return bin, p.compile(ctx, source, bin, progress)
}

// folder finds the nested module by the place of this package.
func folder(ctx context.Context, p Program) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "sonde/testbed/backends").Output()
	if err != nil {
		return "", fmt.Errorf("find testbed/backends: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), p.module), nil
}

// cached is where the program is once it is built.
func (p Program) cached(source string) (string, error) {
	key, err := p.key(source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "sonde", "backends", p.Name+"-"+key), nil
}

// key changes with whatever changes the program.
func (p Program) key(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*.*")) // sorted
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, p)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, filepath.Base(name), len(text))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// lock waits for the file's lock, which ends with the process at the latest.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	return func() { _ = f.Close() }, err
}

func (p Program) compile(ctx context.Context, source, bin string, progress io.Writer) error {
	start := time.Now()
	fmt.Fprintf(progress, "%s: building it once, for the cache\n", p.Name)
	tick := time.NewTicker(stillBuilding)
	defer tick.Stop()
	done := make(chan error, 1)
	go func() { done <- p.goBuild(ctx, source, bin) }()
	for {
		select {
		case err := <-done:
			if err == nil {
				fmt.Fprintf(progress, "%s: built in %v\n", p.Name, time.Since(start).Round(time.Second))
			}
			return err
		case <-tick.C:
			fmt.Fprintf(progress, "%s: still building, %v\n", p.Name, time.Since(start).Round(time.Second))
		}
	}
}

// goBuild builds to a name of its own first: who finds bin finds all of it.
func (p Program) goBuild(ctx context.Context, source, bin string) error {
	part := bin + ".part"
	defer os.Remove(part)
	args := []string{"build", "-C", source, "-trimpath", "-ldflags=-s -w", "-o", part}
	if p.tags != "" {
		args = append(args, "-tags="+p.tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, p.pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", p.Name, err, out)
	}
	return os.Rename(part, bin)
}
