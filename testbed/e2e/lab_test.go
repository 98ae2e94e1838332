// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/apps/load"
	"sonde/testbed/e2e/harness"
)

// builds are made once for all tests: they take longer than most of them.
var builds = sync.OnceValues(func() (*lab, error) {
	kit, err := apps.NewKit()
	if err != nil {
		return nil, err
	}
	bin, err := harness.Build(kit.Path("."))
	return &lab{Kit: kit, bin: bin}, err
})

// lab is what every test needs: the servers, the clients and the binary under test.
type lab struct {
	*apps.Kit
	bin string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Geteuid() == 0 {
		if l, _ := builds(); l != nil {
			l.Close()
		}
	}
	os.Exit(code)
}

func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: sonde loads programs into the kernel")
	}
	l, err := builds()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) server(t testing.TB, kind apps.Kind, host string) *apps.Server {
	t.Helper()
	s, err := l.Start(kind, host)
	return started(t, s, err)
}

func started(t testing.TB, s *apps.Server, err error) *apps.Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func (l *lab) client(t testing.TB, kind apps.ClientKind, s *apps.Server) *apps.Client {
	t.Helper()
	c, err := l.StartClient(kind, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// observation is a running `sonde observe` and the server ports that a test cares about: the machine has other traffic.
type observation struct {
	*harness.Sonde
	t     testing.TB
	ports map[int]bool
}

// observe starts sonde for the given server ports. A test that does not Stop it has it killed at its end.
func (l *lab) observe(t testing.TB, ports ...int) *observation {
	t.Helper()
	return l.observeWith(t, harness.Options{}, ports...)
}

func (l *lab) observeWith(t testing.TB, o harness.Options, ports ...int) *observation {
	t.Helper()
	ob := &observation{t: t, ports: map[int]bool{}}
	for _, p := range ports {
		o.Args = append(o.Args, "--port", strconv.Itoa(p))
		ob.ports[p] = true
	}
	o.Bin = l.bin
	var err error
	if ob.Sonde, err = harness.Observe(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if ob.Alive() {
			ob.Kill()
		}
	})
	return ob
}

func (ob *observation) ours(e *harness.Event) bool {
	return len(ob.ports) == 0 || ob.ports[e.Server.Port] || ob.ports[e.Client.Port] || e.Type == "lost"
}

// finish waits for n requests, stops sonde and returns its events about the ports of the test.
func (ob *observation) finish(n int) []harness.Event {
	ob.t.Helper()
	ob.Await(n, func(e *harness.Event) bool { return e.Type == "request" && ob.ours(e) })
	return ob.end()
}

func (ob *observation) end() []harness.Event {
	ob.t.Helper()
	all, err := ob.Stop()
	if err != nil {
		ob.t.Error(err)
	}
	var events []harness.Event
	for i := range all {
		if ob.ours(&all[i]) {
			events = append(events, all[i])
		}
	}
	return events
}

// expect finishes the observation and fails the test where its requests are not exactly want.
func (ob *observation) expect(want harness.Counts) []harness.Event {
	ob.t.Helper()
	events := ob.finish(want.Total())
	compare(ob.t, want, events)
	return events
}

func compare(t testing.TB, want harness.Counts, events []harness.Event) {
	t.Helper()
	if d := harness.Diff(want, harness.CountRequests(events)); d != "" {
		t.Error(d)
		incomplete := 0
		for i := range events {
			e := &events[i]
			if e.Outcome == "incomplete" {
				incomplete++
			}
			if e.Type == "lost" || e.Outcome == "incomplete" && incomplete <= 3 {
				t.Log(e)
			}
		}
	}
}

// request is one request of a plan, with the status that the testbed's routes give.
type request struct {
	method, path string
	body, status int
}

// plan is 23 requests of all sorts. name is part of paths where the route allows it, so that a difference names its client.
func plan(name string) []request {
	p := []request{
		{"GET", "/ok", 0, 200}, {"HEAD", "/ok", 0, 200}, {"OPTIONS", "/ok", 0, 200}, {"POST", "/echo", 1, 200},
		{"POST", "/echo", 5000, 200}, {"POST", "/echo", 100000, 200}, {"GET", "/status/404", 0, 404}, {"GET", "/status/500", 0, 500},
		{"GET", "/status/204", 0, 204}, {"GET", "/bytes/10000", 0, 200}, {"GET", "/bytes/1048576", 0, 200},
		{"GET", "/chunked/10000", 0, 200}, {"GET", "/nowhere/" + name, 0, 404}, {"GET", "/sleep/5", 0, 200},
		{"DELETE", "/any/" + name, 0, 200}, {"GET", "/status/503", 0, 503},
	}
	for i := len(p); i < 23; i++ {
		p = append(p, request{"GET", fmt.Sprintf("/any/%s/%d", name, i), 0, 200})
	}
	return p
}

// send performs the plan with a client and counts it.
func send(t testing.TB, c *apps.Client, p []request, want harness.Counts) {
	t.Helper()
	for _, r := range p {
		got, err := c.Do(r.method, r.path, r.body)
		if err != nil || got != r.status {
			t.Fatalf("%s %s: status %d, want %d: %v", r.method, r.path, got, r.status, err)
		}
		want.Add(r.method, r.path, r.status, 1)
	}
}

// hosts are the loopback addresses of both IP versions.
var hosts = []string{"127.0.0.1", "::1"}

// mix is the load of the counting tests.
var mix = []string{"GET /ok", "GET /any/a", "GET /any/b/c", "POST /echo 200", "HEAD /ok", "OPTIONS /ok", "GET /status/404",
	"GET /status/500", "DELETE /any/x", "GET /bytes/1024"}

// load runs loadclient and returns its own count.
func (l *lab) load(t testing.TB, addr string, args ...string) load.Result {
	t.Helper()
	args = append([]string{"-addr", addr, "-mix", strings.Join(mix, ",")}, args...)
	cmd := exec.Command(l.Path("loadclient"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("loadclient: %v", err)
	}
	var res load.Result
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	return res
}
