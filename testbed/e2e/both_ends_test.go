// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// sameCall is what both ends of a connection say of a call; calls that are alike on it are told apart by their order.
type sameCall struct {
	port   int // of the client
	what   string
	number int
}

// callEnds sorts the requests of each role by call. The PINGs of NATS are left out: both sides ask, and look the same.
func callEnds(events []harness.Event, role string) map[sameCall]*harness.Event {
	var own []*harness.Event
	for i := range events {
		if e := &events[i]; e.Type == "request" && e.Role == role && e.Attributes.Text("sonde.messaging.command") != "PING" {
			own = append(own, e)
		}
	}
	slices.SortStableFunc(own, func(a, b *harness.Event) int { return a.Time.Compare(b.Time) })
	calls := map[sameCall]*harness.Event{}
	for _, e := range own {
		what := make([]string, 0, 12)
		for _, key := range slices.Concat(sqlKeys[:2], cacheKeys[:2], brokerKeys[:4]) {
			what = append(what, e.Attributes.Text(key))
		}
		c := sameCall{port: e.Client.Port, what: strings.Join(what, " ")}
		for calls[c] != nil {
			c.number++
		}
		calls[c] = e
	}
	return calls
}

// joined counts the calls whose two ends are parent and child, and fails the test for each that is anything else.
func joined(t *testing.T, events []harness.Event) (right, none int) {
	t.Helper()
	clients, servers := callEnds(events, "client"), callEnds(events, "server")
	if len(clients) != len(servers) || len(clients) == 0 {
		t.Errorf("%d calls at their clients, %d at the server", len(clients), len(servers))
	}
	for call, child := range servers {
		parent := clients[call]
		if parent == nil {
			t.Errorf("%+v was not seen at its client", call)
			continue
		}
		if child.Time.Before(parent.Time) { // the server sent it, unasked
			child, parent = parent, child
		}
		switch {
		case parent.ParentID != "":
			t.Errorf("%+v: a root has a parent, by %q", call, parent.Evidence)
		case child.ParentID == "":
			if none++; none <= 5 {
				t.Logf("%+v: the ends are apart: %v", call, child)
			}
		case child.ParentID != parent.SpanID || child.TraceID != parent.TraceID:
			t.Errorf("%+v: wrong parent, by %q", call, child.Evidence)
		default:
			right++
		}
	}
	return right, none
}

// TestBothEndsOfACallAreOneTrace has clients and servers of each protocol on this machine. All that passes between them is seen
// twice, and nobody but the bytes says what belongs together.
func TestBothEndsOfACallAreOneTrace(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		kind   apps.Kind
		script string
		steps  []string
	}{
		{apps.PostgreSQL, "python/pg.py", []string{"simple 50", "prepared 50", "extended 10", "pipelined 20", "transaction 3", "copy 100", "errors 4"}},
		{apps.MariaDB, "python/my.py", []string{"selects 50", "insert 10", "multi 5", "errors 4", "ping 7", "close"}},
		{apps.Redis, "python/redis_steps.py", []string{"set 50", "get 50", "transaction 10", "errors 7", "large 200000"}},
		{apps.Memcached, "python/memcached.py", []string{"store 50", "get 50", "multiget 5", "quiet 20", "pipelined 20", "large 200000", "errors 3"}},
		{apps.Mosquitto, "python/mqtt_steps.py", []string{"publish 20 0 shop/orders", "publish 20 1 shop/orders", "publish 20 2 shop/orders",
			"subscribe shop/# 2", "publish 10 0 shop/back", "publish 11 1 shop/back", "publish 12 2 shop/back", "messages 33", "close"}},
		{apps.NATS, "python/nats.py", []string{"serve", "request 50", "publish 50", "consume 20"}},
		{apps.RabbitMQ, "python/rabbit.py", []string{"declare", "confirmed 50", "publish 30", "get 50", "consume 30", "empty", "missing", "close"}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			var s *apps.Server
			switch c.kind {
			case apps.PostgreSQL:
				s = l.postgres(t)
			case apps.MariaDB:
				s = l.mariadb(t)
			default:
				s = l.backend(t, c.kind)
			}
			ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
			client := l.steps(t, c.script, s)
			for _, step := range c.steps {
				client.step(step)
			}
			client.close()
			expectJoined(t, ob)
		})
	}
}

func TestBothEndsOfKafkaAreOneTrace(t *testing.T) {
	l := newLab(t)
	s, err := l.StartKafka()
	if errors.Is(err, apps.ErrNotBuilt) {
		t.Skip(err)
	}
	started(t, s, err)
	ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
	runWith(t, strings.Repeat("secret\n", 100), "kcat", "-b", s.Addr, "-P", "-t", "orders", "-X", "linger.ms=1", "-X", "batch.num.messages=10")
	run(t, "kcat", "-b", s.Addr, "-C", "-t", "orders", "-p", "0", "-c", "100", "-e", "-q", "-u")
	expectJoined(t, ob)
}

// expectJoined finishes an observation, of which every call is to be one trace.
func expectJoined(t *testing.T, ob *observation) {
	t.Helper()
	ob.Await(1<<30, func(e *harness.Event) bool { return e.Type == "request" && ob.ours(e) }) // until no more come
	right, none := joined(t, ob.end())
	if t.Logf("%d of %d calls are joined", right, right+none); none > 0 {
		t.Errorf("%d calls have their ends in two traces", none)
	}
}

// TestCallsThatAreNotJoinedAreFound shows that ends which belong to different calls, or to none, are noticed.
func TestCallsThatAreNotJoinedAreFound(t *testing.T) {
	end := func(role, trace, span, parent string) harness.Event {
		e := harness.Event{Type: "request", Role: role, TraceID: trace, SpanID: span, ParentID: parent}
		e.Attributes.All = map[string]any{"db.query.text": "GET a"}
		return e
	}
	right, none := joined(t, []harness.Event{
		end("client", "t1", "a", ""), end("client", "t2", "b", ""), end("server", "t1", "c", "a"), end("server", "t3", "d", ""),
	})
	if got := fmt.Sprint(right, none); got != "1 1" {
		t.Errorf("right and apart: %s, want 1 1", got)
	}
}
