// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// produced is how many records the Produce requests of one role held.
func produced(events []harness.Event, role string) (records int) {
	for i := range events {
		e := &events[i]
		if e.Type == "request" && e.Role == role && e.Attributes.Text("sonde.messaging.command") == "Produce" {
			n, _ := e.Attributes.All["messaging.batch.message_count"].(float64)
			records += int(n)
		}
	}
	return records
}

// sameAtBothEnds checks that each kind of request was seen by the server as often as by the client, and that there are some.
func sameAtBothEnds(t *testing.T, events []harness.Event) {
	t.Helper()
	got, want := harness.CountBy(events, brokerKeys...), harness.Tally{}
	for line, n := range got {
		if kind, found := strings.CutPrefix(line, "client "); found {
			want.Both(n, kind)
		}
	}
	if d := harness.DiffTally(want, got); d != "" || len(got) == 0 {
		t.Errorf("the two ends differ: %s", d)
	}
}

// TestKafkaRecordsAreCounted lets librdkafka decide how many records it sends together, and how many requests it has under way.
func TestKafkaRecordsAreCounted(t *testing.T) {
	l := newLab(t)
	s, err := l.StartKafka()
	if errors.Is(err, apps.ErrNotBuilt) {
		t.Skip(err)
	}
	started(t, s, err)
	ob := l.observe(t, s.Port)
	const n = 500
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "secret %d\n", i)
	}
	runWith(t, lines.String(), "kcat", "-b", s.Addr, "-P", "-t", "orders", "-X", "linger.ms=1", "-X", "batch.num.messages=10")
	if out := run(t, "kcat", "-b", s.Addr, "-C", "-t", "orders", "-p", "0", "-c", fmt.Sprint(n), "-e", "-q", "-u"); strings.Count(out, "\n") != n {
		t.Fatalf("consumed %d records:\n%.300s", strings.Count(out, "\n"), out)
	}
	ob.Await(1<<30, func(e *harness.Event) bool { return e.Type == "request" && ob.ours(e) }) // until no more come
	events := ob.end()
	for _, role := range []string{"client", "server"} {
		if sent := produced(events, role); sent != n {
			t.Errorf("%s: %d records in Produce requests, %d were sent", role, sent, n)
		}
	}
	sameAtBothEnds(t, events)
	got := harness.CountBy(events, brokerKeys...)
	for line := range got {
		// A consumer leaves while it waits for more.
		if !strings.Contains(line, " ok ") && !strings.Contains(line, "incomplete/connection_closed Fetch poll orders") {
			t.Error(line)
		}
	}
	if got["client ok Produce send orders"] < n/10 || got["client ok Fetch poll orders"] == 0 || got["client ok ListOffsets orders"] == 0 {
		t.Error(got)
	}
	named(t, events, "kafkaserver")
}
