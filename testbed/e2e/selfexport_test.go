// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/receiver"
)

const selfExporting = "sonde_selfexport_processes"

// instrumented is a service that traces itself, which calls one that does not, an agent, and the receivers of each.
type instrumented struct {
	d          *harness.Daemon
	agent, sdk *receiver.Receiver
	calls      int
}

// callInstrumented starts it, waits until the service has exported a first span, and has it make calls.
func callInstrumented(t *testing.T, flags ...string) *instrumented {
	t.Helper()
	l, f := newLab(t), newFence(t)
	i := &instrumented{agent: listen(t, receiver.GRPC), sdk: listen(t, receiver.HTTP)}
	i.d = l.runWith(t, harness.Options{Env: to(i.agent, receiver.GRPC), Args: append(f.only(), flags...)})
	plain := l.serverAs(t, f, "plain", apps.Go)
	a, err := l.Wrapped(f.as("instrumented")...).StartInstrumented("127.0.0.1", plain.URL(), i.sdk.URL)
	started(t, a, err)
	l.loadAs(t, f, "caller", a.Addr, "-n", "1", "-mix", "GET /ok")
	processes := func() float64 { return scrape(t, i.d).Sum(selfExporting, map[string]string{"signal": "traces"}) }
	if got := settled(t, processes, 1); got != 1 {
		t.Fatalf("%v processes are known to export traces", got)
	}
	if got := scrape(t, i.d).Sum(selfExporting, map[string]string{"signal": "metrics"}); got != 0 {
		t.Errorf("%v processes are known to export metrics", got)
	}
	i.calls = l.loadAs(t, f, "caller", a.Addr, "-conns", "4", "-n", "200", "-mix", "GET /call").Total
	checkServed(t, i.d, "instrumented", 1+i.calls) // metrics go on
	checkServed(t, i.d, "plain", i.calls)
	i.await(t)
	return i
}

// await waits until the spans that are due have come, and a moment for those that are not.
func (i *instrumented) await(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(8 * time.Second); len(i.plain()) < i.calls || len(i.own()) < i.calls; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d spans of the plain service, %d client spans by the SDK; want %d", len(i.plain()), len(i.own()), i.calls)
		}
	}
	time.Sleep(500 * time.Millisecond)
}

// plain returns the agent's spans of the service without an SDK.
func (i *instrumented) plain() []*tracepb.Span {
	return spansByKind(i.agent.ResourceSpans(), "plain")[tracepb.Span_SPAN_KIND_SERVER]
}

// own returns the SDK's client spans.
func (i *instrumented) own() []*tracepb.Span {
	return spansByKind(i.sdk.ResourceSpans(), "instrumented")[tracepb.Span_SPAN_KIND_CLIENT]
}

func TestProcessThatExportsItselfIsSilencedAndItsSpansAreParents(t *testing.T) {
	i := callInstrumented(t)
	// Its first request and its first export were over before it was known.
	for kind, spans := range spansByKind(i.agent.ResourceSpans(), "instrumented") {
		if len(spans) > 1 {
			t.Errorf("%d spans of the service that exports itself are %v, the last %v", len(spans), kind, spans[len(spans)-1])
		}
	}
	traceOf := map[string]string{} // by span
	for _, s := range i.own() {
		traceOf[string(s.GetSpanId())] = string(s.GetTraceId())
	}
	if len(traceOf) != i.calls || len(i.plain()) != i.calls {
		t.Errorf("%d client spans by the SDK, %d server spans by the agent, want %d", len(traceOf), len(i.plain()), i.calls)
	}
	for _, s := range i.plain() {
		if traceOf[string(s.GetParentSpanId())] != string(s.GetTraceId()) {
			t.Fatalf("the parent is no span of the SDK: %v", s)
		}
	}
	spansOnce(t, i.agent)
	conventions(t, i.agent)
}

func TestProcessThatExportsItselfIsHeardWhenAskedFor(t *testing.T) {
	i := callInstrumented(t, "--silence-self-exporting=false")
	byKind := spansByKind(i.agent.ResourceSpans(), "instrumented")
	calls := 0
	for _, s := range byKind[tracepb.Span_SPAN_KIND_CLIENT] {
		if text(s.GetAttributes(), "url.full") != i.sdk.URL+"/v1/traces" {
			calls++
		}
	}
	if server := len(byKind[tracepb.Span_SPAN_KIND_SERVER]); server != 1+i.calls || calls != i.calls {
		t.Errorf("%d spans of the server and %d of calls, want %d and %d", server, calls, 1+i.calls, i.calls)
	}
}
