// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"net"
	"net/http"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sonde/exporters/batch"
	"sonde/testbed/receiver"
)

// transports are those that can fail in their own ways.
var transports = []struct {
	protocol Protocol
	listen   func(t testing.TB, behave func(n int) verdict) *target
}{
	{GRPC, func(t testing.TB, behave func(n int) verdict) *target { return listenGRPC(t, nil, behave) }},
	{HTTPProtobuf, func(t testing.TB, behave func(n int) verdict) *target { return listenHTTP(t, nil, behave) }},
}

// busy refuses in a way that may be tried again, throttled asks to wait for a time.
var busy, throttled = receiver.Busy, receiver.Throttled

// idsOnce fails for a span that was received twice, and returns how many there were.
func idsOnce(t *testing.T, spans []*tracepb.Span) int {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range spans {
		if id := string(s.SpanId); seen[id] {
			t.Fatalf("span %x was received twice", id)
		} else {
			seen[id] = true
		}
	}
	return len(seen)
}

type failure struct {
	name   string
	behave func(n int) verdict
	fresh  func() func(n int) verdict // makes one that remembers
	config func(c *Config)
	wait   time.Duration // at least until the last span is there

	received int // spans of 100, in ten batches
	dropped  map[batch.Reason]uint64
}

var failures = []failure{
	{name: "503 for some time: sent again until taken", received: 100, behave: func(n int) verdict {
		if n < 3 {
			return busy()
		}
		return verdict{}
	}},
	{name: "429 with a time to wait: sent again after it", received: 100, wait: time.Second, behave: func(n int) verdict {
		if n == 0 {
			return throttled(time.Second)
		}
		return verdict{}
	}},
	{name: "partial success: never sent again", received: 100, behave: func(n int) verdict {
		if n == 1 {
			return verdict{Rejected: 4, Message: "no room (really)"}
		}
		return verdict{}
	}, dropped: map[batch.Reason]uint64{batch.Rejected: 4}},
	{name: "success with a warning", received: 100, behave: func(int) verdict { return verdict{Message: "old version"} }},
	{name: "a request that can never be taken: dropped at once", received: 90, behave: func(n int) verdict {
		if n == 2 {
			return verdict{Status: http.StatusBadRequest, Code: status.Error(codes.InvalidArgument, "no")}
		}
		return verdict{}
	}, dropped: map[batch.Reason]uint64{batch.Failed: 10}},
	{name: "RESOURCE_EXHAUSTED without a time, 413: dropped", received: 90, behave: func(n int) verdict {
		if n == 0 {
			return verdict{Status: http.StatusRequestEntityTooLarge, Code: status.Error(codes.ResourceExhausted, "no")}
		}
		return verdict{}
	}, dropped: map[batch.Reason]uint64{batch.Failed: 10}},
	{name: "503 for longer than a batch has: dropped", received: 90, fresh: func() func(int) verdict {
		end := time.Time{}
		return func(int) verdict {
			if end.IsZero() {
				end = time.Now().Add(400 * time.Millisecond)
			}
			if time.Now().Before(end) {
				return busy()
			}
			return verdict{}
		}
	}, config: func(c *Config) { c.Queue.Timeout = 300 * time.Millisecond }, dropped: map[batch.Reason]uint64{batch.Failed: 10}},
	{name: "a receiver that takes spans and hangs: not sent again", received: 100, behave: func(n int) verdict {
		if n == 0 {
			return verdict{Hang: make(chan struct{})}
		}
		return verdict{}
	}, config: func(c *Config) {
		c.Timeout, c.Queue.Timeout = 200*time.Millisecond, time.Minute
	}, dropped: map[batch.Reason]uint64{batch.Unconfirmed: 10}},
	{name: "a receiver that takes spans and breaks the connection: not sent again", received: 100, behave: func(n int) verdict {
		return verdict{Drop: n == 4}
	}, dropped: map[batch.Reason]uint64{batch.Unconfirmed: 10}},
}

func TestEverySpanIsReceivedOnceOrCounted(t *testing.T) {
	for _, tr := range transports {
		for _, f := range failures {
			t.Run(string(tr.protocol)+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				testFailure(t, tr.protocol, tr.listen, f)
			})
		}
	}
}

