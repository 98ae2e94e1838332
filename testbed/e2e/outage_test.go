// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/receiver"
)

// mood is a way in which a receiver misbehaves while requests are made.
type mood struct {
	name   string
	behave func(n int) receiver.Verdict
	down   bool

	must, may string // reasons for which spans are dropped, and may be as well
}

// nowAndThen gives the verdict to every fourth request, the second the first.
func nowAndThen(v receiver.Verdict) func(int) receiver.Verdict {
	return func(n int) receiver.Verdict {
		if n%4 == 1 {
			return v
		}
		return receiver.Verdict{}
	}
}

var moods = []mood{
	{name: "well"},
	{name: "503", behave: func(int) receiver.Verdict { return receiver.Busy() }, must: "failed", may: "queue_full"},
	{name: "429, come back in a second", behave: func(n int) receiver.Verdict {
		if n == 0 {
			return receiver.Throttled(time.Second)
		}
		return receiver.Verdict{}
	}},
	{name: "partial success", behave: nowAndThen(receiver.Verdict{Rejected: 3, Message: "no room"}), must: "rejected"},
	{name: "takes spans and hangs", behave: nowAndThen(receiver.Verdict{Hang: make(chan struct{})}), must: "unconfirmed", may: "queue_full"},
	{name: "takes spans and breaks the connection", behave: nowAndThen(receiver.Verdict{Drop: true}), must: "unconfirmed"},
	{name: "down", down: true, must: "queue_full", may: "failed"},
	{name: "well again"},
}

// TestReceiverInAnyMoodGetsNothingTwiceAndLossesAreCounted goes through the moods with one agent, whose queue is small and
// whose patience is short: what a minute is to the queue of default size, seconds are to this one.
func TestReceiverInAnyMoodGetsNothingTwiceAndLossesAreCounted(t *testing.T) {
	l := newLab(t)
	for _, p := range []receiver.Protocol{receiver.GRPC, receiver.HTTP} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			r, metrics, f := listen(t, p), listen(t, p), newFence(t)
			env := append(to(r, p, "OTEL_BSP_MAX_QUEUE_SIZE=5000", "OTEL_BSP_EXPORT_TIMEOUT=2500", usualRing), metricsTo(metrics, p)...)
			d := l.runWith(t, harness.Options{Env: append(env, "OTEL_EXPORTER_OTLP_TIMEOUT=1000"), Args: f.only()})
			o := &outage{t: t, l: l, d: d, r: r, metrics: metrics, f: f, s: l.serverAs(t, f, "moody", apps.Go)}
			for _, m := range moods {
				o.endure(m)
			}
			checkResident(t, d)
			if _, err := d.Stop(); err != nil {
				t.Error(err)
			}
			spansOnce(t, r)
			pointsOnce(t, metrics)
			if got := lastCount(metrics, "http.server.request.duration", "moody"); got != uint64(o.sent) {
				t.Errorf("the last point of metrics counts %d requests, sent %d", got, o.sent)
			}
			conventions(t, r)
			conventions(t, metrics)
		})
	}
}

// outage is an agent, a server that it observes and a receiver that it sends to.
type outage struct {
	t *testing.T
	l *lab
	d *harness.Daemon

	r, metrics *receiver.Receiver
	f          fence
	s          *apps.Server

	sent int // requests
	last account
}

// endure makes requests while the receiver is in a mood, and looks at the accounts when it is over.
func (o *outage) endure(m mood) {
	o.t.Helper()
	began := time.Now()
	o.r.Behave(m.behave)
	o.metrics.Behave(m.behave)
	n := 1200
	if m.down {
		o.r.Down()
		o.metrics.Down()
		n = 3500 // twice as many spans: more than the queue has room for
	}
	o.sent += o.l.loadAs(o.t, o.f, "moody-client", o.s.Addr, "-conns", "8", "-n", strconv.Itoa(n), "-rate", "1500").Total
	checkServed(o.t, o.d, "moody", o.sent) // while the receiver is in its mood: capture goes on
	if m.must != "" {
		o.awaitDropped(m)
	}
	if m.down {
		if err := errors.Join(o.r.Up(), o.metrics.Up()); err != nil {
			o.t.Fatal(err)
		}
	}
	o.r.Behave(nil)
	o.metrics.Behave(nil)
	a := balanced(o.t, o.d, 10*time.Second)
	o.judge(m, a.since(o.last), &a)
	o.last = a
	o.t.Logf("%-40s %5.1f s", m.name, time.Since(began).Seconds())
}

// awaitDropped waits until something was dropped for the reason of the mood.
func (o *outage) awaitDropped(m mood) {
	o.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if accountOf(scrape(o.t, o.d)).since(o.last).dropped[m.must] > 0 {
			return
		}
	}
	o.t.Errorf("%s: nothing was dropped as %s", m.name, m.must)
}

// judge holds what was dropped against the mood, and the account of the daemon against what the receiver has.
func (o *outage) judge(m mood, d account, all *account) {
	o.t.Helper()
	for reason, n := range d.dropped {
		if !strings.Contains(m.must+" "+m.may, reason) {
			o.t.Errorf("%s: %v spans were dropped as %s", m.name, n, reason)
		}
	}
	has := float64(len(o.r.Spans()))
	if want := all.exported + all.dropped["rejected"] + all.dropped["unconfirmed"]; has < want {
		o.t.Errorf("%s: the receiver has %v spans, the daemon says that it sent %v: %+v", m.name, has, want, all)
	}
}
