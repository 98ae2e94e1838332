// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// agreement is how far the median of sonde's durations may be below that of what the client measured.
const agreement = time.Millisecond

// backend starts a server of another protocol than HTTP.
func (l *lab) backend(t testing.TB, kind apps.Kind) *apps.Server {
	t.Helper()
	s, err := l.StartBackend(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.StopBackend)
	return s
}

// stepper is a client that a test tells what to do.
type stepper struct {
	*apps.Client
	t testing.TB
}

// steps starts a client of testbed/apps, which is connected once its first step is answered.
func (l *lab) steps(t testing.TB, name string, s *apps.Server, args ...string) stepper {
	t.Helper()
	c, err := l.StartSteps(name, append([]string{strconv.Itoa(s.Port)}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return stepper{c, t}
}

func (c stepper) step(line string) []time.Duration {
	c.t.Helper()
	took, err := c.Step(line)
	if err != nil {
		c.t.Fatal(err)
	}
	return took
}

func (c stepper) close() {
	c.t.Helper()
	if err := c.Close(); err != nil {
		c.t.Error(err)
	}
}

// run runs a command to its end and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return runWith(t, "", name, args...)
}

// runWith is run with a standard input.
func runWith(t testing.TB, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// expectTally finishes the observation and fails the test where its requests, by the given attributes, are not exactly want.
func (ob *observation) expectTally(want harness.Tally, keys ...string) []harness.Event {
	ob.t.Helper()
	events := ob.finish(want.Total())
	if d := harness.DiffTally(want, harness.CountBy(events, keys...)); d != "" {
		ob.t.Error(d)
		for i := range events {
			if events[i].Type == "lost" {
				ob.t.Log(&events[i])
			}
		}
	}
	return events
}

// agree compares the durations of the client's own requests that pick picks with what the client measured around its calls:
// never more, and in the median little less.
func agree(t testing.TB, measured []time.Duration, events []harness.Event, pick func(*harness.Event) bool) {
	t.Helper()
	var picked []harness.Event
	for i := range events {
		if e := &events[i]; e.Type == "request" && e.Role == "client" && pick(e) {
			picked = append(picked, *e)
		}
	}
	sonde := inOrder(picked, "client")
	if len(sonde) != len(measured) || len(sonde) == 0 {
		t.Errorf("%d durations to compare, the client measured %d", len(sonde), len(measured))
		return
	}
	less := make([]time.Duration, len(sonde))
	for i := range sonde {
		if less[i] = measured[i] - sonde[i]; less[i] < 0 {
			t.Errorf("request %d: the client measured %v, sonde %v", i, measured[i], sonde[i])
		}
	}
	slices.Sort(less)
	t.Logf("%d requests: client's measure minus sonde's: least %v, median %v, most %v", len(less), less[0], less[len(less)/2], less[len(less)-1])
	if less[len(less)/2] >= agreement {
		t.Errorf("the client measured %v more than sonde in the median, want less than %v", less[len(less)/2], agreement)
	}
}

// with picks requests by the values of attributes: key, value, key, value.
func with(pairs ...string) func(*harness.Event) bool {
	return func(e *harness.Event) bool {
		for i := 0; i < len(pairs); i += 2 {
			if e.Attributes.Text(pairs[i]) != pairs[i+1] {
				return false
			}
		}
		return true
	}
}

// numberedKey picks the requests whose text is prefix and a number below n, with what the sanitizer leaves of a value behind it.
func numberedKey(prefix string, n int) func(*harness.Event) bool {
	return func(e *harness.Event) bool {
		rest, found := strings.CutPrefix(e.Attributes.Text("db.query.text"), prefix)
		i, err := strconv.Atoi(strings.TrimRight(rest, " ?"))
		return found && err == nil && i < n
	}
}

// named checks that both processes of every request are known.
func named(t testing.TB, events []harness.Event, server string) {
	t.Helper()
	for i := range events {
		e := &events[i]
		if e.Type == "request" && (e.Server.Process != server && e.Role == "server" || e.Client.PID == 0 && e.Role == "client") {
			t.Errorf("processes: %s", e)
			return
		}
	}
}
