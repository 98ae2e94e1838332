// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// interop are the cases of gRPC's interoperability tests. The one whose deadline may pass before anything is sent stands last.
const interop = "empty_unary,large_unary,client_streaming,server_streaming,ping_pong,empty_stream,status_code_and_message," +
	"special_status_message,unimplemented_method,unimplemented_service,cancel_after_begin,cancel_after_first_response," +
	"custom_metadata,timeout_on_sleeping_server"

// Status codes of gRPC that the cases end with.
const (
	callCancelled     = 1
	callLate          = 4
	callUnimplemented = 12
)

var statusNames = map[int]string{0: "OK", callCancelled: "CANCELLED", 2: "UNKNOWN", callLate: "DEADLINE_EXCEEDED", callUnimplemented: "UNIMPLEMENTED"}

// call is what the client says of a call.
type call struct {
	Method     string `json:"method"`
	Status     int    `json:"status"`
	Message    string `json:"message"`
	Begun      bool   `json:"begun"`
	Sent       int    `json:"sent"`
	Received   int    `json:"received"`
	DurationNS int64  `json:"duration_ns"`
}

// line is what sonde says of it at one end.
func (c call) line(role string) string {
	outcome, failure := "ok", ""
	if c.Status != 0 && (role == "client" || c.Status != callCancelled) {
		outcome, failure = "error", statusNames[c.Status]
	}
	return callLine(role, outcome, c.Method, statusNames[c.Status], failure, strconv.Itoa(c.Sent), strconv.Itoa(c.Received), c.Message)
}

// callLine leaves out what is not decided. Who refuses a method or meets a deadline need not wait for messages; what a client
// says to itself when it gives up is not on the wire.
func callLine(role, outcome, method, status, failure, sent, received, message string) string {
	switch status {
	case "UNIMPLEMENTED":
		sent = "?"
	case "CANCELLED":
		message = ""
	case "DEADLINE_EXCEEDED":
		sent, message = "?", ""
	}
	return strings.Join([]string{role, outcome, method, status, failure, sent, received, strconv.Quote(message)}, " ")
}

// lineOf is the same of a request that sonde reported.
func lineOf(e *harness.Event) string {
	if e.Reason != "" {
		return e.Line("rpc.method") + " incomplete"
	}
	a := &e.Attributes
	line := callLine(e.Role, e.Outcome, a.Text("rpc.method"), a.Text("rpc.response.status_code"), a.Text("error.type"),
		a.Text("sonde.rpc.request.messages"), a.Text("sonde.rpc.response.messages"), a.Text("sonde.rpc.status_message"))
	return line + a.Text("sonde.rpc.messages_uncounted")
}

func (l *lab) grpcServer(t testing.TB, host string, wrap ...string) *apps.Server {
	t.Helper()
	s, err := l.Wrapped(wrap...).StartGRPC(host)
	return started(t, s, err)
}

// calls runs the client, started through wrap, and returns what it says of its calls.
func (l *lab) calls(t testing.TB, wrap []string, s *apps.Server, args ...string) []call {
	t.Helper()
	argv := append(append(slices.Clone(wrap), l.Path("grpc/client"), "-addr", s.Addr), args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the client of gRPC: %v", err)
	}
	var calls []call
	for line := range bytes.Lines(out) {
		var c call
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	return calls
}

// expectCalls finishes the observation and fails the test where it is not what the client says.
func (ob *observation) expectCalls(calls []call) []harness.Event {
	ob.t.Helper()
	want, got := harness.Tally{}, harness.Tally{}
	for _, c := range calls {
		if c.Begun {
			want[c.line("client")]++
			want[c.line("server")]++
		}
	}
	events := ob.finish(want.Total())
	for i := range events {
		if events[i].Type == "request" {
			got[lineOf(&events[i])]++
		}
	}
	if d := harness.DiffTally(want, got); d != "" {
		ob.t.Error(d)
	}
	return events
}

func TestEveryCallOfGRPCIsSeenAtBothEnds(t *testing.T) {
	l := newLab(t)
	for _, host := range hosts {
		for _, conns := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d connections", host, conns), func(t *testing.T) {
				s := l.grpcServer(t, host)
				ob := l.observe(t, s.Port)
				calls := l.calls(t, nil, s, "-conns", strconv.Itoa(conns), "-times", "5", "-cases", interop)
				if want := conns * 5 * 16; len(calls) != want { // two of the fourteen cases make two calls
					t.Fatalf("the client made %d calls, want %d", len(calls), want)
				}
				events := ob.expectCalls(calls)
				named(t, events, s.Name())
				checkDeadlines(t, events)
			})
		}
	}
}

