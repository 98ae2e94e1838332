// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/testbed/reviewed"
)

var testClock = model.Clock{Boot: time.Date(2026, 5, 4, 3, 2, 1, 0, time.FixedZone("", 3600))}

var (
	nginx  = &model.Process{PID: 4242, Name: "nginx", ContainerID: strings.Repeat("ab", 32), ServiceName: "nginx"}
	curl   = &model.Process{PID: 77, Name: "curl", ServiceName: "curl"}
	client = model.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:51234"), Process: curl}
	server = model.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:8080"), Process: nginx}
)

func okRequest() model.Request {
	return model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK,
		Start: 90 * time.Second, RequestEnd: 90*time.Second + 1000, ResponseStart: 90*time.Second + 1_200_000,
		End: 90*time.Second + 1_234_567, Client: client, Server: server, RequestBytes: 82, ResponseBytes: 1234,
		HTTP: &model.HTTP{
			Version: "1.1", Method: "GET", Scheme: "http", Path: "/path", Host: "shop.example:8080",
			UserAgent: "curl/8.5.0", Status: 200, ResponseBodyBytes: 1024,
		},
	}
}

// place is one in a trace.
func place(e model.Evidence) (s model.Span) {
	s.TraceID, s.SpanID, s.Evidence = model.TraceID{0: 0xab, 15: 1}, model.SpanID{7: 2}, e
	if e != model.EvidenceNone {
		s.Parent = model.SpanID{7: 3}
	}
	return s
}

// requestWith is a server's answered request, changed by edit.
func requestWith(edit func(r *model.Request)) model.Request {
	r := okRequest()
	edit(&r)
	return r
}

// detailWith is an answered request of another protocol than HTTP.
func detailWith(p model.Protocol, edit func(r *model.Request)) model.Request {
	return requestWith(func(r *model.Request) {
		r.HTTP, r.Protocol, r.Role = nil, p, model.RoleClient
		edit(r)
	})
}

