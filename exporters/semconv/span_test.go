// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"net/netip"
	"strings"
	"testing"

	"sonde/agent/model"
)

var (
	spanClient = netip.MustParseAddrPort("10.0.0.1:40000")
	spanServer = netip.MustParseAddrPort("10.0.0.2:6379")
)

func request(role model.Role, edit func(r *model.Request)) *model.Request {
	r := &model.Request{Role: role, Client: model.Endpoint{Addr: spanClient}, Server: model.Endpoint{Addr: spanServer}}
	edit(r)
	return r
}

func TestSpanNamesAndKinds(t *testing.T) {
	http := func(method, route string) func(*model.Request) {
		return func(r *model.Request) {
			r.HTTP = &model.HTTP{Method: method, Path: "/users/7", Route: route, Status: 200}
		}
	}
	db := func(d model.DB) func(*model.Request) { return func(r *model.Request) { r.DB = &d } }
	messaging := func(m model.Messaging) func(*model.Request) { return func(r *model.Request) { r.Messaging = &m } }
	rpc := func(method string, status int) func(*model.Request) {
		return func(r *model.Request) { r.HTTP, r.RPC = &model.HTTP{}, &model.RPC{Method: method, Status: status} }
	}
	for _, tt := range []struct {
		what string
		role model.Role
		edit func(r *model.Request)
		name string
		kind SpanKind
	}{
		{"no route: the method, never the path", model.RoleServer, http("GET", ""), "GET", SpanServer},
		{"route of a server", model.RoleServer, http("GET", "/users/{id}"), "GET /users/{id}", SpanServer},
		{"template of a client", model.RoleClient, http("PUT", "/users/{id}"), "PUT /users/{id}", SpanClient},
		{"method that is not known", model.RoleClient, http("BREW", "/pot"), "HTTP /pot", SpanClient},
		{"request line that was not seen", model.RoleServer, http("", ""), "HTTP", SpanServer},
		{"request in a capture file", model.RoleWire, http("GET", ""), "GET", SpanServer},
		{"gRPC", model.RoleClient, rpc("shop.Cart/Add", 0), "shop.Cart/Add", SpanClient},
		{"gRPC method that is not known", model.RoleServer, rpc("", -1), "grpc", SpanServer},
		{"gRPC method that does not exist", model.RoleServer, rpc("x.Y/"+strings.Repeat("z", 99), 12), "grpc", SpanServer},
		{"summary of a query", model.RoleClient, db(model.DB{System: "mysql", Summary: "SELECT a b", Operation: "x", Namespace: "n"}), "SELECT a b", SpanClient},
		{"operation and collection", model.RoleClient, db(model.DB{System: "mongodb", Operation: "find", Collection: "carts", Namespace: "n"}), "find carts", SpanClient},
		{"operation and database", model.RoleClient, db(model.DB{System: "mysql", Operation: "ping", Namespace: "shop"}), "ping shop", SpanClient},
		{"procedure alone", model.RoleClient, db(model.DB{System: "mysql", Procedure: "p"}), "p", SpanClient},
		{"database number of Redis is no target", model.RoleClient, db(model.DB{System: "redis", Operation: "GET", Namespace: "3"}), "GET 10.0.0.2:6379", SpanClient},
		{"nothing but the server", model.RoleServer, db(model.DB{System: "postgresql"}), "10.0.0.2:6379", SpanServer},
		{"nothing but the system", model.RoleWire, func(r *model.Request) {
			r.DB, r.Server.Addr = &model.DB{System: "postgresql"}, netip.AddrPort{}
		}, "postgresql", SpanClient},
		{"server with an IPv6 address", model.RoleClient, func(r *model.Request) {
			r.DB, r.Server.Addr = &model.DB{System: "redis", Operation: "GET"}, netip.MustParseAddrPort("[fe80::1%eth0]:6379")
		}, "GET fe80::1:6379", SpanClient},
		{"message sent", model.RoleClient, messaging(model.Messaging{System: "kafka", Operation: "send", OperationType: "send", Destination: "T"}), "send T", SpanClient},
		{"message sent with this span's context", model.RoleClient, func(r *model.Request) {
			r.Messaging = &model.Messaging{System: "kafka", Operation: "send", OperationType: "send", Destination: "T"}
			r.Span.SpanID = model.SpanID{1}
			r.Span.Links = []model.SpanContext{{SpanID: model.SpanID{2}}, {SpanID: model.SpanID{1}}}
		}, "send T", SpanProducer},
		{"messages polled", model.RoleClient, messaging(model.Messaging{System: "kafka", Operation: "poll", OperationType: "receive", Destination: "T"}), "poll T", SpanClient},
		{"message worked on", model.RoleClient, messaging(model.Messaging{System: "nats", Operation: "process", OperationType: "process", Destination: "T"}), "process T", SpanConsumer},
		{"message at the broker", model.RoleServer, messaging(model.Messaging{System: "kafka", Operation: "send", OperationType: "send", Destination: "T"}), "send T", SpanServer},
		{"inbox of one answer", model.RoleClient, messaging(model.Messaging{System: "nats", Operation: "publish", OperationType: "send", Destination: "_INBOX.x7"}), "publish 10.0.0.2:6379", SpanClient},
		{"command without a message", model.RoleClient, messaging(model.Messaging{System: "kafka", API: "Metadata", Destination: "T"}), "Metadata", SpanClient},
		{"DNS", model.RoleClient, func(r *model.Request) { r.DNS = &model.DNS{Name: "a.example", Type: "AAAA"} }, "DNS AAAA", SpanClient},
		{"WebSocket", model.RoleServer, func(r *model.Request) { r.WebSocket = &model.WebSocket{Path: "/chat/7"} }, "websocket", SpanServer},
		{"TLS", model.RoleClient, func(r *model.Request) { r.TLS = &model.TLS{} }, "TLS handshake", SpanClient},
	} {
		t.Run(tt.what, func(t *testing.T) {
			r := request(tt.role, tt.edit)
			if name := string(AppendSpanName(nil, r)); name != tt.name {
				t.Errorf("name %q, want %q", name, tt.name)
			}
			if kind := KindOf(r); kind != tt.kind {
				t.Errorf("kind %v, want %v", kind, tt.kind)
			}
		})
	}
}

