// SPDX-License-Identifier: Apache-2.0

package renderings

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/exporters/batch"
	"sonde/exporters/jaeger"
	"sonde/exporters/otlp"
	"sonde/exporters/semconv"
	"sonde/testbed/backends"
)

// TestJaegerSaysTheSameOfThriftAndOTLP holds that a real Jaeger shows the same spans whichever way they came.
func TestJaegerSaysTheSameOfThriftAndOTLP(t *testing.T) {
	bin, ok := backends.Cached(t.Context(), backends.Jaeger)
	if !ok {
		t.Skip("Jaeger is not built yet: make backends")
	}
	j, err := backends.StartJaeger(bin, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Stop()

	clock := model.Clock{Boot: time.Now().Add(-time.Minute)} // Jaeger searches by time
	resource := semconv.Resource{Host: model.Host{Name: "node-1"}, Version: "1.2.3"}
	overOTLP := otlp.Default()
	overOTLP.Protocol, overOTLP.Endpoint, overOTLP.Resource = otlp.GRPC, "http://"+j.GRPC, resource
	sendSpans(t, "otlp", func() (spanExporter, error) {
		return otlp.NewTraces(overOTLP, func() model.Clock { return clock }, slog.New(slog.DiscardHandler))
	})
	for service, endpoint := range map[string]string{"http": j.ThriftURL, "udp": "udp://" + j.ThriftUDP} {
		c := jaeger.Default()
		c.Endpoint, c.Resource = endpoint, resource
		sendSpans(t, service, func() (spanExporter, error) {
			return jaeger.NewTraces(c, func() model.Clock { return clock }, slog.New(slog.DiscardHandler))
		})
	}
	want := spansOf(t, j, "otlp")
	for _, service := range []string{"http", "udp"} {
		for id, got := range spansOf(t, j, service) {
			w := want[id]
			if got.Name != w.Name || got.Kind != w.Kind || got.Status != w.Status || got.ParentID != w.ParentID || got.TraceID[16:] != w.TraceID[16:] {
				t.Errorf("%s: %+v, over OTLP %+v", service, got, w)
			}
			if !got.Start.Equal(w.Start) || got.Duration != w.Duration {
				t.Errorf("%s: %v for %v, over OTLP %v for %v", service, got.Start, got.Duration, w.Start, w.Duration)
			}
			if !maps.Equal(got.Resource, w.Resource) {
				t.Errorf("%s: %v\nover OTLP %v", service, got.Resource, w.Resource)
			}
			if !maps.Equal(got.Attributes, w.Attributes) {
				t.Errorf("%s: %v\nover OTLP %v", service, got.Attributes, w.Attributes)
			}
		}
	}
}

type spanExporter interface {
	pipeline.Sink
	Run(ctx context.Context) error
	Stats() batch.Stats
}

// sendSpans exports three requests as those of a service.
func sendSpans(t *testing.T, service string, open func() (spanExporter, error)) {
	t.Helper()
	x, err := open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	requests := tracedRequests(&model.Process{PID: 7, Name: "app", ServiceName: service}, service[0])
	for _, r := range requests {
		x.Request(r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := x.Stats(); s.Exported != uint64(len(requests)) {
		t.Fatalf("%s: %+v", service, s)
	}
}

// tracedRequests are a request, the query that it caused and a name that does not exist. The trace is named by the service,
// because Jaeger finds spans by trace.
func tracedRequests(p *model.Process, trace byte) []*model.Request {
	all := []*model.Request{
		{Role: model.RoleServer, HTTP: &model.HTTP{
			Version: "1.1", Method: "GET", Scheme: "http", Path: "/a/7", Query: "q=1", Route: "/a/{id}", Host: "shop.example", Status: 200,
		}},
		{Role: model.RoleClient, Outcome: model.OutcomeError, ErrorType: "1146", DB: &model.DB{
			System: "mysql", Summary: "SELECT cart", Status: "1146", Message: "ER_NO_SUCH_TABLE", Rows: 3, RowsKnown: true,
		}},
		{Role: model.RoleClient, Transport: model.TransportUDP, DNS: &model.DNS{
			Name: "a.example", Type: "A", Class: "IN", Opcode: "QUERY", RCode: "NOERROR", Answers: []string{`"q"`, "10.0.0.7"}, TTLs: []uint32{60, 5},
			Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Authoritative: true,
		}},
	}
	for i, r := range all {
		r.Client.Addr, r.Server.Addr = netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
		r.Start, r.End = time.Duration(i+1)*time.Millisecond, time.Duration(i+9)*time.Millisecond
		r.Local().Process = p
		r.Span = model.Span{
			SpanContext: model.SpanContext{TraceID: model.TraceID{trace, 15: 1}, SpanID: model.SpanID{7: byte(i + 1)}, State: "a=b"}, Sampled: true,
		}
	}
	all[1].Span.Parent, all[1].Span.Evidence = all[0].Span.SpanID, model.EvidenceThread
	all[1].Span.Links = []model.SpanContext{{TraceID: model.TraceID{9}, SpanID: model.SpanID{9}}}
	return all
}

// spansOf waits for the three spans of a service.
func spansOf(t *testing.T, j *backends.RunningJaeger, service string) map[string]backends.Span {
	t.Helper()
	var spans []backends.Span
	for end := time.Now().Add(10 * time.Second); len(spans) < 3 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if spans, err = j.Spans(service); err != nil {
			t.Fatal(err)
		}
	}
	byID := map[string]backends.Span{}
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	if len(byID) != 3 {
		t.Fatalf("%d spans of %s", len(byID), service)
	}
	return byID
}
