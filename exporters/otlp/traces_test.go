// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/exporters/semconv"
	"sonde/testbed/otelcheck"
)

var (
	boot      = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	testClock = func() model.Clock { return model.Clock{Boot: boot} }

	nginx = &model.Process{
		PID: 4242, Name: "nginx", Path: "/usr/sbin/nginx", Command: "nginx:", Started: boot.Add(time.Second),
		ContainerID: strings.Repeat("ab", 32), Runtime: "docker", ServiceName: "front",
	}
	python = &model.Process{PID: 77, Name: "python3.11", ServiceName: "shop"}

	clientAddr = netip.MustParseAddrPort("10.0.0.1:51234")
	serverAddr = netip.MustParseAddrPort("10.0.0.2:8080")
)

func testConfig(protocol Protocol, endpoint string) Config {
	c := Default()
	c.Protocol, c.Endpoint = protocol, endpoint
	c.Timeout = 2 * time.Second
	c.Resource = semconv.Resource{
		Host: model.Host{Name: "node-1", ID: "0123456789abcdef0123456789abcdef", Arch: "amd64"}, Version: "1.2.3",
		Extra: []semconv.Pair{{Key: "deployment.environment.name", Value: "test"}, {Key: "service.name", Value: "overridden"}},
	}
	c.Queue.Delay, c.Queue.Flush = 20*time.Millisecond, 3*time.Second
	c.Queue.RetryFirst, c.Queue.RetryMost, c.Queue.Timeout = 20*time.Millisecond, 100*time.Millisecond, 5*time.Second
	return c
}

