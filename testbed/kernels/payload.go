// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Payload is what every machine runs: built once, laid over the initramfs of each kernel.
type Payload struct {
	dir     string
	Boot    string // the binary of testbed/kernels/boot
	archive string
}

// BuildPayload builds sonde, unless the environment variable SONDE names a binary, the tests and the init, in a directory that
// Close removes. moduleRoot is the directory of go.mod.
func BuildPayload(moduleRoot string) (*Payload, error) {
	dir, err := os.MkdirTemp("", "sonde-kernels-")
	if err != nil {
		return nil, err
	}
	p := &Payload{dir: dir, Boot: filepath.Join(dir, "boot"), archive: filepath.Join(dir, "payload.cpio")}
	if err := p.build(moduleRoot); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close removes what was built.
func (p *Payload) Close() error { return os.RemoveAll(p.dir) }

func (p *Payload) build(moduleRoot string) error {
	sonde, tests, exchange := os.Getenv("SONDE"), filepath.Join(p.dir, "guest.test"), filepath.Join(p.dir, "exchange")
	steps := [][]string{
		{"go", "build", "-ldflags", "-s -w", "-o", p.Boot, "./testbed/kernels/boot"},
		{"go", "test", "-c", "-tags", "vm", "-ldflags", "-s -w", "-o", tests, "./testbed/kernels/guest"},
		{"gcc", "-O2", "-static", "-pthread", "-o", exchange, "testbed/apps/cprog/exchange.c"},
	}
	if sonde == "" {
		sonde = filepath.Join(p.dir, "sonde")
		steps = append(steps, []string{"go", "build", "-ldflags", "-s -w", "-o", sonde, "./cmd/sonde"})
	}
	for _, s := range steps {
		cmd := exec.Command(s[0], s[1:]...)
		cmd.Dir, cmd.Env = moduleRoot, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(s, " "), err, out)
		}
	}
	return p.pack(map[string]string{"start": tests, "sonde": sonde, "exchange": exchange})
}

func (p *Payload) pack(files map[string]string) error {
	f, err := os.Create(p.archive)
	if err != nil {
		return err
	}
	a := newArchive(f)
	for name, from := range files {
		a.file("payload/"+name, from)
	}
	err = addWithLibraries(a, "/usr/sbin/nft")
	return errors.Join(err, a.close(), f.Close())
}

// addWithLibraries adds a program of this machine and the libraries that its loader names.
func addWithLibraries(a *archive, program string) error {
	out, err := output("ldd", program)
	if err != nil {
		return err
	}
	a.file(program, program)
	for line := range strings.Lines(out) { // "name => path (address)", or "path (address)" for the loader
		line, _, _ = strings.Cut(strings.TrimSpace(line), " (")
		if _, path, found := strings.Cut(line, " => "); found {
			line = path
		}
		if strings.HasPrefix(line, "/") {
			a.file(line, line)
		}
	}
	return nil
}