func TestStatusOfHTTPSpans(t *testing.T) {
	for _, tt := range []struct {
		status         int
		server, client SpanStatus
	}{
		{101, StatusUnset, StatusUnset}, {200, StatusUnset, StatusUnset}, {302, StatusUnset, StatusUnset},
		{404, StatusUnset, StatusError}, {499, StatusUnset, StatusError}, {500, StatusError, StatusError},
		{599, StatusError, StatusError}, {42, StatusError, StatusError}, {777, StatusError, StatusError},
	} {
		edit := func(r *model.Request) { r.HTTP = &model.HTTP{Method: "GET", Status: tt.status} }
		server, _ := StatusOf(request(model.RoleServer, edit))
		client, description := StatusOf(request(model.RoleClient, edit))
		if server != tt.server || client != tt.client || description != "" {
			t.Errorf("%d: server %v, client %v %q", tt.status, server, client, description)
		}
	}
}

func TestStatusOfRPCSpans(t *testing.T) {
	serverErrors := "UNKNOWN DEADLINE_EXCEEDED UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS"
	for code := range 17 {
		name := RPCStatus(code)
		edit := func(r *model.Request) {
			r.HTTP, r.RPC = &model.HTTP{Status: 200}, &model.RPC{Status: code, Message: "why"}
			if code != 0 {
				r.Outcome = model.OutcomeError
			}
		}
		server, _ := StatusOf(request(model.RoleServer, edit))
		client, description := StatusOf(request(model.RoleClient, edit))
		if want := strings.Contains(serverErrors, name); (server == StatusError) != want {
			t.Errorf("%s: server %v", name, server)
		}
		if (client == StatusError) != (code != 0) || (client == StatusError) != (description == "why") {
			t.Errorf("%s: client %v %q", name, client, description)
		}
	}
}

