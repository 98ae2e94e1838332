// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sonde/agent/model"
)

var (
	checkout = &model.Process{ServiceName: "checkout"}
	orders   = &model.Process{ServiceName: "orders"}
)

// request is one between two services of this node, of 3 ms, seen from the role's end.
func request(role model.Role, p model.Protocol) model.Request {
	return model.Request{
		Protocol: p, Role: role, Start: time.Second, End: time.Second + 3*time.Millisecond,
		Client: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:40000"), Process: checkout},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.2:5432"), Process: orders},
	}
}

func rpcCall(r *model.Request, method string, status int) {
	r.Protocol, r.RPC = model.ProtocolGRPC, &model.RPC{Method: method, Status: status}
	r.HTTP = &model.HTTP{Version: "2", Method: "POST", Scheme: "http", Host: "orders:50051", Status: 200, Path: "/" + method}
}

// durations lists all series of the metrics that count requests, "metric: labels".
func durations(s *model.Snapshot) []string {
	var out []string
	for _, f := range s.Families {
		name := durationMetrics[f.Metric]
		for i := range f.Series {
			if name != "" {
				out = append(out, name+": "+text(f.Series[i].Labels))
			}
		}
	}
	return out
}

// durationMetrics are those of which every request is in exactly one.
var durationMetrics = map[model.Metric]string{
	model.MetricHTTPServerDuration: "http server", model.MetricHTTPClientDuration: "http client",
	model.MetricRPCServerDuration: "rpc server", model.MetricRPCClientDuration: "rpc client",
	model.MetricDBServerDuration: "db server", model.MetricDBClientDuration: "db client",
	model.MetricMessagingServerDuration: "messaging server", model.MetricMessagingClientDuration: "messaging client",
	model.MetricMessagingProcess: "process", model.MetricDNSLookup: "dns client", model.MetricDNSServer: "dns server",
	model.MetricTLSHandshake: "tls", model.MetricWebSocketSession: "websocket", model.MetricRequestsUnaggregated: "none",
}