func testFailure(t *testing.T, protocol Protocol, listen func(testing.TB, func(int) verdict) *target, f failure) {
	if f.fresh != nil {
		f.behave = f.fresh()
	}
	recv := listen(t, f.behave)
	c := testConfig(protocol, recv.url)
	c.Queue.BatchSpans = 10
	if f.config != nil {
		f.config(&c)
	}
	e := start(t, c)
	began := time.Now()
	for i := range 100 {
		e.Request(spanRequest(i, nil))
	}
	waitFor(t, "the queue to be empty", func() bool { return e.Stats().Queued == 0 })
	if took := time.Since(began); took < f.wait {
		t.Errorf("all was sent after %v, want at least %v", took, f.wait)
	}
	s := e.shutdown()
	if got := idsOnce(t, recv.Spans()); got != f.received {
		t.Errorf("%d spans were received, want %d", got, f.received)
	}
	for r := range batch.ReasonCount {
		if s.Dropped[r] != f.dropped[r] {
			t.Errorf("%d were dropped as %v, want %d", s.Dropped[r], r, f.dropped[r])
		}
	}
	if s.Added != 100 {
		t.Errorf("%d were added", s.Added)
	}
}

func TestReceiverThatIsDownLosesNothingThatFitsTheQueue(t *testing.T) {
	for _, tr := range transports {
		t.Run(string(tr.protocol), func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := ln.Addr().String()
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			c := testConfig(tr.protocol, "http://"+address+"/v1/traces")
			c.Queue.BatchSpans, c.Queue.Spans, c.Queue.Timeout = 10, 200, 20*time.Second
			c.Queue.Bytes = 40 << 10
			e := start(t, c)
			highest := 0
			for i := range 1000 {
				e.Request(spanRequest(i, nil))
				highest = max(highest, e.Stats().QueuedBytes)
			}
			time.Sleep(300 * time.Millisecond) // refused many times
			s := e.Stats()
			if highest > c.Queue.Bytes+1000 || s.Queued == 0 || s.Exported != 0 {
				t.Errorf("up to %d bytes queued, %+v", highest, s)
			}
			recv := listenAt(t, tr.protocol, address)
			waitFor(t, "the queue to be empty", func() bool { return e.Stats().Queued == 0 })
			s = e.shutdown()
			if got := idsOnce(t, recv.Spans()); uint64(got) != s.Exported || s.Dropped[batch.QueueFull] != 1000-s.Exported {
				t.Errorf("%d received, %+v", got, s)
			}
		})
	}
}

func TestShutdownDropsAndCountsWhatCannotBeSentInTime(t *testing.T) {
	for _, tr := range transports {
		t.Run(string(tr.protocol), func(t *testing.T) {
			t.Parallel()
			recv := tr.listen(t, func(int) verdict { return busy() })
			c := testConfig(tr.protocol, recv.url)
			c.Queue.BatchSpans, c.Queue.Flush = 10, 300*time.Millisecond
			e := start(t, c)
			for i := range 100 {
				e.Request(spanRequest(i, nil))
			}
			waitFor(t, "a first try", func() bool { return recv.Requests() > 0 })
			began := time.Now()
			s := e.shutdown()
			if took := time.Since(began); took > time.Second {
				t.Errorf("shutdown took %v", took)
			}
			if s.Dropped[batch.Shutdown] != 100 {
				t.Errorf("%+v", s)
			}
			e.Request(spanRequest(101, nil))
			if s := e.Stats(); s.Dropped[batch.Shutdown] != 101 {
				t.Errorf("a span that came later: %+v", s)
			}
		})
	}
}

func TestCaptureGoesOnWhileTheReceiverHangs(t *testing.T) {
	recv := listenHTTP(t, nil, func(int) verdict { return verdict{Hang: make(chan struct{})} })
	c := testConfig(HTTPProtobuf, recv.url)
	c.Queue.Spans, c.Queue.BatchSpans = 1000, 100
	c.Timeout, c.Queue.Flush = time.Minute, 50*time.Millisecond
	e := start(t, c)
	began := time.Now()
	for i := range 100_000 {
		e.Request(spanRequest(i, nil))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("100,000 spans took the pipeline %v", took)
	}
	if s := e.Stats(); s.Queued != 1000 || s.Dropped[batch.QueueFull] != 99_000 {
		t.Errorf("%+v", s)
	}
}

func TestRecordingWaitsForTheReceiver(t *testing.T) {
	recv := listenHTTP(t, nil, nil)
	c := testConfig(HTTPProtobuf, recv.url)
	c.Queue.Spans, c.Queue.BatchSpans, c.Queue.Block = 100, 20, true
	e := start(t, c)
	for i := range 5000 {
		e.Request(spanRequest(i, nil))
	}
	s := e.shutdown()
	if got := idsOnce(t, recv.Spans()); got != 5000 || s.Exported != 5000 {
		t.Errorf("%d received, %+v", got, s)
	}
}