var requestCases = []struct {
	name    string
	request model.Request
}{
	{"request at the server", okRequest()},
	{"the same request at the client", requestWith(func(r *model.Request) { r.Role = model.RoleClient })},
	{"request in a capture file", requestWith(func(r *model.Request) {
		r.Role, r.Client.Process, r.Server.Process = model.RoleWire, nil, nil
	})},
	{"request without a parent", requestWith(func(r *model.Request) { r.Span = place(model.EvidenceNone) })},
	{"request with a parent", requestWith(func(r *model.Request) { r.Span = place(model.EvidenceParentGoroutine) })},
	{"values of a query are redacted", requestWith(func(r *model.Request) { r.HTTP.Query = "q=secret&flag&empty=&a=b=c;d=e&" })},
	{"values of a query and credentials are redacted in the full URL", requestWith(func(r *model.Request) {
		r.Role, r.HTTP.Host, r.HTTP.Query = model.RoleClient, "user:secret@shop.example", "X-Amz-Signature=secret"
	})},
	{"unknown method", requestWith(func(r *model.Request) { r.HTTP.Method = "BREW" })},
	{"method in lower case is another method", requestWith(func(r *model.Request) { r.HTTP.Method = "get" })},
	{"404 is no error of the server", requestWith(func(r *model.Request) { r.HTTP.Status = 404 })},
	{"404 is an error of the client", requestWith(func(r *model.Request) {
		r.Role, r.HTTP.Status, r.Outcome = model.RoleClient, 404, model.OutcomeError
	})},
	{"500 is an error of the server", requestWith(func(r *model.Request) { r.HTTP.Status, r.Outcome = 500, model.OutcomeError })},
	{"client that leaves before the answer", requestWith(func(r *model.Request) {
		r.Outcome, r.Reason, r.ResponseStart, r.ResponseBytes = model.OutcomeIncomplete, "connection_closed", 0, 0
		r.HTTP.Status, r.HTTP.ResponseBodyBytes = 0, 0
	})},
	{"reset before the answer", requestWith(func(r *model.Request) {
		r.Outcome, r.Reason, r.ResponseStart, r.HTTP.Status = model.OutcomeIncomplete, "connection_reset", 0, 0
	})},
	{"reset after an answer of 503", requestWith(func(r *model.Request) {
		r.Outcome, r.Reason, r.HTTP.Status = model.OutcomeIncomplete, "connection_reset", 503
	})},
	{"timeout in place of an answer", requestWith(func(r *model.Request) {
		r.Outcome, r.Reason, r.HTTP.Status = model.OutcomeError, "timeout", 0
	})},
	{"incomplete without a reason", requestWith(func(r *model.Request) { r.Outcome = model.OutcomeIncomplete })},
	{"a status that is none", requestWith(func(r *model.Request) { r.HTTP.Status = 42 })},
	{"error without a status", requestWith(func(r *model.Request) { r.Outcome, r.HTTP.Status = model.OutcomeError, 0 })},
	{"head longer than captured", requestWith(func(r *model.Request) { r.HTTP.HeadTruncated, r.HTTP.UserAgent = true, "" })},
	{"answer whose request line was not seen", requestWith(func(r *model.Request) {
		r.Role = model.RoleClient
		r.HTTP = &model.HTTP{Version: "1.1", Scheme: "http", Status: 200}
	})},
	{"request without a host", requestWith(func(r *model.Request) {
		r.Role, r.HTTP.Host, r.HTTP.Version = model.RoleClient, "", "1.0"
	})},
	{"host without a port", requestWith(func(r *model.Request) { r.HTTP.Host = "shop.example" })},
	{"host without a port over TLS", requestWith(func(r *model.Request) { r.HTTP.Host, r.HTTP.Scheme = "shop.example", "https" })},
	{"host that is an IPv6 address", requestWith(func(r *model.Request) { r.Role, r.HTTP.Host = model.RoleClient, "[2001:db8::1]:81" })},
	{"host that is an IPv6 address without a port", requestWith(func(r *model.Request) { r.HTTP.Host = "[::1]" })},
	{"host with a port that is none", requestWith(func(r *model.Request) { r.HTTP.Host = "shop.example:99999" })},
	{"CONNECT has no path", requestWith(func(r *model.Request) {
		r.Role, r.HTTP.Method, r.HTTP.Path, r.HTTP.Host = model.RoleClient, "CONNECT", "", "db.example:5432"
	})},
	{"OPTIONS *", requestWith(func(r *model.Request) { r.Role, r.HTTP.Method, r.HTTP.Path = model.RoleClient, "OPTIONS", "*" })},
	{"target that cannot follow a host", requestWith(func(r *model.Request) { r.Role, r.HTTP.Path = model.RoleClient, "nonsense" })},
	{"IPv6 and a scoped address", requestWith(func(r *model.Request) {
		r.Client.Addr, r.Server.Addr = netip.MustParseAddrPort(`[fe80::1%e"0]:40000`), netip.MustParseAddrPort("[::1]:80")
		r.HTTP.Host = ""
	})},
	{"nothing known", model.Request{}},
	{"gRPC call", requestWith(func(r *model.Request) {
		r.Protocol, r.Role, r.Outcome, r.ErrorType = model.ProtocolGRPC, model.RoleClient, model.OutcomeError, "UNAVAILABLE"
		r.RPC = &model.RPC{
			Method: "shop.Cart/Add", Status: 14, StatusInferred: true, Message: "try again", Timeout: time.Second, RequestMessages: 1,
			FirstMessage: 90*time.Second + 5000, MessagesUncounted: true,
		}
	})},
	{"gRPC call answered by a proxy", requestWith(func(r *model.Request) {
		r.Protocol, r.HTTP.Status, r.RPC = model.ProtocolGRPC, 503, &model.RPC{Status: -1}
	})},
	{"DNS query", detailWith(model.ProtocolDNS, func(r *model.Request) {
		r.Transport = model.TransportUDP
		r.DNS = &model.DNS{
			ID: 7, Name: "shop.example", Type: "A", Class: "IN", Opcode: "QUERY", RCode: "NOERROR",
			Answers: []string{"www.shop.example", "10.0.0.7"}, TTLs: []uint32{300, 60}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")},
		}
	})},
	{"DNS name that does not exist", detailWith(model.ProtocolDNS, func(r *model.Request) {
		r.Outcome, r.ErrorType = model.OutcomeError, "nxdomain"
		r.DNS = &model.DNS{Name: "gone\xff", Type: "AAAA", Class: "CH", Opcode: "UPDATE", RCode: "NXDOMAIN", Retries: 2, Truncated: true, Authoritative: true}
	})},
	{"SQL query", detailWith(model.ProtocolPostgreSQL, func(r *model.Request) {
		r.DB = &model.DB{
			System: "postgresql", Command: "Query", Namespace: "shop", Summary: "SELECT cart", Query: "SELECT * FROM cart WHERE id = ?",
			Rows: 0, RowsKnown: true, User: "app", QueryCut: true, Statement: "S_1", RequestID: 7,
		}
	})},
	{"SQL error", detailWith(model.ProtocolMySQL, func(r *model.Request) {
		r.Outcome, r.ErrorType = model.OutcomeError, "1146"
		r.DB = &model.DB{System: "mysql", Command: "COM_QUERY", Status: "1146", Message: "ER_NO_SUCH_TABLE", Batch: 1}
	})},
	{"pipeline of commands", detailWith(model.ProtocolRedis, func(r *model.Request) {
		r.DB = &model.DB{
			System: "redis", Operation: "SET", Query: "SET key ?", Batch: 2, Rows: 3, RowsKnown: true, RowsAffected: true,
			Procedure: "f", Collection: "c",
		}
	})},
	{"message to a topic", detailWith(model.ProtocolKafka, func(r *model.Request) {
		r.Messaging = &model.Messaging{
			System: "kafka", API: "Produce", APIVersion: 0, CorrelationID: 0, Operation: "send", OperationType: "send",
			Destination: "orders", Destinations: 2, Partition: 0, Group: "g", ClientID: "c", Messages: 0, Offset: 0, BodyBytes: 12, QoS: -1,
		}
	})},
	{"message without an answer", detailWith(model.ProtocolMQTT, func(r *model.Request) {
		r.OneWay, r.ResponseStart, r.ResponseBytes = true, 0, 0
		r.Messaging = &model.Messaging{
			System: "mqtt", API: "PUBLISH", APIVersion: -1, CorrelationID: -1, Partition: -1, Messages: 1, Offset: -1, QoS: 0, PacketID: 3,
			RoutingKey: "k",
		}
	})},
	{"WebSocket session", detailWith(model.ProtocolWebSocket, func(r *model.Request) {
		r.WebSocket = &model.WebSocket{
			Path: "/chat", Host: "shop.example", Subprotocol: "v1", MessagesSent: 2, CloseCode: 1000, MessagesUncounted: true,
		}
	})},
	{"TLS handshake", detailWith(model.ProtocolTLS, func(r *model.Request) {
		r.TLS = &model.TLS{
			Version: "1.3", Offered: []string{"1.3", "1.2"}, ServerName: "shop.example", ALPN: []string{"h2"}, Cipher: "TLS_AES_128_GCM_SHA256",
			Curve: "x25519", Resumed: true, Retried: true, Established: true, NextProto: "h2",
		}
	})},
	{"TLS handshake that failed", detailWith(model.ProtocolQUIC, func(r *model.Request) {
		r.Outcome, r.ErrorType = model.OutcomeError, "handshake_failure"
		r.TLS = &model.TLS{Alert: "handshake_failure", AlertFrom: "server", QUICVersion: "1"}
	})},
	{"hostile text", requestWith(func(r *model.Request) {
		r.HTTP.Path = "/\x1b]0;owned\x07\x7f\"\\\n\r\t\x00\xff\u009b31m\u202e\u2028é世\U000e0001"
		r.HTTP.UserAgent, r.HTTP.Method, r.HTTP.Query = "\xc3", "\x16\x03\x01", "\x1b[2J=\xff"
		r.Server.Process = &model.Process{Name: "we\"ird\n"}
	})},
}