// spanRequest is a server's answered request with a span, changed by edit.
func spanRequest(n int, edit func(r *model.Request)) *model.Request {
	r := &model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK,
		Start: 90 * time.Second, RequestEnd: 90*time.Second + 1000, ResponseStart: 90*time.Second + 1_200_000,
		End:    90*time.Second + 1_234_567,
		Client: model.Endpoint{Addr: clientAddr}, Server: model.Endpoint{Addr: serverAddr, Process: nginx},
		HTTP: &model.HTTP{
			Version: "1.1", Method: "GET", Scheme: "http", Path: "/cart/7", Query: "token=secret", Host: "shop.example:8080",
			UserAgent: "curl/8.5.0", Status: 200, ResponseBodyBytes: 1024,
		},
		Span: model.Span{
			SpanContext: model.SpanContext{TraceID: model.TraceID{1, 15: byte(n)}, SpanID: model.SpanID{2, byte(n >> 16), 6: byte(n >> 8), 7: byte(n)}, Flags: model.FlagSampled},
			Sampled:     true,
		},
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// running is an exporter with its goroutine.
type running struct {
	*Traces
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

func start(t testing.TB, c Config) *running {
	t.Helper()
	traces, err := NewTraces(c, testClock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Traces: traces, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- traces.Run(ctx) }()
	t.Cleanup(func() { r.shutdown() })
	return r
}

// shutdown flushes, and returns the final counts once nothing runs any more.
func (r *running) shutdown() batch.Stats {
	r.t.Helper()
	r.stop()
	if r.done != nil {
		if err := <-r.done; err != nil {
			r.t.Error(err)
		}
		r.done = nil
	}
	s := r.Stats()
	if dropped := sum(s); s.Added != s.Exported+dropped || s.Queued != 0 || s.QueuedBytes != 0 {
		r.t.Errorf("%d added, %d exported, %d dropped, %d queued", s.Added, s.Exported, dropped, s.Queued)
	}
	return s
}

func sum(s batch.Stats) uint64 {
	var n uint64
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// waitFor polls until the condition holds.
func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("waited for %s", what)
}

func attributesOf(list []*commonpb.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range list {
		m[kv.Key] = valueOf(kv.Value)
	}
	return m
}

func valueOf(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_ArrayValue:
		var all []any
		for _, e := range v.ArrayValue.Values {
			all = append(all, valueOf(e))
		}
		return all
	}
	return nil
}

// roundTrip exports requests and returns what a receiver decodes.
func roundTrip(t *testing.T, c func(url string) Config, requests ...*model.Request) []*tracepb.ResourceSpans {
	t.Helper()
	recv := listenHTTP(t, nil, nil)
	e := start(t, c(recv.url))
	for _, r := range requests {
		e.Request(r)
	}
	e.shutdown()
	return recv.ResourceSpans()
}

func overHTTP(url string) Config { return testConfig(HTTPProtobuf, url) }

func TestReceiverDecodesSpansOfEveryProtocolAndTransport(t *testing.T) {
	for _, tt := range []struct {
		protocol Protocol
		listen   func(t testing.TB) *target
	}{
		{GRPC, func(t testing.TB) *target { return listenGRPC(t, nil, nil) }},
		{HTTPProtobuf, func(t testing.TB) *target { return listenHTTP(t, nil, nil) }},
	} {
		t.Run(string(tt.protocol), func(t *testing.T) {
			recv := tt.listen(t)
			e := start(t, testConfig(tt.protocol, recv.url))
			all := everyProtocol()
			for _, r := range all {
				e.Request(r)
			}
			s := e.shutdown()
			if got := len(recv.Spans()); got != len(all) || s.Exported != uint64(len(all)) {
				t.Fatalf("%d spans received, %d exported of %d", got, s.Exported, len(all))
			}
			for _, complaint := range otelcheck.Open(t).Spans(recv.ResourceSpans()) {
				t.Error(complaint)
			}
		})
	}
}

func TestSpanHasTheFieldsOfItsRequest(t *testing.T) {
	r := spanRequest(1, func(r *model.Request) {
		r.Span.State, r.Span.Parent, r.Span.ParentRemote, r.Span.Evidence = "a=b", model.SpanID{9}, true, model.EvidenceHeader
		r.Span.Flags |= model.FlagRandom
		r.Span.Links = []model.SpanContext{{TraceID: model.TraceID{5}, SpanID: model.SpanID{6}, Flags: model.FlagSampled, State: "c=d"}}
		r.HTTP.Status, r.Outcome = 503, model.OutcomeError
		r.TCP = model.TCPFacts{SRTT: 42 * time.Microsecond, Retransmits: 3}
	})
	got := roundTrip(t, overHTTP, r)
	if len(got) != 1 || len(got[0].ScopeSpans) != 1 || len(got[0].ScopeSpans[0].Spans) != 1 {
		t.Fatalf("got %v", got)
	}
	s := got[0].ScopeSpans[0].Spans[0]
	from := boot.Add(90 * time.Second).UnixNano()
	for _, check := range []struct {
		what string
		ok   bool
	}{
		{"trace id", string(s.TraceId) == string(r.Span.TraceID[:])},
		{"span id", string(s.SpanId) == string(r.Span.SpanID[:])},
		{"parent", string(s.ParentSpanId) == string(r.Span.Parent[:])},
		{"trace state", s.TraceState == "a=b"},
		{"flags", s.Flags == 0x303},
		{"name", s.Name == "GET"},
		{"kind", s.Kind == tracepb.Span_SPAN_KIND_SERVER},
		{"start", s.StartTimeUnixNano == uint64(from)},
		{"end", s.EndTimeUnixNano == uint64(from+1_234_567)},
		{"status", s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR && s.Status.GetMessage() == ""},
		{"link", len(s.Links) == 1 && s.Links[0].TraceState == "c=d" && s.Links[0].Flags == 0x301 && s.Links[0].SpanId[0] == 6},
		{"scope", got[0].ScopeSpans[0].Scope.GetName() == "sonde" && got[0].ScopeSpans[0].Scope.GetVersion() == "1.2.3"},
		{"schema", got[0].SchemaUrl == SchemaURL && got[0].ScopeSpans[0].SchemaUrl == SchemaURL},
	} {
		if !check.ok {
			t.Errorf("%s is wrong in %v", check.what, got[0])
		}
	}
	want := map[string]any{
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/cart/7", "url.query": "token=REDACTED",
		"http.response.status_code": int64(503), "network.protocol.version": "1.1", "user_agent.original": "curl/8.5.0",
		"server.address": "shop.example", "server.port": int64(8080), "network.peer.address": "10.0.0.1",
		"network.peer.port": int64(51234), "client.address": "10.0.0.1", "error.type": "503",
		"http.request.body.size": int64(0), "http.response.body.size": int64(1024),
		"sonde.parent.evidence": "header", "sonde.first_byte_us": int64(1200), "sonde.tcp.srtt_us": int64(42),
		"sonde.tcp.retransmits": int64(3),
	}
	compare(t, attributesOf(s.Attributes), want)
}

func compare(t *testing.T, got, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %v, want %v", key, got[key], value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s = %v is too much", key, value)
		}
	}
}

