// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

// shelf keeps what passes the tail sampler, as "trace.span why".
type shelf struct {
	passed []string
	ticks  int
	flows  int
}

func (s *shelf) Request(r *model.Request) {
	s.passed = append(s.passed, strings.TrimSpace(fmt.Sprintf("%d.%d %s", r.Span.TraceID[15], r.Span.SpanID[7], r.Span.Kept)))
}
func (s *shelf) Flow(*model.Flow, model.FlowDelta) { s.flows++ }
func (s *shelf) Lost(*model.Loss)                  { s.flows++ }
func (s *shelf) Tick(time.Duration)                { s.ticks++ }

var meaning = Meaning{
	Failed:     func(r *model.Request) bool { return r.Outcome == model.OutcomeError },
	AppendName: func(b []byte, r *model.Request) []byte { return append(b, r.HTTP.Method...) },
}

func tail(change func(c *Config)) (*Tail, *shelf) {
	c := Default()
	c.Keep = KeepErrors | KeepSlow
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		panic(err)
	}
	s := &shelf{}
	return NewTail(c, meaning, s), s
}

// span is a request of a trace that the head sampler left out; number 1 is the local root.
func span(trace, number byte) *model.Request {
	r := &model.Request{Role: model.RoleClient, HTTP: &model.HTTP{Method: "GET"}, End: time.Millisecond}
	r.Span.TraceID[0], r.Span.TraceID[15], r.Span.SpanID[7] = 1, trace, number
	if number == 1 {
		r.Role = model.RoleServer
	} else {
		r.Span.Parent[7] = 1
	}
	return r
}

func failed(r *model.Request) *model.Request {
	r.Outcome = model.OutcomeError
	return r
}

func passed(t *testing.T, s *shelf, want ...string) {
	t.Helper()
	if !slices.Equal(s.passed, want) {
		t.Errorf("passed %q, want %q", s.passed, want)
	}
	s.passed = nil
}

func TestTailPassesWhatTheHeadChose(t *testing.T) {
	tail, s := tail(nil)
	r := span(1, 1)
	r.Span.Sampled = true
	tail.Request(r)
	tail.Request(&model.Request{}) // of no trace
	tail.Flow(nil, model.FlowDelta{})
	tail.Lost(nil)
	tail.Tick(time.Second)
	passed(t, s, "1.1", "0.0")
	if s.flows != 2 || s.ticks != 1 {
		t.Errorf("%d flows and losses, %d ticks", s.flows, s.ticks)
	}
}

