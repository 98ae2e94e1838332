// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/agent"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/exporters/semconv"
)

var (
	boot      = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	testClock = func() model.Clock { return model.Clock{Boot: boot} }
	front     = &model.Process{PID: 4242, Name: "nginx", ServiceName: "front"}
	shop      = &model.Process{PID: 77, Name: "python3", ServiceName: "shop"}
)

func spanRequest(n int, edit func(r *model.Request)) *model.Request {
	r := &model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer,
		Start: 90 * time.Second, ResponseStart: 90*time.Second + 1_200_000, End: 90*time.Second + 1_234_567,
		Client: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:51234")},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.2:8080"), Process: front},
		HTTP:   &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/cart/7", Route: "/cart/{id}", Status: 200},
		Span: model.Span{
			SpanContext: model.SpanContext{TraceID: model.TraceID{1, 8: 0x80, 15: byte(n)}, SpanID: model.SpanID{0xff, 6: byte(n >> 8), 7: byte(n)}},
			Sampled:     true,
		},
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// collector is a Jaeger of either intake. It keeps what it takes.
type collector struct {
	endpoint string
	behave   func(n int) (status int, retryAfter string, abort bool)

	mu       sync.Mutex
	requests int
	batches  []*jaeger.Batch
	largest  int // bytes of a packet
}

func (c *collector) keep(b *jaeger.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches = append(c.batches, b)
}

func (c *collector) spans() []*jaeger.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*jaeger.Span
	for _, b := range c.batches {
		all = append(all, b.Spans...)
	}
	return all
}

