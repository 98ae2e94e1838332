// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// actor is the process that a correct report names.
type actor struct {
	pid  int
	name string
}

// checkEnd holds one end of an observation against the process that used the socket. The observed end must be named; the other
// one may be unknown but not wrong.
func checkEnd(t *testing.T, e *harness.Event, end string, got harness.Endpoint, want actor) {
	t.Helper()
	if e.Role != end && got.PID == 0 && got.Process == "" {
		return
	}
	if got.PID != want.pid || got.Process != want.name {
		t.Errorf("%s end is process %d %q, want %d %q: %v", end, got.PID, got.Process, want.pid, want.name, e)
	}
}

func checkActors(t *testing.T, events []harness.Event, client, server actor) {
	t.Helper()
	for i := range events {
		if e := &events[i]; e.Type == "request" {
			checkEnd(t, e, "client", e.Client, client)
			checkEnd(t, e, "server", e.Server, server)
		}
	}
}

func TestBothSidesOfAConnectionAreNamed(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observe(t, s.Port)
		c := l.client(t, apps.NodeClient, s)
		want := harness.Counts{}
		send(t, c, plan("actor"), want)
		client, server := actor{c.PID, c.Name()}, actor{s.PID, s.Name()}
		events := ob.expect(want)
		checkActors(t, events, client, server)
		_ = c.Close()
	})
}

func TestBothSidesAreNamedForConnectionsOlderThanTheAgent(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		c := l.client(t, apps.PythonClient, s)
		send(t, c, plan("unseen")[:1], harness.Counts{})
		ob := l.observe(t, s.Port)
		want := harness.Counts{}
		send(t, c, plan("actor"), want)
		client, server := actor{c.PID, c.Name()}, actor{s.PID, s.Name()}
		checkActors(t, ob.expect(want), client, server)
		_ = c.Close()
	})
}

// TestProcessIsNamedAfterItsExit holds that identity outlives the process: curl is gone before its request is reported.
func TestProcessIsNamedAfterItsExit(t *testing.T) {
	l := newLab(t)
	s := l.server(t, apps.Go, "127.0.0.1")
	ob := l.observe(t, s.Port)
	pids := map[int]bool{}
	want := harness.Counts{}
	for range 23 {
		c := l.client(t, apps.CurlClient, s)
		send(t, c, []request{{"GET", "/ok", 0, 200}}, want)
		pids[c.PID] = true
	}
	events := ob.expect(want)
	for i := range events {
		if e := &events[i]; e.Type == "request" && e.Role == "client" {
			if !pids[e.Client.PID] || e.Client.Process != "curl" {
				t.Errorf("the client was one of the curls: %v", e)
			}
			delete(pids, e.Client.PID)
		}
	}
	if len(pids) > 0 {
		t.Errorf("%d of 23 curls are not named", len(pids))
	}
}

func TestTheProcessThatAnswersIsNamed(t *testing.T) {
	l := newLab(t)
	for _, mode := range []string{"prefork", "forkeach", "dup", "scm"} {
		for _, when := range []string{"before", "in the middle"} {
			t.Run(mode+", agent started "+when, func(t *testing.T) {
				s, err := l.StartActors(mode, "127.0.0.1")
				started(t, s, err)
				name := s.Name()
				var ob *observation
				if when == "before" {
					ob = l.observe(t, s.Port)
				}
				var conns []*rawclient.Conn
				for range 8 {
					c := dial(t, s.Addr)
					defer c.Close()
					conns = append(conns, c)
				}
				if ob == nil {
					askPID(t, conns) // so that each connection has reached the process that answers it
					ob = l.observe(t, s.Port)
				}
				checkAnswerers(t, ob, conns, name)
			})
		}
	}
}

// askPID asks each connection who answers, three times, and returns the answers by the client's port.
func askPID(t *testing.T, conns []*rawclient.Conn) map[int]int {
	t.Helper()
	answerer := map[int]int{}
	for range 3 {
		for _, c := range conns {
			body, err := c.Body(rawclient.Request("GET", "/pid"))
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(c.Local())
			p, _ := strconv.Atoi(port)
			if answerer[p], err = strconv.Atoi(strings.TrimSpace(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return answerer
}

func checkAnswerers(t *testing.T, ob *observation, conns []*rawclient.Conn, name string) {
	t.Helper()
	answerer := askPID(t, conns)
	want := harness.Counts{}
	want.Add("GET", "/pid", 200, 3*len(conns))
	self := actor{os.Getpid(), apps.ProcessName(os.Getpid())}
	events := ob.expect(want)
	for i := range events {
		if e := &events[i]; e.Type == "request" {
			checkEnd(t, e, "server", e.Server, actor{answerer[e.Client.Port], name})
			checkEnd(t, e, "client", e.Client, self)
		}
	}
}