func TestTailKeepsWholeTracesWithAnError(t *testing.T) {
	tail, s := tail(nil)
	tail.Request(span(1, 2))
	tail.Request(span(2, 2))
	tail.Request(failed(span(1, 3)))
	passed(t, s, "1.2 error", "1.3 error")
	tail.Request(span(1, 1))
	tail.Request(span(2, 1))
	passed(t, s, "1.1 error")
	tail.Tick(time.Minute)
	passed(t, s)
	if c := tail.Counts(); c.KeptErrors != 1 || c.Kept != 3 || c.Dropped != 2 || c.Traces != 0 || c.Spans != 0 || c.Bytes != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTailHoldsATraceUntilItsLocalRootIsOverForAWhile(t *testing.T) {
	tail, s := tail(func(c *Config) { c.Grace, c.MaxAge = time.Second, 10*time.Second })
	tail.Tick(100 * time.Second)
	tail.Request(span(1, 2))
	tail.Request(span(2, 2))
	tail.Tick(105 * time.Second)
	tail.Request(span(1, 1))
	tail.Tick(105*time.Second + 999*time.Millisecond)
	tail.Request(failed(span(1, 3))) // ended later than its root
	passed(t, s, "1.2 error", "1.1 error", "1.3 error")
	tail.Tick(106 * time.Second)
	if c := tail.Counts(); c.Traces != 1 {
		t.Errorf("the trace that is over is held: %+v", c)
	}
	tail.Tick(109 * time.Second)
	if c := tail.Counts(); c.Spans != 1 {
		t.Errorf("the trace without a root is held for less than its time: %+v", c)
	}
	tail.Tick(110 * time.Second)
	if c := tail.Counts(); c.Spans != 0 || c.Dropped != 1 {
		t.Errorf("the trace without a root is held for longer than its time: %+v", c)
	}
}

func TestTailDoesNotHoldATraceForEver(t *testing.T) {
	tail, _ := tail(func(c *Config) { c.Grace, c.MaxAge = time.Second, 10*time.Second })
	for now := time.Second; now <= 12*time.Second; now += time.Second / 2 {
		tail.Tick(now)
		tail.Request(span(1, 1)) // a root that is over again and again, as a batch sends them
	}
	if c := tail.Counts(); c.Dropped != 21 { // until eleven seconds, and a grace after
		t.Errorf("%+v", c)
	}
}

func TestTailHonoursARemoteDecision(t *testing.T) {
	tail, s := tail(nil)
	r := failed(span(1, 1))
	r.Span.Denied, r.Span.ParentRemote = true, true
	tail.Request(r)
	tail.Tick(time.Second)
	passed(t, s)
	if c := tail.Counts(); c.Denied != 1 || c.Dropped != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTailLetsASilencedSpanSpeakForOthers(t *testing.T) {
	tail, s := tail(nil)
	tail.Request(span(1, 2))
	r := failed(span(1, 1))
	r.Span.Silenced = true
	tail.Request(r)
	passed(t, s, "1.2 error")
}

func TestTailKeepsTheSlowestWithinABudget(t *testing.T) {
	tail, s := tail(func(c *Config) { c.SlowAfter, c.SlowPerSecond = 100, 2 })
	for i := range 100 { // too few before to call any slow
		r := span(byte(i), 1)
		r.End = time.Duration(1+i%10) * time.Millisecond
		tail.Request(r)
	}
	passed(t, s)
	slow := func(trace byte, took time.Duration) {
		r := span(trace, 1)
		r.End = took
		tail.Request(span(trace, 2))
		tail.Request(r)
	}
	slow(200, 10*time.Millisecond)
	passed(t, s)
	slow(201, 100*time.Millisecond)
	slow(202, 100*time.Millisecond)
	slow(203, 100*time.Millisecond)
	passed(t, s, "201.2 slow", "201.1 slow", "202.2 slow", "202.1 slow")
	tail.Tick(time.Second)
	slow(204, 100*time.Millisecond)
	passed(t, s, "204.2 slow", "204.1 slow")
	if c := tail.Counts(); c.KeptSlow != 2 || c.OverBudget != 1 {
		t.Errorf("%+v", c)
	}
	other := span(205, 1)
	other.HTTP.Method, other.End = "POST", time.Hour
	tail.Request(other)
	open := span(206, 1)
	open.Outcome, open.End = model.OutcomeIncomplete, time.Hour
	tail.Request(open)
	passed(t, s) // a name that nothing is known of, and an end that was not seen
}

func TestTailRulesCanBeChosen(t *testing.T) {
	tail, s := tail(func(c *Config) { c.Keep = KeepSlow })
	tail.Request(failed(span(1, 1)))
	passed(t, s)
	for list, want := range map[string]string{
		"errors,slow": "errors,slow", " slow ": "slow", "errors": "errors", "none": "none", "": "none",
	} {
		var r Rules
		if err := r.Set(list); err != nil || r.String() != want {
			t.Errorf("%q: %v, %v", list, r, err)
		}
	}
	if _, err := ParseRules("error"); err == nil || !strings.Contains(err.Error(), "choose from errors, slow, none") {
		t.Errorf("got %v", err)
	}
}

func TestTailIsBounded(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"spans": func(c *Config) { c.MaxSpans = 10 },
		"bytes": func(c *Config) { c.MaxBytes = 10 * span(1, 1).Clone().Footprint() },
	} {
		t.Run(name, func(t *testing.T) {
			tail, s := tail(change)
			for i := range byte(100) {
				tail.Request(span(i, 2))
			}
			tail.Tick(1)
			if c := tail.Counts(); c.Spans != 10 || c.Traces != 10 || c.Evicted != 90 {
				t.Errorf("%+v", c)
			}
			tail.Request(failed(span(95, 1)))
			tail.Request(failed(span(5, 1)))
			passed(t, s, "95.2 error", "95.1 error", "5.1 error")
		})
	}
	t.Run("spans of a trace", func(t *testing.T) {
		tail, _ := tail(func(c *Config) { c.MaxTraceSpans = 3 })
		for range 10 {
			tail.Request(span(1, 2))
		}
		tail.Tick(1)
		if c := tail.Counts(); c.Spans != 3 || c.OverLimit != 7 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("traces that were kept", func(t *testing.T) {
		tail, _ := tail(func(c *Config) { c.MaxSpans = 10 })
		for i := range byte(100) {
			tail.Request(failed(span(i, 1)))
		}
		tail.Tick(1)
		if c := tail.Counts(); c.Traces != 10 || c.Kept != 100 || c.Evicted != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("names", func(t *testing.T) {
		tail, _ := tail(func(c *Config) { c.MaxNames = 3 })
		for i := range byte(100) {
			r := span(i, 1)
			r.HTTP.Method = string(rune('A' + i))
			tail.Request(r)
		}
		if n := len(tail.names.byName); n != 3 || tail.names.others.total != 97 {
			t.Errorf("%d names, %d requests of others", n, tail.names.others.total)
		}
	})
}

// Every span that enters is counted once, whatever comes in which order.
func TestTailLosesNoSpanSilently(t *testing.T) {
	tail, s := tail(func(c *Config) { c.MaxSpans, c.MaxTraceSpans, c.Grace = 20, 3, time.Millisecond })
	in := uint64(0)
	for i := range 5000 {
		r := span(byte(i*7), byte(1+i%4))
		if i%13 == 0 {
			r.Span.SpanID[7] = byte(i) // unlike its neighbours
		}
		if i%97 == 0 {
			failed(r)
		}
		r.Span.Denied = i%31 == 0
		tail.Request(r)
		in++
		if i%10 == 0 {
			tail.Tick(time.Duration(i) * 100 * time.Microsecond)
		}
	}
	tail.Close()
	c := tail.Counts()
	if out := c.Kept + c.Dropped + c.Denied + c.Evicted + c.OverLimit; out != in || uint64(len(s.passed)) != c.Kept {
		t.Errorf("%d spans in, %d out: %+v", in, out, c)
	}
	if c.Kept == 0 || c.Dropped == 0 || c.Denied == 0 || c.Evicted == 0 || c.Spans != 0 || c.Bytes != 0 || c.Traces != 0 {
		t.Errorf("%+v", c)
	}
}

func TestBucketsGrowWithTheDuration(t *testing.T) {
	last := 0
	for d := time.Duration(0); d < 2*time.Hour; d += 1 + d/50 {
		at := bucketOf(d)
		if at < last || at > last+1 {
			t.Fatalf("%v is in bucket %d, what is a little shorter in %d", d, at, last)
		}
		last = at
	}
	if last < buckets-10 {
		t.Errorf("the last bucket used is %d of %d", last, buckets)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"no time":         func(c *Config) { c.MaxAge = 0 },
		"negative grace":  func(c *Config) { c.Grace = -1 },
		"no spans":        func(c *Config) { c.MaxSpans = 0 },
		"negative budget": func(c *Config) { c.SlowPerSecond = -1 },
		"few requests":    func(c *Config) { c.SlowAfter = 10 },
		"unknown rule":    func(c *Config) { c.Keep = 8 },
	} {
		c := Default()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

func BenchmarkTail(b *testing.B) {
	for _, c := range []struct {
		name    string
		sampled bool
	}{{"sampled", true}, {"held", false}} {
		b.Run(c.name, func(b *testing.B) {
			tail, s := tail(nil)
			r := span(1, 1)
			r.Span.Sampled = c.sampled
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Span.TraceID[1], r.Span.TraceID[2] = byte(i), byte(i>>8)
				tail.Request(r)
				if s.passed = s.passed[:0]; i%100 == 0 {
					tail.Tick(time.Duration(i) * 20 * time.Microsecond)
				}
			}
		})
	}
}