var protocolTests = []struct {
	name   string
	change func(*model.Request)
	server string
	client string
}{
	{
		"http with a route", func(r *model.Request) {
			r.HTTP = &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Host: "orders", Status: 200, Route: "/orders/{id}"}
		},
		"http server: service=orders method=GET route=/orders/{id} scheme=http status=200 version=1.1",
		"http client: service=checkout method=GET address=orders port=80 status=200 version=1.1",
	},
	{
		"grpc", func(r *model.Request) { rpcCall(r, "shop.Orders/Get", 0) },
		"rpc server: service=orders system=grpc method=shop.Orders/Get status=OK",
		"rpc client: service=checkout system=grpc method=shop.Orders/Get address=orders port=50051 status=OK",
	},
	{
		"grpc that failed", func(r *model.Request) {
			rpcCall(r, "shop.Orders/Get", 14)
			r.Outcome, r.ErrorType = model.OutcomeError, "UNAVAILABLE"
		},
		"rpc server: service=orders system=grpc method=shop.Orders/Get status=UNAVAILABLE error=UNAVAILABLE",
		"rpc client: service=checkout system=grpc method=shop.Orders/Get address=orders port=50051 status=UNAVAILABLE error=UNAVAILABLE",
	},
	{
		"a method that does not exist", func(r *model.Request) { rpcCall(r, "made.Up/X", model.GRPCUnimplemented) },
		"rpc server: service=orders system=grpc method=_OTHER status=UNIMPLEMENTED",
		"rpc client: service=checkout system=grpc method=_OTHER address=orders port=50051 status=UNIMPLEMENTED",
	},
	{
		"a method that never answered", func(r *model.Request) {
			rpcCall(r, "made.Up/X", 14)
			r.RPC.StatusInferred = true
		},
		"rpc server: service=orders system=grpc method=_OTHER status=UNAVAILABLE",
		"rpc client: service=checkout system=grpc method=_OTHER address=orders port=50051 status=UNAVAILABLE",
	},
	{
		"a method that answered before", func(r *model.Request) {
			rpcCall(r, "shop.Orders/Get", -1)
			r.HTTP.Route = "/shop.Orders/Get"
			r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_reset"
		},
		"rpc server: service=orders system=grpc method=shop.Orders/Get error=connection_reset",
		"rpc client: service=checkout system=grpc method=shop.Orders/Get address=orders port=50051 error=connection_reset",
	},
	{
		"sql on the default port", func(r *model.Request) {
			r.DB = &model.DB{System: "postgresql", Namespace: "shop|public", Summary: "SELECT orders", Query: "SELECT ?"}
		},
		"db server: service=orders system=postgresql namespace=shop|public summary=SELECT orders",
		"db client: service=checkout system=postgresql namespace=shop|public summary=SELECT orders address=10.0.0.2",
	},
	{
		"a failed command elsewhere", func(r *model.Request) {
			r.DB = &model.DB{System: "redis", Operation: "GET", Status: "WRONGTYPE"}
			r.Outcome, r.ErrorType = model.OutcomeError, "WRONGTYPE"
		},
		"db server: service=orders system=redis operation=GET status=WRONGTYPE error=WRONGTYPE",
		"db client: service=checkout system=redis operation=GET address=10.0.0.2 port=5432 status=WRONGTYPE error=WRONGTYPE",
	},
	{
		"messages that are sent", func(r *model.Request) {
			r.Messaging = &model.Messaging{System: "kafka", API: "Produce", Operation: "send", OperationType: "send", Destination: "paid", Messages: 3}
		},
		"messaging server: service=orders system=kafka operation=send destination=paid type=send",
		"messaging client: service=checkout system=kafka operation=send destination=paid address=10.0.0.2 port=5432 type=send",
	},
	{
		"a reply", func(r *model.Request) {
			r.Messaging = &model.Messaging{System: "nats", Operation: "process", OperationType: "process", Destination: "_INBOX.abc.1", Messages: 1}
		},
		"messaging server: service=orders system=nats operation=process destination=(temporary) type=process",
		"process: service=checkout system=nats operation=process destination=(temporary) address=10.0.0.2 port=5432",
	},
	{
		"what moves no message", func(r *model.Request) {
			r.Protocol, r.Messaging = model.ProtocolKafka, &model.Messaging{System: "kafka", API: "Heartbeat", Messages: -1}
		},
		"none: protocol=kafka role=server", "none: protocol=kafka role=client",
	},
	{
		"a name that does not exist", func(r *model.Request) {
			r.DNS = &model.DNS{Name: "NoPe.example", RCode: "NXDOMAIN"}
			r.Outcome, r.ErrorType = model.OutcomeError, "nxdomain"
		},
		"dns server: service=orders name=nope.example error=nxdomain",
		"dns client: service=checkout name=nope.example error=nxdomain",
	},
	{
		"a reverse lookup", func(r *model.Request) { r.DNS = &model.DNS{Name: "4.3.2.1.in-addr.arpa"} },
		"dns server: service=orders name=in-addr.arpa", "dns client: service=checkout name=in-addr.arpa",
	},
	{
		"a handshake", func(r *model.Request) { r.Protocol, r.TLS = model.ProtocolTLS, &model.TLS{Version: "1.3"} },
		"tls: service=orders role=server protocol=tls tls=1.3", "tls: service=checkout role=client protocol=tls tls=1.3",
	},
	{
		"a session that broke", func(r *model.Request) {
			r.WebSocket, r.Outcome, r.Reason = &model.WebSocket{}, model.OutcomeIncomplete, "reset"
		},
		"websocket: service=orders role=server error=reset", "websocket: service=checkout role=client error=reset",
	},
	{
		"bytes that are no text", func(r *model.Request) {
			r.DB = &model.DB{System: "redis", Operation: "\xffGET", Namespace: strings.Repeat("é", 200)}
		},
		"db server: service=orders system=redis operation=\uFFFDGET namespace=" + strings.Repeat("é", 127) + "\uFFFD",
		"db client: service=checkout system=redis operation=\uFFFDGET namespace=" + strings.Repeat("é", 127) + "\uFFFD address=10.0.0.2 port=5432",
	},
}