func okFlow() model.Flow {
	return model.Flow{
		Transport: "tcp", Role: model.RoleClient, State: model.FlowClosed, Client: client, Server: server,
		Protocol: model.ProtocolHTTP, Start: time.Second, End: 2*time.Second + 200*time.Millisecond,
		PacketsSent: 12, PacketsReceived: 9, BytesSent: 10_100, BytesReceived: 3_400,
		TCP: model.TCPFacts{SRTT: 120 * time.Microsecond, Retransmits: 1}, Encryption: "none",
	}
}

func flowWith(edit func(f *model.Flow)) model.Flow {
	f := okFlow()
	edit(&f)
	return f
}

var flowCases = []struct {
	name string
	flow model.Flow
}{
	{"closed connection", okFlow()},
	{"connection older than the agent", flowWith(func(f *model.Flow) { f.JoinedMid, f.Start, f.State = true, 0, model.FlowActive })},
	{"refused connection", flowWith(func(f *model.Flow) {
		*f = model.Flow{
			Transport: "tcp", Role: model.RoleClient, State: model.FlowRefused, Error: "ECONNREFUSED", Client: client,
			Server: model.Endpoint{Addr: server.Addr}, Start: time.Second, End: time.Second,
		}
	})},
	{"packets on an interface", flowWith(func(f *model.Flow) {
		f.View, f.Interface, f.Role, f.Client.Process, f.Server.Process = model.ViewInterface, "eth0", model.RoleUnknown, nil, nil
		f.State, f.TCPFlags, f.Encryption = model.FlowActive, 0x1b, ""
	})},
	{"datagrams", flowWith(func(f *model.Flow) {
		f.Transport, f.Protocol, f.TCP, f.State, f.Encryption = "udp", 0, model.TCPFacts{}, model.FlowActive, ""
	})},
	{"echo has no ports", flowWith(func(f *model.Flow) {
		f.Transport, f.View, f.Interface, f.Protocol = "ipv6-icmp", model.ViewInterface, "wg\"0", 0
		f.Client = model.Endpoint{Addr: netip.MustParseAddrPort("[2001:db8::1]:0")}
		f.Server = model.Endpoint{Addr: netip.MustParseAddrPort("[2001:db8::2]:0")}
	})},
	{"counters of 64 bits", flowWith(func(f *model.Flow) { f.BytesSent, f.PacketsReceived = 1<<64-1, 1<<63 })},
}

