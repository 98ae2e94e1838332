// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/nginx"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// eachServer runs a test for every server over IPv4 and IPv6.
func eachServer(t *testing.T, test func(t *testing.T, l *lab, s *apps.Server)) {
	l := newLab(t)
	for _, kind := range apps.Kinds() {
		for _, host := range hosts {
			t.Run(string(kind)+" "+host, func(t *testing.T) { test(t, l, l.server(t, kind, host)) })
		}
	}
}

func TestAgentStartedBeforeSeesEveryRequestOfEveryClient(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observe(t, s.Port)
		want := harness.Counts{}
		for _, kind := range apps.ClientKinds() {
			c := l.client(t, kind, s)
			send(t, c, plan(string(kind)), want)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		ob.expect(want)
	})
}

func TestAgentStartedInTheMiddleSeesEveryRequestAfterReadiness(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		kinds := []apps.ClientKind{apps.GoClient, apps.NodeClient, apps.PythonClient}
		clients := map[apps.ClientKind]*apps.Client{}
		for _, kind := range kinds {
			clients[kind] = l.client(t, kind, s)
			send(t, clients[kind], plan("unseen")[:5], harness.Counts{})
		}
		ob := l.observe(t, s.Port)
		want := harness.Counts{}
		for _, kind := range kinds {
			send(t, clients[kind], plan(string(kind)), want)
		}
		ob.expect(want)
		for _, c := range clients {
			_ = c.Close()
		}
	})
}

func TestAgentRestartedInBetweenSeesBothHalves(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		c := l.client(t, apps.GoClient, s)
		defer c.Close()
		for _, half := range []string{"first", "second"} {
			ob := l.observe(t, s.Port)
			want := harness.Counts{}
			send(t, c, plan(half), want)
			ob.expect(want)
			send(t, c, plan("unseen")[:7], harness.Counts{})
		}
	})
}

// volume is how many requests each server answers in a few seconds.
var volume = map[apps.Kind]int{apps.Go: 100_000, apps.Node: 100_000, apps.Nginx: 100_000, apps.Uvicorn: 15_000, apps.HTTPServer: 15_000}

// roomyRing holds what the agent cannot print in time: on two processors load, server, agent and this test's reading of
// 200,000 lines of JSON compete. What a small ring loses, and that it is counted, is for the overload tests.
const roomyRing = "SONDE_RING_BYTES=268435456"

func TestHundredThousandOver64ConnectionsAreHundredThousand(t *testing.T) {
	eachServer(t, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
		begun := time.Now()
		res := l.load(t, s.Addr, "-conns", "64", "-n", strconv.Itoa(volume[s.Kind]))
		want := harness.Counts{}
		if err := want.AddSent(res.Sent); err != nil {
			t.Fatal(err)
		}
		ob.expect(want)
		t.Logf("%d requests at %.0f/s, all done after %v", res.Total, float64(res.Total)*1e9/float64(res.ElapsedNS), time.Since(begun))
	})
}

// numbered is what one connection of TestAgentStartedUnderLoad sent: numbers from first on were sent after readiness.
type numbered struct{ first, last int }

// TestAgentStartedUnderLoad starts the agent while 16 connections are busy. A request begun after readiness must be reported
// once by each end, an earlier one at most once.
func TestAgentStartedUnderLoadSeesEveryRequestAfterReadiness(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Node, apps.Nginx} {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			ready, stop := make(chan struct{}), make(chan struct{})
			var wg sync.WaitGroup
			finish := sync.OnceFunc(func() { close(stop); wg.Wait() })
			t.Cleanup(finish) // before the server stops, also when the agent does not start
			sent := make([]numbered, 16)
			for i := range sent {
				wg.Go(func() { sent[i] = sendNumbered(t, s.Addr, i, ready, stop) })
			}
			time.Sleep(300 * time.Millisecond)
			ob := l.observe(t, s.Port)
			close(ready)
			time.Sleep(700 * time.Millisecond)
			finish()
			n := 0
			for _, c := range sent {
				n += 2 * (c.last + 1 - c.first)
			}
			checkNumbered(t, sent, ob.finish(n))
		})
	}
}