func TestStatusOfOtherSpans(t *testing.T) {
	failed := func(edit func(r *model.Request)) func(*model.Request) {
		return func(r *model.Request) {
			r.Outcome = model.OutcomeError
			edit(r)
		}
	}
	incomplete := func(reason string) func(*model.Request) {
		return func(r *model.Request) {
			r.HTTP, r.Outcome, r.Reason = &model.HTTP{Method: "GET"}, model.OutcomeIncomplete, reason
		}
	}
	for _, tt := range []struct {
		what        string
		role        model.Role
		edit        func(r *model.Request)
		status      SpanStatus
		description string
	}{
		{"answer that was reset", model.RoleServer, incomplete("connection_reset"), StatusError, ""},
		{"connection closed without an answer", model.RoleClient, incomplete("connection_closed"), StatusError, ""},
		{"no answer in time", model.RoleClient, incomplete("timeout"), StatusError, ""},
		{"request that the client gave up", model.RoleServer, incomplete("client_closed"), StatusUnset, ""},
		{"request that the client cancelled", model.RoleClient, incomplete("cancelled"), StatusUnset, ""},
		{"end of the capture", model.RoleServer, incomplete("capture_ended"), StatusUnset, ""},
		{"sonde stopped", model.RoleServer, incomplete("agent_stopped"), StatusUnset, ""},
		{"bytes that were lost", model.RoleServer, incomplete("lost"), StatusUnset, ""},
		{"query that failed", model.RoleClient, failed(func(r *model.Request) {
			r.DB, r.ErrorType = &model.DB{System: "mysql", Status: "1146", Message: "ER_NO_SUCH_TABLE"}, "1146"
		}), StatusError, "ER_NO_SUCH_TABLE"},
		{"query that did not", model.RoleClient, func(r *model.Request) { r.DB = &model.DB{Message: "x"} }, StatusUnset, ""},
		{"name that does not exist, asked for", model.RoleClient, failed(func(r *model.Request) {
			r.DNS, r.ErrorType = &model.DNS{}, "nxdomain"
		}), StatusError, ""},
		{"name that does not exist, at the server", model.RoleServer, failed(func(r *model.Request) {
			r.DNS, r.ErrorType = &model.DNS{}, "nxdomain"
		}), StatusUnset, ""},
		{"name server that fails", model.RoleServer, failed(func(r *model.Request) {
			r.DNS, r.ErrorType = &model.DNS{}, "servfail"
		}), StatusError, ""},
		{"message that was refused", model.RoleClient, failed(func(r *model.Request) { r.Messaging = &model.Messaging{} }), StatusError, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			r := request(tt.role, tt.edit)
			status, description := StatusOf(r)
			if status != tt.status || description != tt.description {
				t.Errorf("%v %q, want %v %q", status, description, tt.status, tt.description)
			}
			got, w := collected{}, SpanWalker{}
			w.Visit(r, got)
			if (got[KeyErrorType] != "") != (status == StatusError) || got[KeyReason] != r.Reason {
				t.Errorf("status %v, error.type %q, reason %q", status, got[KeyErrorType], got[KeyReason])
			}
		})
	}
}