func TestEachProtocolHasItsMetric(t *testing.T) {
	for _, tt := range protocolTests {
		t.Run(tt.name, func(t *testing.T) {
			for _, want := range []struct {
				role   model.Role
				series string
			}{{model.RoleServer, tt.server}, {model.RoleClient, tt.client}} {
				a := New(Default(), nil)
				r := request(want.role, model.ProtocolUnknown)
				tt.change(&r)
				a.Request(&r)
				if got := durations(a.Snapshot()); !slices.Equal(got, []string{want.series}) {
					t.Errorf("%s:\ngot  %s\nwant %s", want.role, strings.Join(got, "\n     "), want.series)
				}
			}
		})
	}
}

func TestEveryRequestIsInOneDurationMetric(t *testing.T) {
	a := New(Default(), nil)
	n := uint64(0)
	for _, tt := range protocolTests {
		for role := model.RoleUnknown; role <= model.RoleWire; role++ {
			r := request(role, model.ProtocolUnknown)
			tt.change(&r)
			a.Request(&r)
			n++
		}
	}
	var counted uint64
	for _, f := range a.Snapshot().Families {
		for _, s := range f.Series {
			switch {
			case durationMetrics[f.Metric] == "":
			case s.Histogram != nil:
				counted += s.Histogram.Count()
			default:
				counted += uint64(s.Value)
			}
		}
	}
	if counted != n {
		t.Errorf("%d of %d requests", counted, n)
	}
}

