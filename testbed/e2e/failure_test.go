// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// states counts the socket flows of one role to a server port by state and errno.
func states(events []harness.Event, role string, port int) map[string]int {
	got := map[string]int{}
	for i := range events {
		if e := &events[i]; e.Type == "flow" && e.View == "socket" && e.Role == role && e.Server.Port == port && e.Transport == "tcp" {
			got[e.State+" "+e.Error]++
		}
	}
	return got
}

// expectStates fails unless all n flows of a role ended in one state.
func expectStates(t *testing.T, events []harness.Event, role string, port int, want string, n int) {
	t.Helper()
	got := states(events, role, port)
	if got[want] != n || len(got) != 1 {
		t.Errorf("%s: want %d flows %q, got %v", role, n, want, got)
		for i := range events {
			t.Log(&events[i])
		}
	}
}

func isFlow(port int) func(*harness.Event) bool {
	return func(e *harness.Event) bool { return e.Type == "flow" && e.View == "socket" && e.Server.Port == port }
}

func TestRefusedConnectIsAFlowOfItsOwn(t *testing.T) {
	l := newLab(t)
	for _, host := range hosts {
		port, err := apps.FreePort(host)
		if err != nil {
			t.Fatal(err)
		}
		ob := l.observe(t, port)
		for range 5 {
			if c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
				_ = c.Close()
				t.Fatal("somebody listens")
			}
		}
		ob.Await(5, isFlow(port))
		events := ob.end()
		expectStates(t, events, "client", port, "refused ECONNREFUSED", 5)
		for i := range events {
			if e := &events[i]; e.Type == "flow" && e.View == "socket" && e.Client.PID != os.Getpid() {
				t.Errorf("who connected is not known: %v pid %d", e, e.Client.PID)
			}
		}
	}
}

func TestOrderlyCloseAndResetAreToldApart(t *testing.T) {
	l := newLab(t)
	for _, want := range []string{"closed ", "reset "} {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		ob := l.observe(t, port)
		for range 5 {
			openExchangeClose(t, ln, want == "reset ")
		}
		_ = ln.Close()
		ob.Await(10, isFlow(port))
		events := ob.end()
		for _, role := range []string{"client", "server"} {
			got := states(events, role, port)
			n := 0
			for state, count := range got {
				if len(state) >= len(want) && state[:len(want)] == want {
					n += count
				}
			}
			if n != 5 || len(got) != 1 {
				t.Errorf("%s: want 5 flows %q, got %v", role, want, got)
			}
		}
		checkPayloadCounts(t, events)
	}
}

// openExchangeClose sends 1000 bytes there and 3000 back, then the client leaves.
func openExchangeClose(t *testing.T, ln net.Listener, reset bool) {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3000)
	_, e1 := c.Write(buf[:1000])
	_, e2 := io.ReadFull(s, buf[:1000])
	_, e3 := s.Write(buf)
	_, e4 := io.ReadFull(c, buf)
	if err := errors.Join(e1, e2, e3, e4); err != nil {
		t.Fatal(err)
	}
	time.Sleep(60 * time.Millisecond) // longer than a delayed acknowledgement
	if reset {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
	_, _ = s.Read(buf)
	_ = s.Close()
}

func checkPayloadCounts(t *testing.T, events []harness.Event) {
	t.Helper()
	for i := range events {
		if e := &events[i]; e.Type == "flow" && e.View == "socket" && (e.Bytes.Sent != 1000 || e.Bytes.Received != 3000) {
			t.Errorf("1000 bytes there and 3000 back: %v", e)
		}
	}
}

// synOnce makes a connect give up after one repetition, three seconds in all.
func synOnce(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1) }), err)
}

func TestConnectThatNobodyAnswersTimesOut(t *testing.T) {
	l := newLab(t)
	w := newWire(t, 11)
	w.drop(t, "tcp dport 8099", "drop")
	ob := l.observe(t, 8099)
	d := net.Dialer{Control: synOnce}
	_, err := d.Dial("tcp", net.JoinHostPort(w.there, "8099"))
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Fatalf("connect ended otherwise: %v", err)
	}
	ob.Await(1, isFlow(8099))
	expectStates(t, ob.end(), "client", 8099, "timed_out ETIMEDOUT", 1)
}

func TestConnectThatIsForbiddenFails(t *testing.T) {
	l := newLab(t)
	w := newWire(t, 12)
	w.drop(t, "tcp dport 8098", "reject with icmpx type host-unreachable")
	ob := l.observe(t, 8098)
	d := net.Dialer{Control: synOnce}
	_, err := d.Dial("tcp", net.JoinHostPort(w.there, "8098"))
	if !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Fatalf("connect ended otherwise: %v", err)
	}
	ob.Await(1, isFlow(8098))
	// The application may have fetched and cleared the socket's error before the socket ended: then the cause is unknown.
	got := states(ob.end(), "client", 8098)
	if got["failed EHOSTUNREACH"]+got["failed "] != 1 || len(got) != 1 {
		t.Errorf("want one failed flow, got %v", got)
	}
}

func TestConnectionThatIsCutTimesOut(t *testing.T) {
	l := newLab(t)
	w := newWire(t, 13)
	var ln net.Listener
	w.within(t, func() (err error) { ln, err = net.Listen("tcp", net.JoinHostPort(w.there, "8097")); return err })
	defer ln.Close()
	ob := l.observe(t, 8097)
	c, err := net.Dial("tcp", net.JoinHostPort(w.there, "8097"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, _ := c.(*net.TCPConn).SyscallConn()
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1000) })
	w.drop(t, "tcp dport 8097", "drop")
	_, _ = c.Write([]byte("into the void"))
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Fatalf("connection ended otherwise: %v", err)
	}
	ob.Await(1, isFlow(8097))
	expectStates(t, ob.end(), "client", 8097, "timed_out ETIMEDOUT", 1)
}
