// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sonde/agent/model"
	"sonde/testbed/reviewed"
)

var testClock = model.Clock{Boot: time.Date(2026, 5, 4, 11, 58, 30, 123_456_789, time.UTC)}

func fixedClock() model.Clock { return testClock }

var (
	nginx  = &model.Process{PID: 123, Name: "nginx"}
	curl   = &model.Process{PID: 77, Name: "curl"}
	client = model.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:51234"), Process: curl}
	server = model.Endpoint{Addr: netip.MustParseAddrPort("127.0.0.1:8080"), Process: nginx}
	long6  = model.Endpoint{Addr: netip.MustParseAddrPort("[2001:db8:1234:5678:9abc:def0:1234:5678]:44321")}
)

func requestWith(edit func(r *model.Request)) model.Request {
	r := model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Start: 90 * time.Second, End: 90*time.Second + 1_234_567,
		Client: client, Server: server, RequestBytes: 82, ResponseBytes: 1234,
		HTTP: &model.HTTP{Method: "GET", Path: "/path", Query: "token=secret", Status: 200},
	}
	edit(&r)
	return r
}

func flowWith(edit func(f *model.Flow)) model.Flow {
	f := model.Flow{
		Transport: "tcp", Role: model.RoleClient, State: model.FlowClosed, Client: client, Server: server,
		Start: 88 * time.Second, End: 89*time.Second + 250*time.Millisecond, BytesSent: 10_180, BytesReceived: 3_400,
		TCP: model.TCPFacts{SRTT: 120 * time.Microsecond}, Encryption: "none",
	}
	edit(&f)
	return f
}

var requests = []model.Request{
	requestWith(func(*model.Request) {}),
	requestWith(func(r *model.Request) { r.Role, r.HTTP.Status = model.RoleClient, 304 }),
	requestWith(func(r *model.Request) { r.Role, r.HTTP.Status = model.RoleWire, 101 }),
	requestWith(func(r *model.Request) { r.HTTP.Status, r.HTTP.Method, r.End = 404, "DELETE", r.Start+61*time.Second }),
	requestWith(func(r *model.Request) {
		r.HTTP.Status, r.Outcome, r.ResponseBytes = 503, model.OutcomeError, 200_000_000
	}),
	requestWith(func(r *model.Request) {
		r.Outcome, r.Reason, r.HTTP.Status, r.ResponseBytes = model.OutcomeIncomplete, "connection_closed", 0, 0
	}),
	requestWith(func(r *model.Request) { r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_reset" }),
	requestWith(func(r *model.Request) { r.Outcome, r.HTTP = model.OutcomeError, nil }),
	requestWith(func(r *model.Request) {
		r.HTTP.HeadTruncated, r.HTTP.Path = true, "/"+strings.Repeat("long-", 40)
		r.Client, r.Server.Process = long6, &model.Process{PID: 4_000_000, Name: "a-process-with-a-long-name"}
	}),
	requestWith(func(r *model.Request) {
		r.HTTP.Method, r.HTTP.Path = "\x16\x03\x01", "/\x1b]0;owned\x07 \\ \r\n\t\x00\xff\u009b31m\u202eé世"
		r.Server.Process = &model.Process{PID: 1, Name: "evil\x1b[2J name"}
	}),
	{},
	otherWith(model.ProtocolGRPC, func(r *model.Request) {
		r.HTTP = &model.HTTP{Method: "POST", Path: "/shop.Cart/Add", Status: 200}
		r.RPC, r.Outcome, r.ErrorType = &model.RPC{Method: "shop.Cart/Add", Status: 14}, model.OutcomeError, "UNAVAILABLE"
	}),
	otherWith(model.ProtocolDNS, func(r *model.Request) { r.DNS = &model.DNS{Type: "AAAA", Name: "shop.example", RCode: "NOERROR"} }),
	otherWith(model.ProtocolPostgreSQL, func(r *model.Request) {
		r.DB, r.Outcome = &model.DB{Query: "SELECT *\n\tFROM cart WHERE " + strings.Repeat("x = ? AND ", 20), Status: "42P01"}, model.OutcomeError
	}),
	otherWith(model.ProtocolMongoDB, func(r *model.Request) { r.DB = &model.DB{Operation: "find", Collection: "carts"} }),
	otherWith(model.ProtocolKafka, func(r *model.Request) {
		r.Messaging = &model.Messaging{API: "Produce", Destination: "orders", Partition: 3}
	}),
	otherWith(model.ProtocolNATS, func(r *model.Request) {
		r.OneWay, r.Messaging = true, &model.Messaging{API: "PUB", Destination: "orders.new", Partition: -1}
	}),
	otherWith(model.ProtocolTLS, func(r *model.Request) { r.TLS = &model.TLS{ServerName: "shop.example", Version: "1.3"} }),
	otherWith(model.ProtocolTLS, func(r *model.Request) {
		r.TLS, r.Outcome = &model.TLS{ServerName: "shop.example", Alert: "handshake_failure"}, model.OutcomeError
	}),
	otherWith(model.ProtocolWebSocket, func(r *model.Request) { r.WebSocket = &model.WebSocket{Path: "/chat"} }),
}

func otherWith(p model.Protocol, edit func(r *model.Request)) model.Request {
	return requestWith(func(r *model.Request) {
		r.Protocol, r.HTTP = p, nil
		edit(r)
	})
}

var flows = []model.Flow{
	flowWith(func(*model.Flow) {}),
	flowWith(func(f *model.Flow) {
		f.Role, f.Protocol, f.JoinedMid, f.Start = model.RoleServer, model.ProtocolHTTP, true, 0
	}),
	flowWith(func(f *model.Flow) {
		f.State, f.TCP, f.Encryption = model.FlowReset, model.TCPFacts{Retransmits: 7}, "tls"
	}),
	flowWith(func(f *model.Flow) { f.State, f.Error, f.Server.Process = model.FlowRefused, "ECONNREFUSED", nil }),
	flowWith(func(f *model.Flow) { f.State, f.End = model.FlowActive, 0 }),
	flowWith(func(f *model.Flow) { f.View, f.Interface, f.State = model.ViewInterface, "eth0", model.FlowActive }),
	flowWith(func(f *model.Flow) {
		f.Transport, f.Client.Addr = "icmp", netip.MustParseAddrPort("10.0.0.1:0")
		f.Server = model.Endpoint{Addr: netip.MustParseAddrPort("[fe80::1%e\x1b0]:53")}
	}),
}

var losses = []model.Loss{
	{Where: "ring", What: "records", Count: 12, Time: 90 * time.Second},
	{Where: "ring", What: "requests", Role: model.RoleServer, Count: 3, Time: 90 * time.Second},
}

func written(config Config) string {
	var out bytes.Buffer
	config.Location = time.UTC
	w := NewWriter(&out, fixedClock, config)
	for i := range requests {
		w.Request(&requests[i])
	}
	for i := range flows {
		w.Flow(&flows[i])
	}
	for i := range losses {
		w.Lost(&losses[i])
	}
	w.Flush()
	return out.String()
}

var goldens = []struct {
	file   string
	config Config
}{
	{"compact", Config{}},
	{"compact-colour", Config{Colour: true}},
	{"compact-aligned", Config{Align: true}},
	{"table", Config{Format: Table}},
	{"table-160", Config{Format: Table, Width: 160}},
	{"table-100-colour", Config{Format: Table, Width: 100, Colour: true}},
	{"table-80", Config{Format: Table, Width: 80}},
	{"table-30", Config{Format: Table, Width: 30}},
}

func TestLinesMatchGoldens(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.file, func(t *testing.T) {
			// ESC is shown as the picture that Unicode has for it, so that the golden can be read.
			got := strings.ReplaceAll(written(g.config), "\x1b", "␛")
			path := filepath.Join("testdata", g.file+".golden")
			reviewed.Compare(t, path, got)
		})
	}
}