// checkDeadlines holds the deadline of the one case that has one of its own and enough time to send all of it.
func checkDeadlines(t *testing.T, events []harness.Event) {
	t.Helper()
	for i := range events {
		e := &events[i]
		if e.Type != "request" || !strings.Contains(e.Attributes.Text("sonde.rpc.status_message"), "non-BMP") {
			continue
		}
		us, _ := strconv.ParseFloat(e.Attributes.Text("sonde.rpc.timeout_us"), 64)
		if us < 5e6 || us > 10e6 {
			t.Errorf("a deadline of %v us, the client gave it 10 s: %v", us, e)
		}
	}
}

func TestThousandsOfCallsSideBySideAreCounted(t *testing.T) {
	l := newLab(t)
	for _, streams := range []int{8, 100} {
		t.Run(fmt.Sprintf("%d streams", streams), func(t *testing.T) {
			wrap := together(t)
			s := l.grpcServer(t, "127.0.0.1", wrap...)
			ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
			calls := l.calls(t, wrap, s, "-conns", "2", "-streams", strconv.Itoa(streams), "-calls", "5000")
			if len(calls) != 10_000 {
				t.Fatalf("the client made %d calls", len(calls))
			}
			ob.expectCalls(calls)
		})
	}
}

func TestCallsLastAsLongAsTheirClientMeasures(t *testing.T) {
	l := newLab(t)
	s := l.grpcServer(t, "127.0.0.1")
	for name, args := range map[string][]string{"quick": {"-calls", "500"}, "slow": {"-times", "30", "-cases", "slow_answer"}} {
		t.Run(name, func(t *testing.T) {
			ob := l.observe(t, s.Port)
			calls := l.calls(t, nil, s, args...)
			var measured []time.Duration
			for _, c := range calls {
				measured = append(measured, time.Duration(c.DurationNS))
			}
			// The first call waits for its connection, which is not part of the request.
			agree(t, measured[1:], withoutFirst(ob.expectCalls(calls)), func(*harness.Event) bool { return true })
		})
	}
}

// withoutFirst leaves out the client's first request.
func withoutFirst(events []harness.Event) []harness.Event {
	first := -1
	for i := range events {
		e := &events[i]
		if e.Type == "request" && e.Role == "client" && (first < 0 || e.Time.Before(events[first].Time)) {
			first = i
		}
	}
	if first < 0 {
		return events
	}
	return append(events[:first:first], events[first+1:]...)
}

// TestCallsOfAnOlderConnection joins a connection in the middle: what was said once, before, is unknown. Nothing may be wrong.
func TestCallsOfAnOlderConnectionAreRightOrUnknown(t *testing.T) {
	l := newLab(t)
	s := l.grpcServer(t, "127.0.0.1")
	c := exec.Command(l.Path("grpc/client"), "-addr", s.Addr, "-conns", "2", "-streams", "8", "-calls", "100000000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = c.Process.Kill(); _ = c.Wait() }
	defer kill()
	time.Sleep(300 * time.Millisecond)
	ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
	time.Sleep(500 * time.Millisecond)
	kill()
	time.Sleep(500 * time.Millisecond)
	got := harness.Tally{}
	wrong := 0
	for _, e := range ob.end() {
		if e.Type != "request" {
			continue
		}
		a := &e.Attributes
		got[e.Role+" "+e.Protocol]++
		method, status := a.Text("rpc.method"), a.Text("rpc.response.status_code")
		right := e.Protocol == "grpc" && (method == "" || method == "grpc.testing.TestService/UnaryCall") && e.Outcome != "error" &&
			(status == "OK" || e.Outcome == "incomplete")
		// A client that dies between HEADERS and DATA leaves a request that nothing tells to be a call: content-type and path are
		// fields from before. At most one a stream can end so.
		headOnly := e.Protocol == "http" && e.Outcome == "incomplete" && a.Text("url.path") == "" && a.Text("http.response.status_code") == ""
		if !right && !headOnly {
			if wrong++; wrong < 10 {
				t.Errorf("never sent: %v %v", &e, a.All)
			}
		}
	}
	t.Logf("%v", got)
	for _, role := range []string{"client", "server"} {
		if n := got[role+" grpc"]; n < 100 {
			t.Errorf("%s: %d calls in half a second", role, n)
		}
		if n := got[role+" http"]; n > 16 {
			t.Errorf("%s: %d requests of 16 streams were not told to be calls", role, n)
		}
	}
}
