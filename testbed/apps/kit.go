// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed node/*.js python/*.py perl/*.pl cprog/*.c
var sources embed.FS

// debianPython is named in full: uvicorn is a Debian package and other interpreters do not see it.
const debianPython = "/usr/bin/python3"

// Kit is a temporary directory with the built programs and the scripts. Safe for concurrent use once made.
type Kit struct {
	dir  string
	wrap []string // put before the command line of each server
}

// Wrapped returns the same kit whose servers are started through another program that becomes them, like "taskset -c 0".
func (k *Kit) Wrapped(argv ...string) *Kit { return &Kit{dir: k.dir, wrap: argv} }

func (k *Kit) command(name string, args ...string) *exec.Cmd {
	argv := append(append(slices.Clone(k.wrap), name), args...)
	return exec.Command(argv[0], argv[1:]...)
}

// NewKit builds the Go programs of this folder and lays out the scripts. It runs the go command, so that the working
// directory must be inside the module. The caller must Close it.
func NewKit() (*Kit, error) {
	dir, err := os.MkdirTemp("", "sonde-apps-")
	if err != nil {
		return nil, err
	}
	k := &Kit{dir: dir}
	if err := k.fill(); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Kit) fill() error {
	// nginx drops nothing here (user root), but a client run as another user must be able to read its script.
	if err := os.Chmod(k.dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(k.dir, sources); err != nil {
		return fmt.Errorf("lay out scripts: %w", err)
	}
	for _, name := range []string{"goserver", "goclient", "loadclient"} {
		out, err := exec.Command("go", "build", "-o", k.Path(name), "sonde/testbed/apps/"+name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// Path returns the path of a file of the kit: "goserver", "python/client.py".
func (k *Kit) Path(name string) string { return filepath.Join(k.dir, filepath.FromSlash(name)) }

// Dir makes a new directory in the kit, removed with it.
func (k *Kit) Dir(prefix string) (string, error) { return os.MkdirTemp(k.dir, prefix) }

// Compile builds cprog/NAME.c with the system's C compiler, once, and returns the path of the program.
func (k *Kit) Compile(name string) (string, error) {
	bin := k.Path(name)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	out, err := exec.Command("gcc", "-O1", "-pthread", "-o", bin, k.Path("cprog/"+name+".c")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", name, err, out)
	}
	return bin, nil
}

// buildGRPC builds the programs of the module below grpc/, which has dependencies of its own: grpc/server and grpc/client.
func (k *Kit) buildGRPC() error {
	if _, err := os.Stat(k.Path("grpc/client")); err == nil {
		return nil
	}
	folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", "sonde/testbed/apps").Output()
	if err != nil {
		return fmt.Errorf("find testbed/apps: %w", err)
	}
	module := filepath.Join(strings.TrimSpace(string(folder)), "grpc")
	out, err := exec.Command("go", "build", "-C", module, "-o", k.Path("grpc")+"/", "./server", "./client").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the gRPC programs: %w\n%s", err, out)
	}
	return nil
}

// Close removes the directory. Programs that still run keep running.
func (k *Kit) Close() { _ = os.RemoveAll(k.dir) }

// FreePort returns a TCP port on which nothing listens at the moment, for servers that must be told theirs.
func FreePort(host string) (int, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// ProcessName is the name a correct observer gives to a process: the base name of its executable. "" when it is gone.
func ProcessName(pid int) string {
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return ""
	}
	return filepath.Base(exe)
}