func TestNothingPrivateIsShown(t *testing.T) {
	for _, g := range goldens {
		if strings.Contains(written(g.config), "secret") {
			t.Errorf("%s shows the value of a query", g.file)
		}
	}
}

func TestOnlyPrintableASCIIAndColoursReachTheTerminal(t *testing.T) {
	for _, g := range goldens {
		out := written(g.config)
		for _, c := range []colour{dim, red, green, yellow, cyan, alarm, reset} {
			if g.config.Colour {
				out = strings.ReplaceAll(out, string(c), "")
			}
		}
		for _, r := range strings.ReplaceAll(out, ellipsis, "") {
			if r != '\n' && (r < ' ' || r > '~') {
				t.Errorf("%s: %q reaches the terminal", g.file, r)
			}
		}
	}
}

func TestTableKeepsToTheWidthOfTheTerminal(t *testing.T) {
	for width := 1; width < 200; width++ {
		for line := range strings.Lines(written(Config{Format: Table, Width: width})) {
			if strings.Contains(line, lossMark) && width < 24 {
				continue // a loss is shown at any width
			}
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("%d columns on a terminal of %d: %q", n, width, line)
			}
		}
	}
}

func TestHeaderIsWrittenOnce(t *testing.T) {
	if n := strings.Count(written(Config{Format: Table}), "PROCESS"); n != 1 {
		t.Errorf("%d headers", n)
	}
	if strings.Contains(written(Config{}), "PROCESS") {
		t.Error("compact lines have a header")
	}
}

func TestConfigRefusesWhatItCannotShow(t *testing.T) {
	for _, c := range []Config{{Format: 9}, {Width: -1}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
	if err := (Config{Format: Table, Width: 80, Colour: true}).Validate(); err != nil {
		t.Error(err)
	}
}
