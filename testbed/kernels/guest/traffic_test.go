// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// patience ends an exchange that hangs. It is long: an emulated machine is slow.
const patience = 90 * time.Second

// sent is the traffic of one flavour: what sonde must report of it, by column.
type sent struct {
	*network
	want map[string]harness.Tally
}

// both expects n requests at both ends.
func (s *sent) both(column string, n int, format string, args ...any) {
	if s.want[column] == nil {
		s.want[column] = harness.Tally{}
	}
	s.want[column].Both(n, fmt.Sprintf(format, args...))
}

// paths are where HTTP/1 goes: the loopback and a veth pair, IPv4 and IPv6.
var paths = []string{"127.0.0.1", "::1", "10.77.1.2", "fd77:1::2"}

// http1 sends over several connections at once, each kept: small and large answers, errors, bodies, pipelines.
func (s *sent) http1(column, host string, connections int) error {
	server := net.JoinHostPort(host, strconv.Itoa(portHTTP))
	var clients sync.WaitGroup
	failed := make([]error, connections)
	for i := range connections {
		clients.Go(func() { failed[i] = exchangeHTTP1(server) })
	}
	clients.Wait()
	n := connections
	s.both(column, 6*n, "ok http GET /ok 200 %s", server)
	s.both(column, 2*n, "ok http GET /bytes/100000 200 %s", server)
	s.both(column, 2*n, "ok http POST /echo 200 %s", server)
	s.want[column]["client error http GET /status/404 404 "+server] += 2 * n
	s.want[column]["server ok http GET /status/404 404 "+server] += 2 * n
	s.both(column, 2*n, "error http GET /status/503 503 %s", server)
	s.both(column, 8*n, "ok http GET /piped 200 %s", server)
	return errors.Join(failed...)
}

func exchangeHTTP1(server string) error {
	c, err := rawclient.Dial(server)
	if err != nil {
		return err
	}
	defer c.Close()
	head, body := rawclient.Post("/echo", 70_000)
	get := func(path string) []string { return []string{rawclient.Request("GET", path)} }
	for range 2 {
		for _, pieces := range [][]string{
			get("/ok"), get("/ok"), get("/ok"), get("/status/404"), get("/status/503"), get("/bytes/100000"), {head, body},
		} {
			if _, err := c.Exchange("GET", 0, pieces...); err != nil {
				return err
			}
		}
	}
	if err := c.Write(0, strings.Repeat(rawclient.Request("GET", "/piped"), 8)); err != nil {
		return err
	}
	for range 8 {
		if _, err := c.Read("GET"); err != nil {
			return err
		}
	}
	return nil
}

// http2 sends streams at once over one connection that begins with HTTP/2.
func (s *sent) http2(column, host string) error {
	server := net.JoinHostPort(host, strconv.Itoa(portHTTP))
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Transport: transport, Timeout: patience}
	defer client.CloseIdleConnections()
	const streams = 20
	get := func(path string) error {
		resp, err := client.Get("http://" + server + path)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := get("/h2/first"); err != nil { // opens the connection that the others share
		return err
	}
	var all sync.WaitGroup
	failed := make([]error, streams)
	for i := range streams {
		all.Go(func() { failed[i] = errors.Join(get("/h2/stream"), get("/h2/status/503"), get("/h2/bytes/5000")) })
	}
	all.Wait()
	s.both(column, 1, "ok http GET /h2/first 200 %s", server)
	s.both(column, streams, "ok http GET /h2/stream 200 %s", server)
	s.both(column, streams, "ok http GET /h2/bytes/5000 200 %s", server)
	s.both(column, streams, "error http GET /h2/status/503 503 %s", server)
	return errors.Join(failed...)
}

// dns asks each question from a socket of its own, as resolvers do.
func (s *sent) dns(column, host string, n int) error {
	server := net.JoinHostPort(host, strconv.Itoa(portDNS))
	for range n {
		for _, name := range []string{"shop.test.", "nothing.test."} {
			if err := ask(server, name); err != nil {
				return err
			}
		}
	}
	s.both(column, n, "ok A shop.test NOERROR %s", server)
	s.both(column, n, "error A nothing.test NXDOMAIN %s", server)
	return nil
}

func ask(server, name string) error {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	query, err := m.Pack()
	if err != nil {
		return err
	}
	return exchangeDatagrams(server, string(query), 1)
}

// exchangeDatagrams sends n datagrams one after the other and waits for the answer to each.
func exchangeDatagrams(server, payload string, n int) error {
	c, err := net.Dial("udp", server)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buf := make([]byte, 2000)
	for range n {
		if _, err := io.WriteString(c, payload); err != nil {
			return err
		}
		if _, err := c.Read(buf); err != nil {
			return err
		}
	}
	return nil
}

// How many datagrams of how many bytes of payload make the flows that are counted.
const (
	datagrams     = 23
	datagramBytes = 100
)

// The server that uses io_uring alone, of testbed/apps/cprog.
const (
	exchangeBin = "/payload/exchange"
	portURing   = 8090
)

// iouring has two C programs exchange over io_uring, which the system calls of sockets do not see.
func (s *sent) iouring(column string, n int) error {
	if !s.uring {
		return nil
	}
	client := exec.Command(exchangeBin, "client", "iouring", "127.0.0.1", strconv.Itoa(portURing))
	client.Stdin = strings.NewReader(strings.Repeat("POST /by-"+column+" 3000\n", n))
	out, err := client.CombinedOutput()
	if err != nil || strings.Count(string(out), " 200\n") != n {
		return fmt.Errorf("client over io_uring: %w\n%s", err, out)
	}
	s.both(column, n, "ok http POST /by-%s 200 127.0.0.1:%d", column, portURing)
	return nil
}

// flows sends datagrams over the veth pair, IPv4 and IPv6.
func (s *sent) flows() error {
	payload := strings.Repeat("d", datagramBytes)
	for _, host := range []string{"10.77.1.2", "fd77:1::2"} {
		if err := exchangeDatagrams(net.JoinHostPort(host, strconv.Itoa(portEcho)), payload, datagrams); err != nil {
			return err
		}
	}
	return nil
}

// getFrom sends n requests over one connection from a namespace.
func (s *sent) getFrom(column string, from *space, server string, n int) error {
	dial := func(_ context.Context, network, address string) (c net.Conn, err error) {
		err = from.within(func() (err error) { c, err = net.DialTimeout(network, address, patience); return err })
		return c, err
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	for range n {
		resp, err := client.Get("http://" + server + "/" + column)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return err
		}
	}
	return nil
}