func listenHTTP(t *testing.T, behave func(n int) (int, string, bool)) *collector {
	c := &collector{behave: behave}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.endpoint = s.URL
	return c
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/traces" || r.Header.Get("Content-Type") != "application/vnd.apache.thrift.binary" {
		http.Error(w, "not Thrift", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	n := c.requests
	c.requests++
	c.mu.Unlock()
	if c.behave != nil {
		status, wait, abort := c.behave(n)
		if abort {
			panic(http.ErrAbortHandler)
		}
		if status != 0 {
			w.Header().Set("Retry-After", wait)
			w.WriteHeader(status)
			return
		}
	}
	b, body := jaeger.NewBatch(), thrift.NewTMemoryBuffer()
	_, err := body.ReadFrom(r.Body)
	if err == nil {
		err = b.Read(r.Context(), thrift.NewTBinaryProtocolTransport(body))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.keep(b)
	w.WriteHeader(http.StatusAccepted)
}

// EmitBatch implements agent.Agent.
func (c *collector) EmitBatch(_ context.Context, b *jaeger.Batch) error {
	c.keep(b)
	return nil
}

// agentHandler has the method that nobody calls.
type agentHandler struct {
	agent.Agent
	*collector
}

func (a agentHandler) EmitBatch(ctx context.Context, b *jaeger.Batch) error {
	return a.collector.EmitBatch(ctx, b)
}

func listenUDP(t *testing.T) *collector {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(8 << 20) // what the test sends at once must fit
	t.Cleanup(func() { _ = conn.Close() })
	c := &collector{endpoint: "udp://" + conn.LocalAddr().String()}
	processor := agent.NewAgentProcessor(agentHandler{collector: c})
	go func() {
		packet := make([]byte, 1<<16)
		for {
			n, err := conn.Read(packet)
			if err != nil {
				return
			}
			c.mu.Lock()
			c.largest = max(c.largest, n)
			c.mu.Unlock()
			in := thrift.NewTMemoryBuffer()
			in.Write(packet[:n])
			to := compactProtocol(in)
			if _, err := processor.Process(context.Background(), to, to); err != nil {
				t.Error(err)
			}
		}
	}()
	return c
}

func testConfig(endpoint string) Config {
	c := Default()
	c.Endpoint, c.Timeout = endpoint, time.Second
	c.Resource = semconv.Resource{Host: model.Host{Name: "node-1"}, Version: "1.2.3"}
	c.Queue.Delay, c.Queue.RetryFirst, c.Queue.RetryMost = 20*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	return c
}

// export sends requests and returns the counts once everything is settled.
func export(t *testing.T, c Config, requests ...*model.Request) batch.Stats {
	t.Helper()
	e, err := NewTraces(c, testClock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	for _, r := range requests {
		e.Request(r)
	}
	for end := time.Now().Add(10 * time.Second); e.Stats().Queued > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s := e.Stats()
	if sum(s) != s.Added || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
	return s
}

func sum(s batch.Stats) uint64 {
	n := s.Exported
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

func waitForSpans(t *testing.T, c *collector, n int) []*jaeger.Span {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if spans := c.spans(); len(spans) >= n {
			return spans
		}
	}
	t.Fatalf("%d spans came, want %d", len(c.spans()), n)
	return nil
}

func tagsOf(tags []*jaeger.Tag) map[string]any {
	m := map[string]any{}
	for _, tag := range tags {
		switch tag.VType {
		case jaeger.TagType_STRING:
			m[tag.Key] = tag.GetVStr()
		case jaeger.TagType_LONG:
			m[tag.Key] = tag.GetVLong()
		case jaeger.TagType_BOOL:
			m[tag.Key] = tag.GetVBool()
		}
	}
	return m
}

func TestJaegerDecodesSpansOfBothTransports(t *testing.T) {
	failed := spanRequest(1, func(r *model.Request) {
		r.Role, r.Client.Process, r.HTTP, r.Protocol, r.Outcome = model.RoleClient, shop, nil, model.ProtocolMySQL, model.OutcomeError
		r.DB = &model.DB{System: "mysql", Summary: "SELECT cart", Message: "ER_NO_SUCH_TABLE"}
		r.Span.Parent, r.Span.State = model.SpanID{7: 9}, "a=b"
		r.Span.Links = []model.SpanContext{{TraceID: model.TraceID{7: 1, 15: 2}, SpanID: model.SpanID{7: 3}}}
	})
	name := spanRequest(2, func(r *model.Request) {
		r.HTTP, r.DNS = nil, &model.DNS{Name: "a\xff", Type: "A", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Answers: []string{`"`}, TTLs: []uint32{60}}
	})
	for _, listen := range []func(t *testing.T) *collector{
		listenUDP, func(t *testing.T) *collector { return listenHTTP(t, nil) },
	} {
		c := listen(t)
		scheme, _, _ := strings.Cut(c.endpoint, ":")
		t.Run(scheme, func(t *testing.T) {
			if s := export(t, testConfig(c.endpoint), failed, name, spanRequest(3, nil)); s.Exported != 3 {
				t.Fatalf("%+v", s)
			}
			waitForSpans(t, c, 3)
			if len(c.batches) != 2 {
				t.Fatalf("%d batches for two processes", len(c.batches))
			}
			checkProcess(t, c.batches[0].Process)
			checkSpan(t, c.batches[0].Spans[0], failed)
			dns := tagsOf(c.batches[1].Spans[0].Tags)
			if dns["dns.question.name"] != "a\uFFFD" || dns["dns.answers"] != `["10.0.0.7"]` || dns["sonde.dns.ttls"] != "[60]" {
				t.Errorf("%v", dns)
			}
			if got := c.batches[1].Spans[1].OperationName; got != "GET /cart/{id}" {
				t.Errorf("name %q", got)
			}
		})
	}
}

func checkProcess(t *testing.T, p *jaeger.Process) {
	t.Helper()
	tags := tagsOf(p.Tags)
	if p.ServiceName != "shop" || tags["process.pid"] != int64(77) || tags["host.name"] != "node-1" || tags["service.name"] != nil {
		t.Errorf("process %v %v", p, tags)
	}
}

func checkSpan(t *testing.T, s *jaeger.Span, r *model.Request) {
	t.Helper()
	high, low := traceID(r.Span.TraceID)
	if s.TraceIdHigh != high || s.TraceIdLow != low || s.SpanId != spanID(r.Span.SpanID) || s.ParentSpanId != 9 || s.Flags != 1 {
		t.Errorf("%v", s)
	}
	if s.OperationName != "SELECT cart" || s.StartTime != boot.Add(90*time.Second).UnixMicro() || s.Duration != 1234 {
		t.Errorf("%v", s)
	}
	refs := s.References
	if len(refs) != 2 || refs[0].RefType != jaeger.SpanRefType_CHILD_OF || refs[0].SpanId != 9 || refs[0].TraceIdHigh != high ||
		refs[1].RefType != jaeger.SpanRefType_FOLLOWS_FROM || refs[1].TraceIdHigh != 1 || refs[1].TraceIdLow != 2 || refs[1].SpanId != 3 {
		t.Errorf("references %v", refs)
	}
	tags := tagsOf(s.Tags)
	for key, want := range map[string]any{
		"span.kind": "client", "error": true, "otel.status_code": "ERROR", "otel.status_description": "ER_NO_SUCH_TABLE",
		"w3c.tracestate": "a=b", "db.system.name": "mysql", "server.port": int64(8080), "otel.scope.name": "sonde",
	} {
		if tags[key] != want {
			t.Errorf("%s is %v, want %v", key, tags[key], want)
		}
	}
}

func TestPacketsAreNeverLargerThanAnAgentReads(t *testing.T) {
	c := listenUDP(t)
	var requests []*model.Request
	for i := range 1000 {
		requests = append(requests, spanRequest(i, func(r *model.Request) { r.HTTP.Path = "/" + strings.Repeat("x", i%97) }))
	}
	requests = append(requests, spanRequest(2000, func(r *model.Request) { r.HTTP.Path = strings.Repeat("x", maxPacket) }))
	requests = append(requests, spanRequest(2001, nil))
	s := export(t, testConfig(c.endpoint), requests...)
	if s.Exported != 1001 || s.Dropped[batch.TooLarge] != 1 {
		t.Errorf("%+v", s)
	}
	seen := map[int64]bool{}
	for _, span := range waitForSpans(t, c, 1001) {
		seen[span.SpanId] = true
	}
	if len(seen) != 1001 || c.largest > maxPacket || c.largest < maxPacket*9/10 {
		t.Errorf("%d spans, the largest packet has %d bytes", len(seen), c.largest)
	}
}

func TestCollectorThatFails(t *testing.T) {
	for _, tt := range []struct {
		name     string
		behave   func(n int) (int, string, bool)
		received int
		dropped  map[batch.Reason]uint64
		wait     time.Duration
	}{
		{name: "is busy for some time", received: 2, behave: func(n int) (int, string, bool) {
			return []int{503, 502, 0, 0}[min(n, 3)], "", false
		}},
		{name: "asks to wait", received: 2, wait: time.Second, behave: func(n int) (int, string, bool) {
			return []int{0, 429, 0}[min(n, 2)], "1", false
		}},
		{name: "refuses one process", received: 1, behave: func(n int) (int, string, bool) {
			return []int{400, 0}[min(n, 1)], "", false
		}, dropped: map[batch.Reason]uint64{batch.Failed: 1}},
		{name: "breaks the connection", received: 1, behave: func(n int) (int, string, bool) {
			return 0, "", n == 0
		}, dropped: map[batch.Reason]uint64{batch.Unconfirmed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := listenHTTP(t, tt.behave)
			began := time.Now()
			s := export(t, testConfig(c.endpoint), spanRequest(1, nil), spanRequest(2, func(r *model.Request) { r.Server.Process = shop }))
			if len(c.spans()) != tt.received || s.Exported != uint64(tt.received) || time.Since(began) < tt.wait {
				t.Errorf("%d received after %v, %+v", len(c.spans()), time.Since(began), s)
			}
			for reason := range batch.ReasonCount {
				if s.Dropped[reason] != tt.dropped[reason] {
					t.Errorf("%d dropped as %v", s.Dropped[reason], reason)
				}
			}
		})
	}
}

func TestEndpointsMayLeaveOutWhatIsUsual(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://jaeger": "http://jaeger:14268/api/traces", "https://user:secret@jaeger:443/": "https://user:secret@jaeger:443/api/traces",
		"http://jaeger:80/collect": "http://jaeger:80/collect", "udp://agent": "udp://agent:6831", "udp://[::1]:5775": "udp://[::1]:5775",
		"jaeger:14268": "", "grpc://jaeger": "", "": "", "http://": "",
	} {
		c := testConfig(endpoint)
		u, err := c.target()
		if (err != nil) != (want == "") || err == nil && u.String() != want {
			t.Errorf("%q is %v, %v", endpoint, u, err)
		}
		if invalid := c.Validate() != nil; invalid != (want == "") {
			t.Errorf("%q: %v", endpoint, c.Validate())
		}
	}
}

func TestListsAreJSON(t *testing.T) {
	e := newEncoder(&Config{}, testClock, binaryProtocol)
	e.Strings("k", []string{"a", `"`})
	var got []string
	if err := json.Unmarshal([]byte(e.tags[0].GetVStr()), &got); err != nil || got[1] != `"` {
		t.Errorf("%v, %v", got, err)
	}
}
