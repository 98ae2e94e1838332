// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bufio"
	"io"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// What a request to a broker is counted by.
var brokerKeys = []string{"sonde.messaging.command", "messaging.operation.name", "messaging.destination.name", "sonde.mqtt.qos", "error.type"}

func TestMQTTPublicationsOfEachQualityAreCounted(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Mosquitto)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/mqtt_steps.py", s)
	c.step("publish 50 0 shop/orders")
	once, exactly := c.step("publish 200 1 shop/orders"), c.step("publish 200 2 shop/orders")
	c.step("subscribe shop/# 2")
	c.step("publish 10 0 shop/back")
	c.step("publish 11 1 shop/back")
	c.step("publish 12 2 shop/back")
	c.step("messages 33")
	c.step("close")
	c.close()
	want := harness.Tally{}
	want.Both(1, "ok CONNECT")
	want.Both(50, "ok PUBLISH publish shop/orders 0")
	want.Both(200, "ok PUBLISH publish shop/orders 1")
	want.Both(200, "ok PUBLISH publish shop/orders 2")
	want.Both(1, "ok SUBSCRIBE shop/#")
	for _, operation := range []string{"publish", "receive"} {
		want.Both(10, "ok PUBLISH "+operation+" shop/back 0")
		want.Both(11, "ok PUBLISH "+operation+" shop/back 1")
		want.Both(12, "ok PUBLISH "+operation+" shop/back 2")
	}
	want.Both(1, "ok DISCONNECT")
	events := ob.expectTally(want, brokerKeys...)
	agree(t, once, events, with("sonde.mqtt.qos", "1", "messaging.destination.name", "shop/orders"))
	agree(t, exactly, events, with("sonde.mqtt.qos", "2", "messaging.destination.name", "shop/orders"))
	named(t, events, "mosquitto")
}

func TestMosquittoClientsPublishAndSubscribe(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.Mosquitto)
	ob := l.observe(t, s.Port)
	want := harness.Tally{}
	for qos, n := range []int{20, 21, 22} {
		level := strconv.Itoa(qos)
		subscriber := subscribe(t, s, "-q", level, "-C", strconv.Itoa(n))
		run(t, "mosquitto_pub", "-p", strconv.Itoa(s.Port), "-t", "shop/orders", "-q", level, "-m", "secret", "--repeat", strconv.Itoa(n))
		if err := subscriber.Wait(); err != nil {
			t.Error(err)
		}
		want.Both(2, "ok CONNECT")
		want.Both(1, "ok SUBSCRIBE shop/orders")
		want.Both(n, "ok PUBLISH publish shop/orders "+level)
		want.Both(n, "ok PUBLISH receive shop/orders "+level)
		want.Both(2, "ok DISCONNECT")
	}
	ob.expectTally(want, brokerKeys...)
}