var lossCases = []struct {
	name string
	loss model.Loss
}{
	{"records lost in the ring", model.Loss{Where: "ring", What: "records", Count: 12, Time: time.Minute}},
	{"requests lost at the server", model.Loss{Where: "ring", What: "requests", Role: model.RoleServer, Count: 3}},
	{"loss at an unnamed place", model.Loss{Count: 1<<64 - 1}},
}

// generated returns a comment and a line for each case.
func generated() (names []string, lines [][]byte) {
	add := func(name string, line []byte) { names, lines = append(names, name), append(lines, line) }
	for _, c := range requestCases {
		add(c.name, AppendRequest(nil, &c.request, testClock))
	}
	for _, c := range flowCases {
		add(c.name, AppendFlow(nil, &c.flow, testClock))
	}
	for _, c := range lossCases {
		add(c.name, AppendLoss(nil, &c.loss, testClock))
	}
	return names, lines
}

func TestEveryLineFollowsTheSchema(t *testing.T) {
	s := compiledSchema(t)
	names, lines := generated()
	for i := range lines {
		t.Run(names[i], func(t *testing.T) { validate(t, s, lines[i]) })
	}
}

func TestLinesMatchGolden(t *testing.T) {
	var got bytes.Buffer
	names, lines := generated()
	for i, line := range lines {
		got.WriteString("# " + names[i] + "\n")
		got.Write(append(line, "\n\n"...))
	}
	golden := filepath.Join("testdata", "lines.golden")
	reviewed.Compare(t, golden, got.String())
}

func TestNothingSecretIsWritten(t *testing.T) {
	_, lines := generated()
	for _, line := range lines {
		if bytes.Contains(line, []byte("secret")) {
			t.Errorf("a secret leaves the process: %s", line)
		}
	}
}

func TestNoControlCharacterIsWritten(t *testing.T) {
	_, lines := generated()
	for _, line := range lines {
		for _, r := range string(line) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' {
				t.Errorf("%U is written raw: %s", r, line)
			}
		}
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, c := range requestCases {
		if c.request.Client.Addr.Addr().Zone() != "" {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { buf = AppendRequest(buf[:0], &c.request, testClock) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	f, l := okFlow(), lossCases[0].loss
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendLoss(AppendFlow(buf[:0], &f, testClock), &l, testClock)
	}); n != 0 {
		t.Errorf("flow and loss: %v allocations", n)
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	r := okRequest()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRequest(buf[:0], &r, testClock)
	}
	b.SetBytes(int64(len(buf)))
}