func TestEachProcessIsAResourceOfItsOwn(t *testing.T) {
	got := roundTrip(t, overHTTP,
		spanRequest(1, nil),
		spanRequest(2, func(r *model.Request) { r.Role, r.Client.Process = model.RoleClient, python }),
		spanRequest(3, nil),
		spanRequest(4, func(r *model.Request) { r.Server.Process = nil }))
	if len(got) != 3 {
		t.Fatalf("%d resources", len(got))
	}
	spans := []int{2, 1, 1}
	for i, rs := range got {
		if len(rs.ScopeSpans) != 1 || len(rs.ScopeSpans[0].Spans) != spans[i] {
			t.Errorf("resource %d: %v", i, rs)
		}
	}
	common := map[string]any{
		"telemetry.sdk.name": "sonde", "telemetry.sdk.version": "1.2.3", "deployment.environment.name": "test",
	}
	host := map[string]any{"host.name": "node-1", "host.id": "0123456789abcdef0123456789abcdef", "host.arch": "amd64", "os.type": "linux"}
	compare(t, attributesOf(got[0].Resource.Attributes), merge(common, host, map[string]any{
		"service.name": "front", "service.instance.id": "4efe96c9-4d92-5130-acbc-b5141a5331aa", "process.pid": int64(4242), "process.executable.name": "nginx",
		"process.executable.path": "/usr/sbin/nginx", "process.command": "nginx:", "process.creation.time": "2026-05-04T03:02:02Z",
		"container.id": strings.Repeat("ab", 32), "container.runtime.name": "docker",
	}))
	compare(t, attributesOf(got[1].Resource.Attributes), merge(common, host, map[string]any{
		"service.name": "shop", "service.instance.id": "cda2c295-369b-5973-a089-27dc6c5fc470", "process.pid": int64(77), "process.executable.name": "python3.11",
		"telemetry.sdk.language": "python",
	}))
	compare(t, attributesOf(got[2].Resource.Attributes), merge(common, map[string]any{"service.name": "overridden"}))
}

