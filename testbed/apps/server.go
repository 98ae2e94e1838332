// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sonde/testbed/apps/nginx"
)

// Kind names a server of the testbed.
type Kind string

// The servers that offer the common routes.
const (
	Go         Kind = "go"
	Node       Kind = "node"
	HTTPServer Kind = "http.server"
	Uvicorn    Kind = "uvicorn"
	Nginx      Kind = "nginx"
)

// Kinds returns all servers, in a fixed order.
func Kinds() []Kind { return []Kind{Go, Node, HTTPServer, Uvicorn, Nginx} }

// Server is a running server.
type Server struct {
	Kind Kind
	Addr string // "127.0.0.1:40000", "[::1]:40000"
	Port int
	PID  int    // of the process that answers; of nginx the (first) worker
	Dir  string // of nginx: configuration and access.log

	cmd   *exec.Cmd
	after func() // called when it has ended; may be nil
}

// startLimit is generous because the machine may be building something else.
const startLimit = 20 * time.Second

// Start starts a server of the given kind on a free port of host ("127.0.0.1", "::1") and waits until it listens.
func (k *Kit) Start(kind Kind, host string) (*Server, error) {
	if kind == Nginx {
		return k.StartNginx(nginx.Config{}, host)
	}
	port, err := FreePort(host)
	if err != nil {
		return nil, err
	}
	var cmd *exec.Cmd
	switch kind {
	case Go:
		cmd = k.command(k.Path("goserver"), "-listen", net.JoinHostPort(host, strconv.Itoa(port)))
	case Node:
		cmd = k.command("node", k.Path("node/server.js"), host, strconv.Itoa(port))
	case HTTPServer:
		cmd = k.command(debianPython, k.Path("python/server.py"), host, strconv.Itoa(port))
	case Uvicorn:
		cmd = k.command(debianPython, k.Path("python/asgi.py"), host, strconv.Itoa(port))
	default:
		return nil, fmt.Errorf("no server of kind %q", kind)
	}
	return startServer(kind, cmd)
}

// StartH2C starts the Go server so that it speaks HTTP/2 without TLS with clients that begin with it.
func (k *Kit) StartH2C(host string) (*Server, error) {
	return startServer("go h2c", k.command(k.Path("goserver"), "-h2c", "-listen", net.JoinHostPort(host, "0")))
}

// StartGRPC builds, once, and starts the server of gRPC's interoperability tests.
func (k *Kit) StartGRPC(host string) (*Server, error) {
	if err := k.buildGRPC(); err != nil {
		return nil, err
	}
	return startServer("grpc", k.command(k.Path("grpc/server"), "-listen", net.JoinHostPort(host, "0")))
}

// StartActors starts python/actors.py, whose connections change hands, in the given mode.
func (k *Kit) StartActors(mode, host string) (*Server, error) {
	port, err := FreePort(host)
	if err != nil {
		return nil, err
	}
	return startServer(Kind("actors "+mode), k.command(debianPython, k.Path("python/actors.py"), mode, host, strconv.Itoa(port)))
}

// StartExchange compiles and starts cprog/exchange.c as a server that moves bytes by the calls of mode.
func (k *Kit) StartExchange(mode, host string) (*Server, error) {
	bin, err := k.Compile("exchange")
	if err != nil {
		return nil, err
	}
	port, err := FreePort(host)
	if err != nil {
		return nil, err
	}
	return startServer(Kind("exchange "+mode), k.command(bin, "server", mode, host, strconv.Itoa(port)))
}

func startServer(kind Kind, cmd *exec.Cmd) (*Server, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	s := &Server{Kind: kind, PID: cmd.Process.Pid, cmd: cmd}
	addr := make(chan string, 1)
	go func() {
		defer close(addr)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if a, found := strings.CutPrefix(lines.Text(), "listening "); found {
				addr <- a
			}
		}
	}()
	select {
	case a, ok := <-addr:
		if !ok {
			s.Stop()
			return nil, fmt.Errorf("%s ended before it listened", kind)
		}
		return s, s.setAddr(a)
	case <-time.After(startLimit):
		s.Stop()
		return nil, fmt.Errorf("%s did not listen within %v", kind, startLimit)
	}
}

func (s *Server) setAddr(a string) error {
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		return err
	}
	s.Addr = a
	s.Port, err = strconv.Atoi(port)
	return err
}

// StartNginx starts nginx with c on host; Dir and Listen of c are filled in.
func (k *Kit) StartNginx(c nginx.Config, host string) (*Server, error) {
	port, err := FreePort(host)
	if err != nil {
		return nil, err
	}
	if c.Dir, err = k.Dir("nginx-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(c.Dir, 0o755); err != nil {
		return nil, err
	}
	c.Listen = net.JoinHostPort(host, strconv.Itoa(port))
	conf, err := nginx.Write(c)
	if err != nil {
		return nil, err
	}
	cmd := k.command("nginx", "-p", c.Dir, "-c", conf, "-e", filepath.Join(c.Dir, "error.log"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	s := &Server{Kind: Nginx, Dir: c.Dir, cmd: cmd}
	if err := errors.Join(s.setAddr(c.Listen), s.awaitWorker()); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// awaitWorker waits until the master has a child: the socket accepts connections before, but its answers come from there.
func (s *Server) awaitWorker() error {
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if pids := Children(s.cmd.Process.Pid); len(pids) > 0 {
			s.PID = pids[0]
			c, err := net.Dial("tcp", s.Addr)
			if err == nil {
				return c.Close()
			}
		}
	}
	return fmt.Errorf("nginx has no worker after %v, see %s", startLimit, filepath.Join(s.Dir, "error.log"))
}

// Name is the process name of the server.
func (s *Server) Name() string { return ProcessName(s.PID) }

// URL is "http://" and the address.
func (s *Server) URL() string { return "http://" + s.Addr }

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Stop ends the server and the processes it forked, and waits for it.
func (s *Server) Stop() {
	children := Children(s.cmd.Process.Pid)
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		_ = s.cmd.Process.Kill()
		<-done
	}
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Children returns the pids of the direct children of a process.
func Children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// ExchangeModes returns the ways in which cprog/exchange.c can move bytes.
func ExchangeModes() []string {
	return []string{"read", "send", "readv", "msg", "mmsg", "sendfile", "splice", "zerocopy", "peek", "iouring"}
}