// subscribe starts mosquitto_sub and returns when the broker has acknowledged its subscription.
func subscribe(t testing.TB, s *apps.Server, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("stdbuf", append([]string{"-oL", "mosquitto_sub", "-d", "-p", strconv.Itoa(s.Port), "-t", "shop/orders", "-W", "30"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Subscribed") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return cmd
		}
	}
	t.Fatal("mosquitto_sub ended before it had subscribed")
	return nil
}

// TestBrokersJoinedInTheMiddle has the clients connected and at work when sonde starts.
func TestBrokersJoinedInTheMiddle(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		kind   apps.Kind
		script string
		before []string
		steps  []string
		want   map[string]int
	}{
		{apps.Mosquitto, "python/mqtt_steps.py", []string{"publish 3 1 shop/orders"},
			[]string{"publish 20 1 shop/orders", "publish 21 2 shop/orders", "publish 22 0 shop/orders"},
			map[string]int{"ok PUBLISH publish shop/orders 1": 20, "ok PUBLISH publish shop/orders 2": 21, "ok PUBLISH publish shop/orders 0": 22}},
		{apps.NATS, "python/nats.py", []string{"serve", "ping 2"}, []string{"publish 20", "request 10"},
			map[string]int{"ok PUB publish shop.orders": 20, "ok PUB publish shop.price": 10, "ok MSG process shop.price": 10}},
		// That the channel confirms is seen with the first confirmation; which number is whose is not known, and stays so.
		{apps.RabbitMQ, "python/rabbit.py", []string{"declare", "confirmed 2"}, []string{"confirmed 20", "publish 10", "get 32"},
			map[string]int{"ok basic.publish publish orders": 11, "incomplete/lost basic.publish publish orders lost": 19,
				"ok basic.get receive orders": 32}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := l.backend(t, c.kind)
			client := l.steps(t, c.script, s)
			for _, step := range c.before {
				client.step(step)
			}
			ob := l.observe(t, s.Port)
			for _, step := range c.steps {
				client.step(step)
			}
			want := harness.Tally{}
			for line, n := range c.want {
				want.Both(n, line)
			}
			events := ob.finish(want.Total())
			if d := harness.DiffTally(want, ownOnly(harness.CountBy(events, brokerKeys...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNATSRequestsFindTheirReplies(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.NATS)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/nats.py", s)
	c.step("serve")
	requests := c.step("request 200")
	c.step("publish 100")
	c.step("consume 50")
	c.step("error")
	c.close()
	want := harness.Tally{}
	want.Both(2, "ok INFO")
	want.Both(2, "ok CONNECT")
	want.Both(1, "ok SUB shop.price")
	want.Both(1, "ok SUB _INBOX.client.*")
	want.Both(200, "ok PUB publish shop.price")
	want.Both(200, "ok MSG process shop.price")
	want.Both(150, "ok PUB publish shop.orders")
	want.Both(1, "ok SUB shop.orders")
	want.Both(50, "ok MSG receive shop.orders")
	want.Both(1, "error -ERR unknown_protocol_operation")
	events := ob.finish(want.Total())
	if d := harness.DiffTally(want, ownOnly(harness.CountBy(events, brokerKeys...))); d != "" {
		t.Error(d)
	}
	agree(t, requests, events, with("sonde.messaging.command", "PUB", "messaging.destination.name", "shop.price"))
	named(t, events, "nats-server")
}

// ownOnly leaves out the PINGs of NATS: the server asks too, some seconds after a connection began.
func ownOnly(t harness.Tally) harness.Tally {
	maps.DeleteFunc(t, func(line string, _ int) bool { return strings.Contains(line, " PING") })
	return t
}

func TestRabbitMQMessagesAreCountedWithWhatSettlesThem(t *testing.T) {
	l := newLab(t)
	s := l.backend(t, apps.RabbitMQ)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/rabbit.py", s)
	c.step("declare")
	confirmed := c.step("confirmed 200")
	c.step("publish 30")
	gotten := c.step("get 200")
	c.step("consume 30")
	c.step("empty")
	c.step("missing")
	c.step("close")
	c.close()
	want := harness.Tally{}
	for _, once := range []string{"connection.start", "connection.tune", "connection.open", "confirm.select", "queue.declare orders",
		"basic.consume orders", "basic.cancel orders", "connection.close"} {
		want.Both(1, "ok "+once)
	}
	want.Both(2, "ok channel.open")
	want.Both(2, "ok channel.close")
	want.Both(230, "ok basic.publish publish orders")
	want.Both(201, "ok basic.get receive orders") // the last one of an empty queue
	want.Both(30, "ok basic.deliver receive orders")
	want.Both(1, "error queue.declare nowhere NOT_FOUND")
	events := ob.expectTally(want, brokerKeys...)
	agree(t, confirmed, events, with("sonde.messaging.command", "basic.publish", "messaging.message.body.size", "600"))
	agree(t, gotten, events, with("sonde.messaging.command", "basic.get", "messaging.message.body.size", "600"))
	named(t, events, "beam.smp")
}