func merge(maps ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func TestOnlySampledSpansThatNobodyElseExportsLeave(t *testing.T) {
	got := roundTrip(t, overHTTP,
		spanRequest(1, nil),
		spanRequest(2, func(r *model.Request) { r.Span.Sampled = false }),
		spanRequest(3, func(r *model.Request) { r.Span.Sampled, r.Span.Kept = false, "slow" }),
		spanRequest(4, func(r *model.Request) { r.Span.Silenced = true }),
		spanRequest(5, func(r *model.Request) { r.Span.SpanID = model.SpanID{} }),
		spanRequest(6, func(r *model.Request) { r.HTTP, r.TLS = nil, &model.TLS{} }))
	var ids []byte
	for _, s := range got[0].ScopeSpans[0].Spans {
		ids = append(ids, s.SpanId[7])
	}
	if !slices.Equal(ids, []byte{1, 3}) {
		t.Errorf("spans %v", ids)
	}
}

func TestLimitsCutAndCount(t *testing.T) {
	got := roundTrip(t, func(url string) Config {
		c := overHTTP(url)
		c.Limits = Limits{Attributes: 4, Links: 1, ValueLength: 3}
		return c
	}, spanRequest(1, func(r *model.Request) {
		r.HTTP.Path = "/äöü"
		r.Span.Links = make([]model.SpanContext, 3)
	}))
	s := got[0].ScopeSpans[0].Spans[0]
	attributes := attributesOf(s.Attributes)
	if len(attributes) != 4 || attributes["url.path"] != "/äö" || s.DroppedAttributesCount == 0 {
		t.Errorf("%v, %d dropped", attributes, s.DroppedAttributesCount)
	}
	if len(s.Links) != 1 || s.DroppedLinksCount != 2 {
		t.Errorf("%d links, %d dropped", len(s.Links), s.DroppedLinksCount)
	}
}

func TestTextThatIsNoUTF8DoesNotSpoilTheBatch(t *testing.T) {
	got := roundTrip(t, overHTTP, spanRequest(1, func(r *model.Request) {
		r.HTTP.Path, r.HTTP.Query, r.Span.State = "/\xff\xfe", "\xff=1", "\x80"
	}))
	if path := attributesOf(got[0].ScopeSpans[0].Spans[0].Attributes)["url.path"]; path != "/\uFFFD" {
		t.Errorf("path %q", path)
	}
}

// everyProtocol is one request for each kind of detail.
func everyProtocol() []*model.Request {
	detail := func(n int, p model.Protocol, edit func(r *model.Request)) *model.Request {
		return spanRequest(n, func(r *model.Request) {
			r.HTTP, r.Protocol, r.Role, r.Client.Process = nil, p, model.RoleClient, python
			edit(r)
		})
	}
	return []*model.Request{
		spanRequest(1, nil),
		spanRequest(2, func(r *model.Request) { r.Role, r.Client.Process = model.RoleClient, python }),
		spanRequest(3, func(r *model.Request) { r.HTTP.Method = strings.Repeat("BREW", 5000) }),
		spanRequest(4, func(r *model.Request) {
			r.Protocol, r.RPC = model.ProtocolGRPC, &model.RPC{Method: "shop.Cart/Add", Status: 14, Message: "try again"}
			r.Outcome, r.ErrorType = model.OutcomeError, "UNAVAILABLE"
		}),
		detail(5, model.ProtocolDNS, func(r *model.Request) {
			r.Transport = model.TransportUDP
			r.DNS = &model.DNS{
				ID: 7, Name: "shop.example", Type: "A", Class: "IN", Opcode: "QUERY", RCode: "NOERROR",
				Answers: []string{"www.shop.example", "10.0.0.7"}, TTLs: []uint32{300, 60}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")},
			}
		}),
		detail(6, model.ProtocolPostgreSQL, func(r *model.Request) {
			r.DB = &model.DB{System: "postgresql", Command: "Query", Namespace: "shop", Summary: "SELECT cart", Query: "SELECT ?", RowsKnown: true}
		}),
		detail(7, model.ProtocolRedis, func(r *model.Request) {
			r.DB = &model.DB{System: "redis", Operation: "GET", Query: "GET ?", Namespace: "0"}
			r.Outcome, r.ErrorType = model.OutcomeError, "WRONGTYPE"
		}),
		detail(8, model.ProtocolKafka, func(r *model.Request) {
			r.Messaging = &model.Messaging{
				System: "kafka", API: "Produce", APIVersion: 9, CorrelationID: 1, Operation: "send", OperationType: "send",
				Destination: "orders", Partition: 0, ClientID: "c", Messages: 2, Offset: 7, QoS: -1,
			}
		}),
		detail(9, model.ProtocolWebSocket, func(r *model.Request) {
			r.WebSocket = &model.WebSocket{Path: "/chat", Host: "shop.example", CloseCode: 1000}
		}),
		detail(10, model.ProtocolKafka, func(r *model.Request) {
			r.Messaging = &model.Messaging{
				System: "kafka", API: "Metadata", APIVersion: 9, CorrelationID: 1, Partition: -1, Messages: -1, Offset: -1, QoS: -1,
			}
		}),
		detail(11, model.ProtocolAMQP, func(r *model.Request) {
			r.Messaging = &model.Messaging{
				System: "rabbitmq", API: "basic.publish", APIVersion: -1, CorrelationID: -1, Operation: "publish", OperationType: "send",
				Destination: "amq.topic", RoutingKey: "k", Partition: -1, Messages: 1, Offset: -1, QoS: -1, BodyBytes: 5,
			}
		}),
		detail(12, model.ProtocolNATS, func(r *model.Request) {
			r.Messaging = &model.Messaging{
				System: "nats", API: "MSG", APIVersion: -1, CorrelationID: -1, Operation: "process", OperationType: "process",
				Destination: "_INBOX.7", Partition: -1, Messages: 1, Offset: -1, QoS: -1,
			}
		}),
		detail(13, model.ProtocolMQTT, func(r *model.Request) {
			r.Messaging = &model.Messaging{
				System: "mqtt", API: "PUBLISH", APIVersion: -1, CorrelationID: -1, Operation: "publish", OperationType: "send",
				Destination: "t", Partition: -1, Messages: 1, Offset: -1, QoS: 1, PacketID: 3,
			}
		}),
		detail(14, model.ProtocolMongoDB, func(r *model.Request) {
			r.DB = &model.DB{System: "mongodb", Operation: "find", Collection: "c", Namespace: "d", Batch: 2, RequestID: 7}
			r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_reset"
		}),
		detail(15, model.ProtocolMemcached, func(r *model.Request) {
			r.DB = &model.DB{System: "memcached", Operation: "get", Query: "get ?", Keys: 3}
		}),
		spanRequest(16, func(r *model.Request) {
			r.Role, r.Client.Process, r.Protocol, r.RPC = model.RoleClient, python, model.ProtocolGRPC, &model.RPC{Method: "a/b", Status: 12}
			r.Outcome, r.ErrorType = model.OutcomeError, "UNIMPLEMENTED"
		}),
		spanRequest(17, func(r *model.Request) { r.HTTP.Route = "/cart/{id}" }),
		spanRequest(18, func(r *model.Request) {
			r.Role, r.Client.Process, r.HTTP.Route, r.HTTP.Status = model.RoleClient, python, "/cart/{id}", 404
		}),
	}
}