func TestSpanAttributesDifferFromThoseOfJSON(t *testing.T) {
	http := func(role model.Role) *model.Request {
		return request(role, func(r *model.Request) {
			r.HTTP = &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: "/a/7", Route: "/a/{id}", Query: "q=1", Host: "h:81", Status: 200}
		})
	}
	rpc := request(model.RoleServer, func(r *model.Request) {
		r.HTTP, r.RPC = &model.HTTP{}, &model.RPC{Method: "made/up", Status: 12}
	})
	one := func(n int) *model.Request {
		return request(model.RoleClient, func(r *model.Request) { r.Messaging = &model.Messaging{API: "Fetch", Messages: n, Partition: -1} })
	}
	for _, tt := range []struct {
		what    string
		request *model.Request
		key     string
		want    string // "" for absent
	}{
		{"server has its path", http(model.RoleServer), KeyURLPath, "/a/7"},
		{"server has no full URL", http(model.RoleServer), KeyURLFull, ""},
		{"server has a route", http(model.RoleServer), KeyRoute, "/a/{id}"},
		{"server has its client", http(model.RoleServer), KeyClientAddress, "10.0.0.1"},
		{"client has the path in the URL alone", http(model.RoleClient), KeyURLPath, ""},
		{"client has the query in the URL alone", http(model.RoleClient), KeyURLQuery, ""},
		{"client has the URL", http(model.RoleClient), KeyURLFull, "http://h:81/a/7?q=REDACTED"},
		{"client has a template", http(model.RoleClient), KeyURLTemplate, "/a/{id}"},
		{"client has no route", http(model.RoleClient), KeyRoute, ""},
		{"client has no client", http(model.RoleClient), KeyClientAddress, ""},
		{"method that does not exist", rpc, KeyRPCMethod, "_OTHER"},
		{"its name", rpc, KeyRPCMethodOriginal, "made/up"},
		{"method that was not seen", request(model.RoleServer, func(r *model.Request) { r.HTTP = &model.HTTP{Status: 200} }), KeyMethod, "_OTHER"},
		{"gRPC method that was not seen", request(model.RoleServer, func(r *model.Request) { r.RPC = &model.RPC{Status: -1} }), KeyRPCMethod, "_OTHER"},
		{"one message is no batch", one(1), KeyBatchCount, ""},
		{"command without an operation goes by its name", one(1), KeyMessagingOp, "Fetch"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got := collected{}
			var w SpanWalker
			w.Visit(tt.request, got)
			if got[tt.key] != tt.want {
				t.Errorf("%s is %q, want %q", tt.key, got[tt.key], tt.want)
			}
		})
	}
}

func TestKnownMethodsCanBeOthers(t *testing.T) {
	r := request(model.RoleServer, func(r *model.Request) { r.HTTP = &model.HTTP{Method: "PURGE", Route: "/a"} })
	for _, tt := range []struct {
		methods         Methods
		name, attribute string
	}{
		{nil, "HTTP /a", "_OTHER"}, {Methods{"GET", "PURGE"}, "PURGE /a", "PURGE"}, {Methods{}, "HTTP /a", "_OTHER"},
	} {
		got, w := collected{}, SpanWalker{Methods: tt.methods}
		w.Visit(r, got)
		if name := string(tt.methods.AppendSpanName(nil, r)); name != tt.name || got[KeyMethod] != tt.attribute {
			t.Errorf("%v: %q, %q", tt.methods, name, got[KeyMethod])
		}
	}
}

// collected keeps the texts that a walker tells; everything else is there as "set".
type collected map[string]string

func (c collected) String(key, value string)          { c[key] = value }
func (c collected) Bytes(key string, value []byte)    { c[key] = string(value) }
func (c collected) Int(key string, _ int64)           { c[key] = "set" }
func (c collected) Uint(key string, _ uint64)         { c[key] = "set" }
func (c collected) Bool(key string, _ bool)           { c[key] = "set" }
func (c collected) Addr(key string, value netip.Addr) { c[key] = value.String() }
func (c collected) Strings(key string, _ []string)    { c[key] = "set" }
func (c collected) Uints(key string, _ []uint32)      { c[key] = "set" }
func (c collected) Addrs(key string, _ []netip.Addr)  { c[key] = "set" }

func TestParsePairsTakesThePercentEncodedForm(t *testing.T) {
	got, err := ParsePairs("a=1,b=x%2Cy, c = d ,a=2,,")
	if err != nil || len(got) != 3 || got[0] != (Pair{"b", "x,y"}) || got[1] != (Pair{"c", "d"}) || got[2] != (Pair{"a", "2"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"novalue", "=v", "a=%zz"} {
		if got, err := ParsePairs(bad); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestLanguageComesFromTheNamesOfInterpretersAlone(t *testing.T) {
	for executable, want := range map[string]string{
		"python3.11": "python", "node": "nodejs", "java": "java", "ruby3.1": "ruby", "php-fpm8.2": "php", "beam.smp": "erlang",
		"node-exporter": "", "javad": "", "nginx": "", "": "",
	} {
		if got := language(executable); got != want {
			t.Errorf("%q is %q, want %q", executable, got, want)
		}
	}
}