func TestMessagesAndRowsAreCountedWhereTheProtocolTells(t *testing.T) {
	a := New(Default(), nil)
	message := func(kind string, n int) {
		r := request(model.RoleClient, model.ProtocolKafka)
		r.Messaging = &model.Messaging{System: "kafka", Operation: kind, OperationType: kind, Destination: "paid", Messages: n}
		a.Request(&r)
	}
	message("send", 3)
	message("send", 4)
	message("send", -1)
	message("receive", 0)
	message("process", 5)
	for m, want := range map[model.Metric]float64{model.MetricMessagingSent: 7, model.MetricMessagingConsumed: 0} {
		got := family(a.Snapshot(), m)
		if len(got) != 1 || got[0].Value != want || strings.Contains(text(got[0].Labels), "type=") {
			t.Errorf("metric %d: %v, want %v", m, got, want)
		}
	}
	for _, d := range []model.DB{
		{Rows: 20, RowsKnown: true}, {Rows: 21, RowsKnown: true}, {Rows: 9, RowsKnown: true, RowsAffected: true}, {Rows: 5}, {RowsKnown: true},
	} {
		r := request(model.RoleClient, model.ProtocolMySQL)
		r.DB = &d
		a.Request(&r)
	}
	h := family(a.Snapshot(), model.MetricDBClientRows)[0].Histogram
	if want := []uint64{1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(h.Counts, want) || h.Sum != 41 {
		t.Errorf("rows %v, sum %v", h.Counts, h.Sum)
	}
}

func TestSizesOfBodies(t *testing.T) {
	a := New(Default(), nil)
	r := serverRequest("POST", 200)
	r.HTTP.RequestBodyBytes, r.HTTP.ResponseBodyBytes = 0, 64
	a.Request(&r)
	r.HTTP.ResponseBodyBytes = 65
	a.Request(&r)
	r.HTTP.Status, r.Outcome, r.Reason = 0, model.OutcomeIncomplete, "reset"
	a.Request(&r)
	s := a.Snapshot()
	requests, responses := family(s, model.MetricHTTPServerRequestBody), family(s, model.MetricHTTPServerResponseBody)
	if len(requests) != 2 || len(responses) != 1 {
		t.Fatalf("%d and %d series, want 2 and 1: what was not answered has no response", len(requests), len(responses))
	}
	if got := responses[0].Histogram; !slices.Equal(got.Counts[:4], []uint64{0, 1, 1, 0}) || got.Sum != 129 {
		t.Errorf("responses: %v, sum %v", got.Counts, got.Sum)
	}
	if got := requests[0].Histogram; got.Counts[0] != 2 || got.Sum != 0 {
		t.Errorf("requests: %v", got.Counts)
	}
}

func TestOldNamesOfRPC(t *testing.T) {
	cfg := Default()
	cfg.OptIn("http/dup, rpc/dup")
	if !cfg.OldRPC {
		t.Fatal("rpc/dup was not understood")
	}
	cfg.MaxSeries = 10
	a := New(cfg, nil)
	for _, method := range []string{"shop.Orders/Get", "noslash", "/noslash", "a", "b", "c", "d", "e", "f", "g", "h"} {
		r := request(model.RoleClient, model.ProtocolGRPC)
		rpcCall(&r, method, 14)
		r.Outcome, r.ErrorType = model.OutcomeError, "UNAVAILABLE"
		a.Request(&r)
	}
	s := a.Snapshot()
	series := family(s, model.MetricRPCClientDurationOld)
	want := "service=checkout old_system=grpc old_service=shop.Orders method=Get address=orders port=50051 old_status=14 error=UNAVAILABLE"
	if text(series[0].Labels) != want {
		t.Errorf("got  %s\nwant %s", text(series[0].Labels), want)
	}
	if h := series[0].Histogram; h.Sum != 3 || h.Bounds[0] != 5 || h.Counts[0] != 1 {
		t.Errorf("not in milliseconds: %+v", h)
	}
	for i := range series {
		for _, other := range series[:i] {
			if slices.Equal(series[i].Labels, other.Labels) {
				t.Errorf("two series with the labels %s", text(other.Labels))
			}
		}
	}
	if len(series) != 10 || text(series[9].Labels) != "overflow=true" {
		t.Errorf("%d series", len(series))
	}
	if family(New(Default(), nil).Snapshot(), model.MetricRPCClientDurationOld) != nil {
		t.Error("old names without being asked for")
	}
}

// Whatever a request holds, it is counted once, its labels are valid UTF-8 without empty values, and no two series of a
// metric look the same.
func FuzzProtocolLabels(f *testing.F) {
	f.Add("SELECT a", "shop", "send", "x\xff", 14, uint8(0))
	f.Add("/a", "", "", "", -1, uint8(9))
	f.Add("a/b", "a", "process", "_INBOX.1", 12, uint8(255))
	f.Fuzz(func(t *testing.T, s, u, v, w string, n int, bits uint8) {
		cfg := Default()
		cfg.OldRPC = true
		a := New(cfg, nil)
		fed := uint64(0)
		for _, text := range []string{s, u, v, w, "", s + "/" + u, "/" + s} {
			details := []model.Request{
				{RPC: &model.RPC{Method: text, Status: n, StatusInferred: bits&1 != 0}, HTTP: &model.HTTP{Host: u, Status: n}},
				{DB: &model.DB{System: v, Operation: text, Collection: u, Namespace: w, Summary: s, Status: u, Rows: int64(n), RowsKnown: true}},
				{Messaging: &model.Messaging{System: "nats", Operation: v, OperationType: v, Destination: text, Group: u, Messages: n}},
				{DNS: &model.DNS{Name: text}}, {TLS: &model.TLS{Version: text}}, {WebSocket: &model.WebSocket{Path: text}}, {},
			}
			for i := range details {
				r := &details[i]
				r.Role, r.Outcome, r.Reason, r.ErrorType = model.Role(bits>>1&3), model.Outcome(bits>>3&3), w, u
				r.Server.Addr = netip.MustParseAddrPort("10.0.0.2:5432")
				if bits>>5&1 != 0 {
					r.Server.Process = &model.Process{ServiceName: u}
				}
				r.Client.Process = &model.Process{ServiceName: v}
				a.Request(r)
				fed++
			}
		}
		for _, fam := range a.Snapshot().Families {
			seen := map[string]bool{}
			for _, s := range fam.Series {
				if durationMetrics[fam.Metric] != "" {
					fed -= uint64(s.Value)
					if s.Histogram != nil {
						fed -= s.Histogram.Count()
					}
				}
				key := ""
				for _, l := range s.Labels {
					key += string(rune(l.Attr)) + "\x00" + l.Value + "\x00"
					if l.Value == "" || !utf8.ValidString(l.Value) {
						t.Errorf("metric %d, label %d: %q", fam.Metric, l.Attr, l.Value)
					}
				}
				if seen[key] {
					t.Errorf("metric %d: two series with the labels %v", fam.Metric, s.Labels)
				}
				seen[key] = true
			}
		}
		if fed != 0 {
			t.Errorf("%d requests are in no metric, or in several", int64(fed))
		}
	})
}