func sendNumbered(t *testing.T, addr string, id int, ready, stop chan struct{}) numbered {
	c, err := rawclient.Dial(addr)
	if err != nil {
		t.Error(err)
		return numbered{}
	}
	defer c.Close()
	sent := numbered{first: -1}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return sent
		default:
		}
		select {
		case <-ready:
			if sent.first < 0 {
				sent.first = i
			}
		default:
		}
		sent.last = i
		if _, err := c.Exchange("GET", 0, rawclient.Request("GET", fmt.Sprintf("/any/%d/%d", id, i))); err != nil {
			t.Error(err)
			return sent
		}
	}
}

func checkNumbered(t *testing.T, sent []numbered, events []harness.Event) {
	seen := map[string]int{}
	lost := 0
	for i := range events {
		switch e := &events[i]; {
		case e.Type == "request":
			seen[e.Role+" "+e.Attributes.Path]++
		case e.Type == "lost" && e.What == "requests":
			lost += int(e.Count)
		}
	}
	missing, twice, all := 0, 0, 0
	for id, c := range sent {
		for i := 0; i <= c.last; i++ {
			for _, role := range []string{"client ", "server "} {
				n := seen[role+fmt.Sprintf("/any/%d/%d", id, i)]
				if i >= c.first && n == 0 {
					missing++
				}
				if n > 1 {
					twice++
				}
				if i >= c.first {
					all++
				}
			}
		}
	}
	// On a machine that is too busy for load, agent and test at once the ring may overflow; what it loses must be counted.
	if missing > lost || twice > 0 {
		t.Errorf("of %d observations due after readiness %d are missing, %d lost; %d are reported twice", all, missing, lost, twice)
	}
	t.Logf("%d observations due after readiness", all)
}

// TestWrkAgainstNginxAgreesWithTheAccessLog uses a client that does not know exactly what it sent: it leaves with one request in
// flight on each connection. The server's log knows.
func TestWrkAgainstNginxAgreesWithTheAccessLog(t *testing.T) {
	l := newLab(t)
	const conns = 64
	s, err := l.StartNginx(nginx.Config{AccessLog: true}, "127.0.0.1")
	started(t, s, err)
	ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
	out, err := exec.Command("wrk", "-t", "1", "-c", strconv.Itoa(conns), "-d", "2s", s.URL()+"/bytes/1024").CombinedOutput()
	if err != nil {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	counted, err := strconv.Atoi(regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(string(out))[1])
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	b, err := os.ReadFile(filepath.Join(s.Dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	logged := strings.Count(string(b), "GET /bytes/1024 200\n")
	byOutcome := map[string]int{}
	events := ob.finish(2 * counted)
	for i := range events {
		if e := &events[i]; e.Type == "request" {
			byOutcome[e.Role+" "+e.Outcome]++
		}
	}
	t.Logf("wrk counted %d, nginx logged %d, sonde reported %v", counted, logged, byOutcome)
	// A logged answer may have met a closed socket, an answer that arrived may not have been counted: at most one a connection.
	if n := byOutcome["client ok"]; n < counted || n > logged {
		t.Errorf("client: %d complete, wrk counted %d and nginx answered %d", n, counted, logged)
	}
	if n := byOutcome["server ok"]; n < counted || n > logged {
		t.Errorf("server: %d complete, wrk counted %d and nginx logged %d", n, counted, logged)
	}
	if n := byOutcome["server ok"] + byOutcome["server incomplete"]; n < logged || n > counted+conns {
		t.Errorf("server: %d begun, nginx logged %d and wrk sent at most %d", n, logged, counted+conns)
	}
}
