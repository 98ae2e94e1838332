// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/testbed/apps"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/receiver"
)

// sampled is an agent that samples, limited to a cgroup.
func (l *lab) sampled(t *testing.T, sampler, share string, flags ...string) (*harness.Daemon, *receiver.Receiver, fence) {
	t.Helper()
	r, f := listen(t, receiver.GRPC), newFence(t)
	env := to(r, receiver.GRPC, "OTEL_TRACES_SAMPLER="+sampler, "OTEL_TRACES_SAMPLER_ARG="+share)
	return l.runWith(t, harness.Options{Env: env, Args: append(f.only(), flags...)}), r, f
}

// sampledTrace is what an agent sent of a trace.
type sampledTrace struct {
	client, server int // spans
	failed         bool
}

func byTrace(spans []*tracepb.Span) map[string]*sampledTrace {
	traces := map[string]*sampledTrace{}
	for _, s := range spans {
		id := hex.EncodeToString(s.GetTraceId())
		tr := traces[id]
		if tr == nil {
			tr = &sampledTrace{}
			traces[id] = tr
		}
		if s.GetKind() == tracepb.Span_SPAN_KIND_CLIENT {
			tr.client++
		} else {
			tr.server++
		}
		tr.failed = tr.failed || s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR
	}
	return traces
}

// TestSamplerTakesAShareOfTracesAndErrorsAreKept: a call through the hop is four spans, at both ends of two connections.
func TestSamplerTakesAShareOfTracesAndErrorsAreKept(t *testing.T) {
	l := newLab(t)
	d, r, f := l.sampled(t, "parentbased_traceidratio", "0.1", "--traces-keep", "errors")
	s := l.serverAs(t, f, "leaf", apps.Go)
	hop, err := l.Wrapped(f.as("hop")...).StartInstrumented("127.0.0.1", s.URL(), "")
	started(t, hop, err)
	calls := l.loadAs(t, f, "caller", hop.Addr, "-conns", "4", "-n", "2000", "-mix", "GET /call").Total
	failing := l.loadAs(t, f, "failing", s.Addr, "-conns", "4", "-n", "500", "-mix", "GET /status/500").Total
	checkServed(t, d, "hop", calls)
	checkServed(t, d, "leaf", calls+failing)
	if _, err := d.Stop(); err != nil { // sends what it still holds
		t.Error(err)
	}
	spansOnce(t, r)
	kept, halves := 0, 0
	for id, tr := range byTrace(r.Spans()) {
		switch {
		case tr.client != tr.server || tr.server > 2:
			t.Errorf("trace %s is not whole: %+v", id, tr)
		case tr.failed:
			kept++
		default:
			halves += tr.server // one, where the hop did not show what its call was for
		}
	}
	if kept != failing {
		t.Errorf("%d traces of failed requests, want all %d", kept, failing)
	}
	share := float64(halves) / float64(2*calls)
	t.Logf("%d of %d ends of connections: %.1f %%", 2*halves, 4*calls, 100*share)
	if share < 0.07 || share > 0.13 { // more than four standard deviations
		t.Errorf("%.1f %% of the traces were sampled, want 10", 100*share)
	}
	conventions(t, r)
}

// TestRemoteDecisionIsFollowedAndMetricsCountAll sends requests whose callers have decided.
func TestRemoteDecisionIsFollowedAndMetricsCountAll(t *testing.T) {
	l := newLab(t)
	d, r, f := l.sampled(t, "parentbased_traceidratio", "0.5", "--traces-keep", "errors")
	s := l.serverAs(t, f, "decided", apps.Go)
	c, err := rawclient.Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const each = 60
	parents := map[string]string{} // trace to parent, of those to be exported
	for i := range 2 * each {
		trace, parent, path := fmt.Sprintf("%032x", i+1), fmt.Sprintf("%016x", i+1), "/ok"
		if i%4 < 2 {
			path = "/status/500" // an error is kept, but not against the caller
		}
		if i%2 == 1 {
			parents[trace] = parent
		}
		header := fmt.Sprintf("traceparent: 00-%s-%s-%02x", trace, parent, i%2)
		if _, err := c.Exchange("GET", 0, rawclient.Request("GET", path, header)); err != nil {
			t.Fatal(err)
		}
	}
	checkServed(t, d, "decided", 2*each)
	time.Sleep(300 * time.Millisecond)
	if _, err := d.Stop(); err != nil {
		t.Error(err)
	}
	spans := spansByKind(r.ResourceSpans(), "decided")[tracepb.Span_SPAN_KIND_SERVER]
	for _, s := range spans {
		trace, parent := hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetParentSpanId())
		if want, ok := parents[trace]; !ok || want != parent {
			t.Fatalf("trace %s, parent %s: exported against the caller's decision, or below another parent than %q", trace, parent, want)
		}
	}
	if len(spans) != each || spansOnce(t, r) != each {
		t.Errorf("%d spans exported, want %d", len(spans), each)
	}
}
