// SPDX-License-Identifier: Apache-2.0

// Package rawclient sends HTTP/1.1 byte by byte as told: split, pipelined, late, or not at all.
//
// It is for exchanges that well-behaved clients never make. Who calls it: testbed/e2e.
package rawclient

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// timeout ends an exchange that hangs, so that a test fails with a message and not with the test binary.
const timeout = 20 * time.Second

// Conn is one TCP connection. Not safe for concurrent use.
type Conn struct {
	tcp *net.TCPConn
	r   *bufio.Reader
}

// Dial connects to addr with Nagle's algorithm off: one Write is one segment as long as it fits.
func Dial(addr string) (*Conn, error) {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	if err := tcp.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	return &Conn{tcp: tcp, r: bufio.NewReader(tcp)}, nil
}

// Write sends each piece by a write of its own, pausing for gap between two of them.
func (c *Conn) Write(gap time.Duration, pieces ...string) error {
	for i, p := range pieces {
		if i > 0 {
			time.Sleep(gap)
		}
		if _, err := io.WriteString(c.tcp, p); err != nil {
			return fmt.Errorf("write piece %d of %d: %w", i+1, len(pieces), err)
		}
	}
	return nil
}

// Read reads one answer to its end and returns its status. method is that of the request, since HEAD has no body.
func (c *Conn) Read(method string) (int, error) {
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return 0, fmt.Errorf("read answer to %s: %w", method, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Exchange writes pieces and reads the answer.
func (c *Conn) Exchange(method string, gap time.Duration, pieces ...string) (int, error) {
	if err := c.Write(gap, pieces...); err != nil {
		return 0, err
	}
	return c.Read(method)
}

// Local is the client's own address, "127.0.0.1:40000".
func (c *Conn) Local() string { return c.tcp.LocalAddr().String() }

// TCP gives the connection itself, for reads at a chosen pace.
func (c *Conn) TCP() *net.TCPConn { return c.tcp }

// Close ends the connection in order (FIN).
func (c *Conn) Close() error { return c.tcp.Close() }

// Abort ends the connection by a reset (RST).
func (c *Conn) Abort() error {
	if err := c.tcp.SetLinger(0); err != nil {
		return err
	}
	return c.tcp.Close()
}

// Request returns the bytes of a request without body. headers are whole lines without line ends.
func Request(method, path string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: testbed\r\n", method, path)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// Post returns the head and the body of a POST of n bytes.
func Post(path string, n int) (head, body string) {
	return Request("POST", path, fmt.Sprintf("Content-Length: %d", n)), strings.Repeat("b", n)
}

// Body writes request, a GET, and returns the body of the answer.
func (c *Conn) Body(request string) (string, error) {
	if err := c.Write(0, request); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
