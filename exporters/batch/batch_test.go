// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/agent/model"
)

// kept is what a sink of bytes was given: batches of groups, copied.
type kept struct {
	mu      sync.Mutex
	batches [][]Group
	answer  func(n int, groups []*Group) Result // nil takes everything
	gate    chan struct{}                       // Send waits for it, nil for no wait
}

func (k *kept) Send(ctx context.Context, groups []*Group) Result {
	if k.gate != nil {
		select {
		case <-k.gate:
		case <-ctx.Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var copied []Group
	for _, g := range groups {
		copied = append(copied, Group{g.Process, bytes.Clone(g.Bytes), append([]int(nil), g.Ends...)})
	}
	k.batches = append(k.batches, copied)
	if k.answer != nil {
		return k.answer(len(k.batches)-1, groups)
	}
	return Result{Sent: Spans(groups)}
}

// encodePath makes of a span its path: tests choose its size.
func encodePath(b []byte, r *model.Request) []byte { return append(b, r.HTTP.Path...) }

func span(path string) *model.Request { return &model.Request{HTTP: &model.HTTP{Path: path}} }

func config(edit func(c *Config)) Config {
	c := Default()
	c.Delay, c.RetryFirst, c.RetryMost, c.Flush = time.Hour, time.Millisecond, 2*time.Millisecond, time.Second
	edit(&c)
	return c
}

// run starts the queue; the returned function ends it and holds the counts against each other.
func run(t *testing.T, q *Queue) (stop func() Stats) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	return func() Stats {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s := q.Stats()
		n := s.Exported
		for _, d := range s.Dropped {
			n += d
		}
		if s.Added != n || s.Queued != 0 || s.QueuedBytes != 0 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
		return s
	}
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("waited for %s", what)
}

func TestBatchEndsWithItsNumberOfSpans(t *testing.T) {
	k := &kept{}
	q := New(config(func(c *Config) { c.BatchSpans = 3 }), encodePath, k, nil)
	stop := run(t, q)
	a, b := &model.Process{PID: 1}, &model.Process{PID: 2}
	for i, p := range []*model.Process{a, b, a, nil, a} {
		q.Add(p, span(strings.Repeat("x", i+1)))
	}
	stop()
	if len(k.batches) != 2 || len(k.batches[0]) != 2 || len(k.batches[1]) != 2 {
		t.Fatalf("%v", k.batches)
	}
	first := k.batches[0][0]
	if first.Process != a || string(first.Bytes) != "xxxx" || len(first.Ends) != 2 || first.Ends[0] != 1 || first.Ends[1] != 4 {
		t.Errorf("%+v", first)
	}
	if k.batches[1][0].Process != nil || k.batches[1][1].Process != a {
		t.Errorf("%+v", k.batches[1])
	}
}

func TestBatchEndsWithItsBytesAndByTime(t *testing.T) {
	k := &kept{}
	q := New(config(func(c *Config) { c.BatchBytes, c.Delay = 10, 100*time.Millisecond }), encodePath, k, nil)
	stop := run(t, q)
	q.Add(nil, span("123456"))
	q.Add(nil, span("7890"))
	q.Add(nil, span("1"))
	waitFor(t, "the second batch", func() bool { return q.Stats().Exported == 3 })
	stop()
	if len(k.batches) != 2 || string(k.batches[0][0].Bytes) != "1234567890" {
		t.Errorf("%v", k.batches)
	}
}

func TestSpanLargerThanABatchIsDroppedAlone(t *testing.T) {
	k := &kept{}
	q := New(config(func(c *Config) { c.BatchBytes = 4 }), encodePath, k, nil)
	stop := run(t, q)
	q.Add(&model.Process{}, span("12345"))
	q.Add(nil, span("1"))
	q.Add(nil, span("12345"))
	q.Add(nil, span("2"))
	if s := stop(); s.Dropped[TooLarge] != 2 || s.Exported != 2 {
		t.Errorf("%+v", s)
	}
	if len(k.batches) != 1 || len(k.batches[0]) != 1 || string(k.batches[0][0].Bytes) != "12" {
		t.Errorf("%v", k.batches)
	}
}

func TestQueueIsBoundedBySpansAndByBytes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		edit   func(c *Config)
		queued int
	}{
		{"spans", func(c *Config) { c.Spans, c.BatchSpans = 10, 4 }, 10},
		{"bytes", func(c *Config) { c.Bytes, c.BatchBytes = 50, 20 }, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := &kept{gate: make(chan struct{})}
			q := New(config(tt.edit), encodePath, k, nil)
			stop := run(t, q)
			for range 100 {
				q.Add(nil, span("12345"))
			}
			s := q.Stats()
			if s.Queued != tt.queued || s.Dropped[QueueFull] != uint64(100-tt.queued) {
				t.Errorf("%+v", s)
			}
			waitFor(t, "a batch in flight", func() bool { return q.Stats().InFlight == 4 })
			close(k.gate)
			waitFor(t, "room", func() bool { return q.Stats().Queued < tt.queued })
			q.Add(nil, span("12345"))
			if s := stop(); s.Exported != uint64(tt.queued+1) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRestIsSentAgainAndNothingElse(t *testing.T) {
	k := &kept{answer: func(n int, groups []*Group) Result {
		if n < 2 {
			return Result{Sent: groups[0].Spans(), Rest: groups[1:], Err: errors.New("busy")}
		}
		r := Result{}
		r.Dropped[Rejected] = Spans(groups)
		return r
	}}
	q := New(config(func(*Config) {}), encodePath, k, nil)
	stop := run(t, q)
	for i := range 3 {
		q.Add(&model.Process{PID: uint32(i)}, span("x"))
	}
	s := stop()
	if len(k.batches) != 3 || len(k.batches[0]) != 3 || len(k.batches[1]) != 2 || len(k.batches[2]) != 1 {
		t.Fatalf("%v", k.batches)
	}
	if s.Exported != 2 || s.Dropped[Rejected] != 1 || s.Retries != 2 || s.Batches != 1 {
		t.Errorf("%+v", s)
	}
}

func TestBatchThatHasNoTimeLeftIsDropped(t *testing.T) {
	k := &kept{answer: func(_ int, groups []*Group) Result { return Result{Rest: groups, After: time.Hour} }}
	q := New(config(func(c *Config) { c.Timeout, c.BatchSpans = 30*time.Millisecond, 1 }), encodePath, k, nil)
	stop := run(t, q)
	q.Add(nil, span("x"))
	waitFor(t, "the drop", func() bool { return q.Stats().Dropped[Failed] == 1 })
	if stop(); len(k.batches) != 1 {
		t.Errorf("asked %d times", len(k.batches))
	}
}

func TestErrorsAreLoggedRarely(t *testing.T) {
	var out bytes.Buffer
	l := errorLog{logger: slog.New(slog.NewTextHandler(&out, nil))}
	for range 50 {
		l.write(errors.New("refused"))
	}
	l.written = l.written.Add(-logInterval)
	l.write(errors.New("refused"))
	if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), "more_errors=49") {
		t.Errorf("%s", out.String())
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for _, edit := range []func(c *Config){
		func(c *Config) { c.Spans = 0 }, func(c *Config) { c.BatchBytes = -1 }, func(c *Config) { c.Timeout = 0 },
		func(c *Config) { c.RetryMost = c.RetryFirst - 1 },
	} {
		if c := config(edit); c.Validate() == nil {
			t.Errorf("%+v", c)
		}
	}
	c := config(func(c *Config) { c.Spans, c.Bytes = 100, 1000 })
	if err := c.Validate(); err != nil || c.BatchSpans != 100 || c.BatchBytes != 1000 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWantedAreSampledOrKeptSpans(t *testing.T) {
	for _, tt := range []struct {
		name string
		span model.Span
		want bool
	}{
		{"sampled", model.Span{Sampled: true}, true},
		{"kept", model.Span{Kept: "error"}, true},
		{"neither", model.Span{}, false},
		{"silenced", model.Span{Sampled: true, Silenced: true}, false},
	} {
		r := &model.Request{Span: tt.span}
		r.Span.TraceID[0], r.Span.SpanID[0] = 1, 1
		if got := Wanted(r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
