// SPDX-License-Identifier: Apache-2.0

package page

import (
	"math"
	"strings"
	"time"

	"sonde/agent/view"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// some is a RED of n requests with errors, around the duration d.
func some(n, errors uint64, d time.Duration) view.RED {
	r := view.RED{Count: n, Errors: errors, Rate: float64(n) / 60, P50: d, P95: 3 * d, P99: 10 * d, Max: 20 * d}
	for i := range 20 {
		v := uint32(n) / 20 * uint32(1+i%5) / 5
		r.Spark = append(r.Spark, v)
		var failed uint32
		if i > 15 {
			failed = uint32(errors) / 4
		}
		r.SparkErr = append(r.SparkErr, failed)
	}
	upper := float64(d) / 4
	for i := range 48 {
		upper *= 1.09
		r.Histogram = append(r.Histogram, view.Bucket{Upper: time.Duration(upper), Count: n * uint64(1+i*(48-i)) / 18_000})
	}
	return r
}

// rich is a snapshot of a page with what is usual, and with what hurts: long and wide names, control characters, nothing, and
// numbers without end.
func rich(p view.Page) *view.Snapshot {
	total := some(1_200_000, 321, 3*time.Millisecond)
	s := &view.Snapshot{
		Page: p, Time: noon, Window: time.Minute, Covered: time.Minute, Mode: "live", Rows: 5, Total: &total,
		Overview: view.Overview{Requests: 20_000, Flows: 12},
	}
	idle := view.RED{}
	huge := view.RED{Count: math.MaxUint64, Errors: math.MaxUint64 - 1, Incomplete: math.MaxUint64, Rate: 1e300, P50: math.MaxInt64, P95: math.MaxInt64,
		P99: math.MaxInt64, Max: math.MaxInt64, Spark: []uint32{0, math.MaxUint32}, SparkErr: []uint32{0, 1},
		Histogram: []view.Bucket{{Upper: 1, Count: 1}, {Upper: math.MaxInt64, Count: math.MaxUint64}}}
	s.Services = []view.Service{
		{Name: "frontend", Protocols: []string{"http", "grpc"}, Processes: 4, In: some(740_000, 12, 2*time.Millisecond), Out: some(1_500_000, 300, time.Millisecond), CostNS: 3836, CostCPU: 0.047},
		{Name: "checkout-service-with-a-name-that-does-not-end", Protocols: []string{"http"}, Processes: 1, In: some(6_000, 900, 40*time.Millisecond), Out: some(12_000, 0, 5*time.Millisecond)},
		{Name: "目录服务-カタログ", Protocols: []string{"postgresql"}, Processes: 12, In: some(300, 1, 800*time.Microsecond), Out: idle, CostNS: 912.4, CostCPU: 0.00001},
		{Name: "evil\x1b[2J\r\nname", In: idle, Out: some(2, 2, 20*time.Second)},
		{Name: "huge", Processes: math.MaxInt, In: huge, Out: huge, CostNS: 1e300, CostCPU: math.Inf(1)},
	}
	s.Requests = richRequests()
	s.Routes = []view.Route{
		{Service: "frontend", Operation: "GET /orders/{id}", Protocol: "http", RED: some(700_000, 12, 2*time.Millisecond)},
		{Service: "frontend", Operation: "/shop.checkout.v1.CheckoutService/PlaceOrderWithAllTheThingsThatAreInTheBasket", Protocol: "grpc", RED: some(600, 60, 90*time.Millisecond)},
		{Service: "目录服务", Operation: "SELECT 订单", Protocol: "postgresql", RED: some(3, 0, 900*time.Microsecond)},
		{Service: "evil", Operation: "GET \x1b]0;title\a", Protocol: "http"},
		{Service: "huge", Operation: "(other)", Protocol: "http", RED: huge},
	}
	s.Edges = []view.Edge{
		{Client: "frontend", Server: "checkout", Protocol: "grpc", Encryption: "none", Side: "server", RED: some(60_000, 12, 28*time.Millisecond)},
		{Client: "curl", Server: "frontend", Protocol: "http", Encryption: "tls", Side: "client", RED: some(12_000, 0, 31*time.Millisecond)},
		{Client: "frontend", Server: "redis", Protocol: "redis", Encryption: "none", Side: "server", RED: some(9_000, 0, 80*time.Microsecond)},
		{Client: "checkout-service-with-a-name-that-does-not-end", Server: "目录服务-カタログ", Protocol: "postgresql", Encryption: "mixed", Side: "client", RED: some(300, 150, 4*time.Millisecond)},
		{Client: "frontend", Server: "evil\x1b[2J\rname", Protocol: "http", Side: "wire", RED: huge},
	}
	s.Flows, s.Conns = richFlows(), richConns()
	s.Processes = []view.Process{
		{PID: 812, Name: "frontend", Service: "frontend", Unit: "frontend.service", Path: "/usr/bin/frontend", In: some(740_000, 12, 2*time.Millisecond), Out: some(90_000, 3, time.Millisecond), Conns: 312, TransmitPerS: 3.4e6, ReceivePerS: 812_000},
		{PID: 4_194_304, Name: "目录服务-java-worker-process-long", Service: "catalog", Container: "4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736", In: some(300, 60, time.Second), Conns: 2},
		{PID: math.MaxUint32, Name: "evil\nname", Service: "-", In: huge, Out: huge, Conns: math.MinInt, TransmitPerS: math.NaN(), ReceivePerS: math.Inf(1)},
	}
	s.DNS = []view.DNS{
		{Name: "catalog.default.svc.cluster.local.", RED: some(600, 0, 300*time.Microsecond), RCodes: map[string]uint64{"NOERROR": 588, "NXDOMAIN": 12}, Types: []string{"A", "AAAA"}, Clients: []string{"frontend", "checkout"}, Servers: []string{"10.0.0.10:53"}},
		{Name: "gone.example.org.", RED: some(40, 40, 5*time.Second), RCodes: map[string]uint64{"timeout": 20, "SERVFAIL": 20}, Types: []string{"A"}, Clients: []string{"curl"}, Servers: []string{"10.0.0.10:53", "10.0.0.11:53"}},
		{Name: "a-label-of-sixty-three-characters-is-the-longest-that-there-is.a-label-of-sixty-three-characters-is-the-longest-that-there-is."},
	}
	s.Agent, s.Request = richAgent(), richDetail()
	if p == view.PageTrace {
		s.Requests = s.Requests[:4]
	}
	return s
}

func richFlows() []view.FlowGroup {
	return []view.FlowGroup{
		{Client: "frontend", Server: "checkout", Port: 8080, Transport: "tcp", Protocol: "http", Encryption: "none", View: "socket", Open: 12, Opened: 40, SentPerS: 3.4e6, ReceivedPerS: 12_345,
			Sent: 340_000_000, Received: 1_234_567, Packets: 123_456, SRTT: 240 * time.Microsecond, Retrans: 17},
		{Client: "frontend", Server: "checkout", Port: 8080, Transport: "tcp", View: "interface", Interface: "eth0", Open: 12, SentPerS: 3.5e6, ReceivedPerS: 12_999, Packets: 123_460, Drops: 3},
		{Client: "curl", Server: "2001:db8::dead:beef:1234", Port: 443, Transport: "tcp", Protocol: "tls", Encryption: "tls", View: "socket", Failed: 4, Sent: 100, SRTT: 80 * time.Millisecond},
		{Client: "ping", Server: "192.0.2.1", Transport: "icmp", View: "interface", Interface: "wlan-with-long-name", SentPerS: 0.4},
		{Client: "evil\x1b[2J", Server: "目录服务-カタログ", Port: 65535, Transport: "udp", Protocol: "quic", Encryption: "mixed", View: "socket", Open: math.MaxInt, Opened: math.MaxUint64, Failed: math.MaxUint64,
			SentPerS: math.Inf(1), ReceivedPerS: math.NaN(), Sent: math.MaxUint64, Received: math.MaxUint64, Packets: math.MaxUint64, SRTT: math.MaxInt64, Retrans: math.MaxUint64, Drops: math.MaxUint64},
	}
}

func richConns() []view.Conn {
	return []view.Conn{
		{ID: 4, Client: "frontend", Server: "checkout", ClientAddr: "10.0.0.7:40312", ServerAddr: "10.0.0.8:8080", Role: "client", Transport: "tcp", Protocol: "http", Encryption: "none", State: "active", JoinedMid: true,
			Started: noon.Add(-123 * time.Second), SentPerS: 1234, ReceivedPerS: 98_765, Sent: 123_456, Received: 9_876_543, Packets: 812, SRTT: 240 * time.Microsecond, Requests: 400},
		{ID: 5, Client: "curl", Server: "10.0.0.8:81", ClientAddr: "[2001:db8::dead:beef:1234]:65535", ServerAddr: "10.0.0.8:81", Role: "client", Transport: "tcp", State: "refused", Error: "ECONNREFUSED",
			Started: noon.Add(-10 * time.Second), Ended: noon.Add(-9 * time.Second)},
		{ID: 6, Client: "evil\x1b", Server: "目录", Role: "server", Transport: "udp", State: "closed", Started: noon.Add(-10000 * time.Hour), Ended: noon.Add(-time.Second), Sent: math.MaxUint64, Retrans: math.MaxUint32, Requests: math.MaxUint64},
		{ID: 7, State: "active", Started: noon.Add(time.Hour)},
	}
}

func richDetail() *view.Detail {
	operations := some(700_000, 12, 20*time.Millisecond)
	return &view.Detail{
		Request: richRequests()[1], ClientAddr: "10.0.0.7:40312", ServerAddr: "10.0.0.8:8080", ClientProcess: "frontend[812]",
		Container: "4bf92f3577b34da6a3ce929d0e0e4736", Unit: "frontend.service", Sending: 400 * time.Microsecond, Waiting: 27 * time.Millisecond, Receiving: -1,
		Attributes: []view.KeyValue{{Key: "rpc.system", Value: "grpc"}, {Key: "rpc.method", Value: "shop.checkout.v1.CheckoutService/PlaceOrder"}, {Key: "evil\x1b", Value: "\x00 目录服务 " + strings.Repeat("long ", 40)}},
		Operations: &operations,
	}
}

func richAgent() *view.Agent {
	return &view.Agent{
		Version: "0.4.0", Kernel: "6.18.2", Uptime: 93 * time.Minute, Coverage: 0.99991, CPU: 0.043, ProbeCPU: 0.081, Events: 41_234, Viewers: 2,
		Hooks:     []view.Hook{{Probe: "conn", Hook: "tp_btf/inet_sock_set_state", Why: "the cheapest one of this kernel"}, {Probe: "payload", Hook: "fexit/tcp_sendmsg"}},
		Programs:  []view.Program{{Name: "payload_read", RunsPerS: 80_123, NSPerRun: 412.7, CPU: 0.033}, {Name: "conn_close", RunsPerS: 0.01, NSPerRun: 1e4, CPU: 0.00001}, {Name: "idle"}},
		Queues:    []view.Queue{{Name: "spans", Depth: 812, Capacity: 4096}, {Name: "prometheus", Depth: 4000, Capacity: 4096, Dropped: 17}, {Name: "unbounded", Depth: math.MaxUint64}},
		Exporters: []view.Exporter{{Type: "otlp", Exported: 123_456, Failed: 3}, {Type: "prometheus", Exported: 12}},
		Losses:    []view.Count{{Name: "ring buffer full"}, {Name: "requests dropped by a slow exporter with a long name", Count: 17}, {Name: "streams resynchronised", Count: math.MaxUint64}},
		Drops:     []view.Count{{Name: "NO_SOCKET", Count: 12}, {Name: "TCP_INVALID_SEQUENCE", Count: 3}},
		Memory:    []view.Count{{Name: "resident", Count: 31_400_000}, {Name: "streams", Count: 1_200_000}},
		Conns:     []view.Count{{Name: "open", Count: 10_000}, {Name: "joined mid-stream", Count: 31}},
	}
}

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

func richRequests() []view.Request {
	return []view.Request{
		{ID: 9, Time: noon, Duration: 31_400 * time.Microsecond, Protocol: "http", Role: "server", Client: "10.0.0.7", Server: "frontend", Target: "GET /orders/17", Status: "200",
			Outcome: "ok", BytesIn: 312, BytesOut: 48_213, SRTT: 240 * time.Microsecond, Conn: 4, TraceID: traceID, SpanID: "00f067aa0ba902b7", PID: 812, Operation: "GET /orders/{id}"},
		{ID: 8, Time: noon.Add(2 * time.Millisecond), Duration: 28 * time.Millisecond, Protocol: "grpc", Role: "client", Client: "frontend", Server: "checkout-service-with-a-name-that-does-not-end",
			Target: "/shop.checkout.v1.CheckoutService/PlaceOrderWithAllTheThingsThatAreInTheBasketOfTheCustomer", Status: "UNAVAILABLE", Outcome: "error", Reason: "status", Error: "UNAVAILABLE",
			BytesIn: 2_000, BytesOut: 0, SRTT: 80 * time.Millisecond, Retrans: 3, Conn: 5, TraceID: traceID, SpanID: "11f067aa0ba902b7", ParentID: "00f067aa0ba902b7", Evidence: "thread", Depth: 1, PID: 812},
		{ID: 7, Time: noon.Add(9 * time.Millisecond), Duration: 12 * time.Millisecond, Protocol: "postgresql", Role: "client", Client: "checkout", Server: "目录服务-カタログ", Target: "SELECT 订单 WHERE id = ?", Status: "-",
			Outcome: "ok", Slow: true, BytesIn: 80, BytesOut: 3_400_000_000, Conn: 6, TraceID: traceID, SpanID: "22f067aa0ba902b7", ParentID: "11f067aa0ba902b7", Evidence: "parent_goroutine", Depth: 2},
		{ID: 6, Time: noon.Add(31 * time.Millisecond), Duration: 20 * time.Microsecond, Protocol: "redis", Role: "wire", Client: "evil\x1b[31m", Server: "10.1.2.3", Target: "GET \x00\x07\u202ekey", Outcome: "incomplete", EndUnseen: true, Reason: "closed",
			TraceID: traceID, SpanID: "33f067aa0ba902b7", ParentID: "00f067aa0ba902b7", Evidence: "header", Depth: 1},
		{ID: math.MaxUint64, Time: noon.Add(31 * time.Millisecond), Duration: math.MaxInt64, Protocol: "kafka", Outcome: "ok", Status: "1234567890123456", BytesIn: math.MaxUint64 / 2, BytesOut: math.MaxUint64 / 2,
			Retrans: math.MaxUint32, SRTT: math.MaxInt64, Depth: 100},
	}
}
