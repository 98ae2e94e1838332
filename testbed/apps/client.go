// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ClientKind names a client of the testbed that holds one connection, or makes one for each request.
type ClientKind string

// The clients. All but Urllib and Curl keep one connection alive for as long as they run.
const (
	GoClient     ClientKind = "go"
	NodeClient   ClientKind = "node"
	PythonClient ClientKind = "http.client"
	UrllibClient ClientKind = "urllib"
	CurlClient   ClientKind = "curl"
)

// ClientKinds returns all clients, in a fixed order.
func ClientKinds() []ClientKind {
	return []ClientKind{GoClient, NodeClient, PythonClient, UrllibClient, CurlClient}
}

// Client is a running client. Not safe for concurrent use.
type Client struct {
	PID  int
	name string

	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  *bufio.Reader
	stderr *bytes.Buffer
	curl   string // base URL when each request is a curl of its own
}

// StartClient starts a client for the server at base ("http://127.0.0.1:8080"). Nothing is sent before the first Do.
func (k *Kit) StartClient(kind ClientKind, base string) (*Client, error) {
	switch kind {
	case GoClient:
		return startClient(exec.Command(k.Path("goclient"), base))
	case NodeClient:
		return startClient(exec.Command("node", k.Path("node/client.js"), base))
	case PythonClient:
		return startClient(exec.Command(debianPython, k.Path("python/client.py"), base))
	case UrllibClient:
		return startClient(exec.Command(debianPython, k.Path("python/client.py"), base, "urllib"))
	case CurlClient:
		return &Client{curl: base, name: "curl"}, nil
	}
	return nil, fmt.Errorf("no client of kind %q", kind)
}

// StartExchangeClient starts cprog/exchange.c as a client that moves bytes by the calls of mode.
func (k *Kit) StartExchangeClient(mode, addr string) (*Client, error) {
	bin, err := k.Compile("exchange")
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return startClient(exec.Command(bin, "client", mode, host, port))
}

// StartSteps starts python/NAME.py or perl/NAME.pl, a client of another protocol than HTTP that Step tells what to do.
func (k *Kit) StartSteps(name string, args ...string) (*Client, error) {
	interpreter := debianPython
	if filepath.Ext(name) == ".pl" {
		interpreter = "perl"
	}
	return startClient(exec.Command(interpreter, append([]string{k.Path(name)}, args...)...))
}

// Step has a client of StartSteps perform a step ("prepared 20") and returns how long each call that it timed took.
func (c *Client) Step(step string) ([]time.Duration, error) {
	if _, err := fmt.Fprintln(c.in, step); err != nil {
		return nil, err
	}
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		_ = c.cmd.Wait()
		c.cmd = nil
		return nil, fmt.Errorf("client ended during %q: %w\n%s", step, err, c.stderr)
	}
	var took []time.Duration
	return took, json.Unmarshal(line, &took)
}

func startClient(cmd *exec.Cmd) (*Client, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer // shown only with an error: some tests mean to make a client fail
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start client: %w", err)
	}
	return &Client{PID: cmd.Process.Pid, cmd: cmd, in: in, lines: bufio.NewReader(out), stderr: &stderr}, nil
}

// Name is the process name of the client.
func (c *Client) Name() string {
	if c.name == "" {
		c.name = ProcessName(c.PID)
	}
	return c.name
}

// Do sends one request with body bytes of body and returns the status of its answer.
func (c *Client) Do(method, path string, body int) (int, error) {
	if c.curl != "" {
		return c.doCurl(method, path, body)
	}
	if _, err := fmt.Fprintf(c.in, "%s %s %d\n", method, path, body); err != nil {
		return 0, err
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		_ = c.cmd.Wait()
		c.cmd = nil
		return 0, fmt.Errorf("client ended during %s %s: %w\n%s", method, path, err, c.stderr)
	}
	var status int
	_, err = fmt.Sscan(line, &method, &path, &status)
	return status, err
}

func (c *Client) doCurl(method, path string, body int) (int, error) {
	args := []string{"-sS", "--noproxy", "*", "--max-time", "20", "-o", os.DevNull, "-w", "%{http_code}", c.curl + path}
	switch {
	case method == "HEAD":
		args = append(args, "-I")
	case body > 0:
		args = append(args, "-X", method, "--data-binary", "@-")
	default:
		args = append(args, "-X", method)
	}
	cmd := exec.Command("curl", args...)
	cmd.Stderr = os.Stderr
	cmd.Stdin = io.LimitReader(repeated('b'), int64(body))
	out, err := cmd.Output()
	c.PID = cmd.Process.Pid
	if err != nil {
		return 0, fmt.Errorf("curl %s %s: %w", method, path, err)
	}
	var status int
	_, err = fmt.Sscan(string(out), &status)
	return status, err
}

// repeated reads as an endless run of one byte.
type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// Close ends the client, which closes its connection in order.
func (c *Client) Close() error {
	if c.cmd == nil {
		return nil
	}
	_ = c.in.Close()
	stuck := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer stuck.Stop()
	return c.cmd.Wait()
}

// Kill ends the client at once, as a crash would: the kernel closes its connection. It may be called while Do waits, which then
// returns an error.
func (c *Client) Kill() { _ = syscall.Kill(c.PID, syscall.SIGKILL) }
