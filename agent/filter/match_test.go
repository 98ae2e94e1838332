// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

var (
	curl  = &model.Process{PID: 100, Name: "curl", ServiceName: "curl"}
	nginx = &model.Process{PID: 200, Name: "nginx", ServiceName: "nginx"}
)

// request is GET /api/users?id=7 of curl to nginx, seen at the server; change alters it.
func request(change func(*model.Request)) *model.Request {
	r := &model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK,
		Client: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.7:40000"), Process: curl},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("10.1.0.8:8080"), Process: nginx},
		HTTP:   &model.HTTP{Method: "GET", Path: "/api/users", Query: "id=7", Status: 200},
	}
	if change != nil {
		change(r)
	}
	return r
}

func flow(change func(*model.Flow)) *model.Flow {
	f := &model.Flow{
		Transport: "tcp", Role: model.RoleClient, Protocol: model.ProtocolHTTP,
		Client: model.Endpoint{Addr: netip.MustParseAddrPort("[fd00::7]:40000"), Process: curl},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("[fd00::8]:8080")},
	}
	if change != nil {
		change(f)
	}
	return f
}

// compiled compiles a command line such as "--port 80 --not --process curl".
func compiled(t testing.TB, line string) *Filter {
	t.Helper()
	f, err := compileLine(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return f
}

func compileLine(line string) (*Filter, error) {
	var args Arguments
	words := strings.Fields(line)
	for i := 0; i < len(words); i++ {
		name := strings.TrimPrefix(words[i], "--")
		if name == "not" {
			args.Not()
			continue
		}
		i++
		if err := args.Set(name, words[i]); err != nil {
			return nil, err
		}
	}
	cfg, err := args.Config()
	if err != nil {
		return nil, err
	}
	return Compile(cfg)
}

var plain = request(nil)

var (
	query = request(func(r *model.Request) {
		r.Protocol, r.HTTP, r.Role, r.Transport = model.ProtocolDNS, nil, model.RoleClient, model.TransportUDP
		r.DNS = &model.DNS{Name: "Shop.Example", Type: "AAAA", RCode: "NXDOMAIN"}
	})
	command = request(func(r *model.Request) {
		r.Protocol, r.HTTP = model.ProtocolPostgreSQL, nil
		r.DB = &model.DB{System: "postgresql", Summary: "SELECT cart", Namespace: "shop|public", Status: "42P01"}
	})
	contained = request(func(r *model.Request) {
		r.Server.Process = &model.Process{PID: 300, Name: "node", ServiceName: "shop-cart", ContainerID: "3f4a9c0d21be", Unit: "docker.service"}
	})
	traced = request(func(r *model.Request) {
		r.Span.TraceID = model.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}
	})
	slow = request(func(r *model.Request) { r.Start, r.End = time.Second, 2*time.Second })
)

var requestFilters = []struct {
	name string
	line string
	in   *model.Request
	want bool
}{
	{"no filter", "", plain, true},
	{"protocol", "--protocol http", plain, true},
	{"protocol in capitals", "--protocol HTTP", plain, true},
	{"transport below the protocol", "--protocol tcp", plain, true},
	{"other transport", "--protocol udp", plain, false},
	{"alternatives of one flag", "--protocol udp --protocol http", plain, true},

	{"port of the server", "--port 8080", plain, true},
	{"port of the client", "--port 40000", plain, true},
	{"other port", "--port 80", plain, false},
	{"ports with a comma", "--port 80,8080", plain, true},

	{"address", "--ip 10.0.0.7", plain, true},
	{"prefix", "--ip 10.1.0.0/16", plain, true},
	{"prefix with host bits", "--ip 10.1.2.3/16", plain, true},
	{"mapped address", "--ip ::ffff:10.0.0.7", plain, true},
	{"address beside it", "--ip 10.0.0.8", plain, false},
	{"every IPv6 address", "--ip ::/0", plain, false},
	{"zone of a link-local address", "--ip fe80::/10", request(func(r *model.Request) {
		r.Client.Addr = netip.MustParseAddrPort("[fe80::1%eth0]:1")
	}), true},

	{"pid of the observed server", "--pid 200", plain, true},
	{"pid of the other end", "--pid 100", plain, false},
	{"pid of the observed client", "--pid 100", request(func(r *model.Request) { r.Role = model.RoleClient }), true},
	{"pid on the wire, client", "--pid 100", request(func(r *model.Request) { r.Role = model.RoleWire }), true},
	{"pid on the wire, server", "--pid 200", request(func(r *model.Request) { r.Role = model.RoleWire }), true},
	{"pid unknown", "--pid 200", request(func(r *model.Request) { r.Server.Process = nil }), false},

	{"port at the client", "--from-port 40000", plain, true},
	{"port at the wrong end", "--from-port 8080", plain, false},
	{"port at the server", "--to-port 8080", plain, true},
	{"ports of both ends", "--from-port 40000 --to-port 8080", plain, true},
	{"denied port of the other end", "--not --to-port 40000", plain, true},
	{"address of the client", "--from-ip 10.0.0.0/16", plain, true},
	{"address of the server", "--to-ip 10.0.0.0/16", plain, false},

	{"process at the client", "--from-process curl", plain, true},
	{"process at the wrong end", "--to-process curl", plain, false},
	{"service", "--service shop-*", contained, true},
	{"service is not the process", "--service node", contained, false},
	{"service at the client", "--from-service shop-cart", contained, false},
	{"service at the server", "--to-service shop-cart", contained, true},
	{"service at neither known end", "--to-service *", request(func(r *model.Request) { r.Server.Process = nil }), false},
	{"container by its beginning", "--container 3F4A", contained, true},
	{"container in full", "--container 3f4a9c0d21be", contained, true},
	{"more than the container", "--container 3f4a9c0d21beff", contained, false},
	{"no container", "--container 3f4a", plain, false},
	{"not denied without a container", "--not --container 3f4a", plain, true},

	{"name in any case", "--dns-name shop.EXAMPLE", query, true},
	{"name with the final dot", "--dns-name shop.example.", query, true},
	{"name by pattern", "--dns-name *.example", query, true},
	{"part of a dns name", "--dns-name example", query, false},
	{"no query", "--dns-name *", plain, false},
	{"trace", "--trace-id " + traceID, traced, true},
	{"trace in capitals", "--trace-id 4BF92F3577B34DA6A3CE929D0E0E4736", traced, true},
	{"no trace", "--trace-id " + traceID, plain, false},
	{"slow", "--min-duration 1s", slow, true},
	{"not slow enough", "--min-duration 1001ms", slow, false},
	{"the shortest duration decides", "--min-duration 1h,1s", slow, true},
	{"fast enough", "--not --min-duration 1s", plain, true},

	{"text of a path", "--text API/Users", plain, true},
	{"text of a process", "--text ngin", plain, true},
	{"text of an address", "--text 10.1.0.8:80", plain, true},
	{"text of a status", "--text 200", plain, true},
	{"text of a protocol", "--text http", plain, true},
	{"text of a service", "--text shop-c", contained, true},
	{"text of a unit", "--text docker", contained, true},
	{"text of a name", "--text shop.ex", query, true},
	{"text of an answer", "--text nxdomain", query, true},
	{"text of a summary", "--text cart", command, true},
	{"text of a namespace", "--text public", command, true},
	{"text of an error", "--text 42p01", command, true},
	{"text that is nowhere", "--text redis", plain, false},
	{"text never spans two fields", "--text nginxnginx", plain, false},
	{"no text of the query", "--text id=7", plain, false},
	{"all texts must be there", "--text curl --text nginx", plain, true},
	{"one text is missing", "--text curl --text redis", plain, false},
	{"a comma is part of a text", "--text curl,nginx", plain, false},
	{"denied text", "--not --text nginx", plain, false},
	{"any denied text excludes", "--not --text redis --not --text nginx", plain, false},
	{"denied texts that are not there", "--not --text redis --not --text mysql", plain, true},
	{"wanted and denied text", "--text curl --not --text nginx", plain, false},

	{"process", "--process nginx", plain, true},
	{"process of the other end", "--process curl", plain, true},
	{"process by pattern", "--process ng*", plain, true},
	{"part of a name", "--process ngin", plain, false},
	{"process unknown", "--process *", request(func(r *model.Request) {
		r.Client.Process, r.Server.Process = nil, nil
	}), false},

	{"status", "--http-status 200", plain, true},
	{"other status", "--http-status 404", plain, false},
	{"status by its beginning", "--http-status 2+", plain, true},
	{"status of another class", "--http-status 5+", plain, false},
	{"status range", "--http-status 400-499,200-204", plain, true},
	{"status not seen", "--http-status 1+,2+,3+,4+,5+", request(func(r *model.Request) { r.HTTP.Status = 0 }), false},

	{"method in any case", "--http-method get", plain, true},
	{"method with signs", "--http-method M-2", request(func(r *model.Request) { r.HTTP.Method = "m-2" }), true},
	{"other method", "--http-method POST", plain, false},
	{"method not seen", "--http-method GET", request(func(r *model.Request) { r.HTTP.Method = "" }), false},

	{"path anywhere", "--http-path users", plain, true},
	{"path anchored", "--http-path ^/users", plain, false},
	{"path with a comma in the expression", "--http-path s{1,2}$", plain, true},
	{"query is no path", "--http-path id=7", plain, false},
	{"path not seen", "--http-path .*", request(func(r *model.Request) { r.HTTP.Path = "" }), false},

	{"type", "--type request", plain, true},
	{"other types", "--type flow,lost", plain, false},
	{"role", "--role server", plain, true},
	{"other role", "--role client", plain, false},
	{"outcome", "--outcome ok", plain, true},
	{"other outcomes", "--outcome error,incomplete", plain, false},
	{"detail of another protocol", "--http-status 200", request(func(r *model.Request) { r.HTTP = nil }), false},

	{"all kinds must hold", "--port 8080 --http-status 200 --process curl", plain, true},
	{"one kind does not hold", "--port 8080 --http-status 404 --process curl", plain, false},

	{"denied", "--not --port 8080", plain, false},
	{"not denied", "--not --port 22", plain, true},
	{"not reverses one filter alone", "--not --port 22 --http-status 200", plain, true},
	{"each denied kind excludes", "--not --port 22 --not --process curl", plain, false},
	{"allowed and denied", "--port 8080 --not --http-status 2+", plain, false},
	{"denied by a status not seen", "--not --http-status 2+", request(func(r *model.Request) { r.HTTP.Status = 0 }), true},
	{"denied type", "--not --type request", plain, false},
}

func TestRequestFilters(t *testing.T) {
	for _, tt := range requestFilters {
		t.Run(tt.name, func(t *testing.T) {
			if got := compiled(t, tt.line).Request(tt.in); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.line, got, tt.want)
			}
		})
	}
}

func TestFlowFilters(t *testing.T) {
	plain := flow(nil)
	for _, tt := range []struct {
		name string
		line string
		in   *model.Flow
		want bool
	}{
		{"no filter", "", plain, true},
		{"application", "--protocol http", plain, true},
		{"application unknown", "--protocol http", flow(func(f *model.Flow) { f.Protocol = model.ProtocolUnknown }), false},
		{"transport", "--protocol tcp", plain, true},
		{"icmp is both versions", "--protocol icmp", flow(func(f *model.Flow) { f.Transport = "ipv6-icmp" }), true},
		{"icmp of version 4", "--protocol icmp", flow(func(f *model.Flow) { f.Transport = "icmp" }), true},
		{"icmpv4", "--protocol icmpv4", flow(func(f *model.Flow) { f.Transport = "ipv6-icmp" }), false},
		{"icmpv6", "--protocol icmpv6", flow(func(f *model.Flow) { f.Transport = "icmp" }), false},
		{"udp", "--protocol udp", flow(func(f *model.Flow) { f.Transport = "udp" }), true},
		{"unnamed transport", "--protocol tcp,udp,icmp", flow(func(f *model.Flow) { f.Transport = "sctp" }), false},
		{"port", "--port 8080", plain, true},
		{"IPv6 address", "--ip fd00::8", plain, true},
		{"IPv6 prefix", "--ip fd00::/64", plain, true},
		{"every IPv4 address", "--ip 0.0.0.0/0", plain, false},
		{"pid", "--pid 100", plain, true},
		{"interface flow by pid", "--pid 100", flow(func(f *model.Flow) { f.Role = model.RoleUnknown }), true},
		{"process", "--process cu??", plain, true},
		{"type", "--type flow", plain, true},
		{"other type", "--type request", plain, false},
		{"role", "--role client", plain, true},
		{"role of an interface", "--role client,server,wire", flow(func(f *model.Flow) { f.Role = model.RoleUnknown }), false},
		{"no status", "--http-status 1+,2+,3+,4+,5+", plain, false},
		{"no method", "--http-method GET", plain, false},
		{"no path", "--http-path .*", plain, false},
		{"no outcome", "--outcome ok", plain, false},
		{"not denied by what it lacks", "--not --http-path .* --not --outcome ok", plain, true},
		{"denied type", "--not --type flow", plain, false},
		{"text of a state", "--text refused", flow(func(f *model.Flow) { f.State = model.FlowRefused }), true},
		{"text of an error", "--text econn", flow(func(f *model.Flow) { f.Error = "ECONNREFUSED" }), true},
		{"text of an address", "--text fd00::8", plain, true},
		{"text of an interface", "--text eth0", flow(func(f *model.Flow) { f.Interface = "eth0" }), true},
		{"text of a transport", "--text tcp", plain, true},
		{"denied text", "--not --text curl", plain, false},
		{"no duration", "--min-duration 1ns", flow(func(f *model.Flow) { f.End = 1000 }), false},
		{"no trace", "--trace-id " + traceID, plain, false},
		{"port at the server", "--to-port 8080", plain, true},
		{"service of the unknown end", "--to-service *", plain, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := compiled(t, tt.line).Flow(tt.in); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.line, got, tt.want)
			}
		})
	}
}

func TestLossPassesAllButType(t *testing.T) {
	for line, want := range map[string]bool{
		"": true, "--port 80 --http-status 5+": true, "--not --port 80": true,
		"--type lost": true, "--type request": false, "--not --type lost": false, "--not --type flow": true,
	} {
		if got := compiled(t, line).Lost(&model.Loss{Where: "ring"}); got != want {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}

func TestNilAndZeroFilterPassAll(t *testing.T) {
	for _, f := range []*Filter{nil, {}} {
		if !f.Request(request(nil)) || !f.Flow(flow(nil)) || !f.Lost(&model.Loss{}) {
			t.Errorf("%v holds something back", f)
		}
		if s := f.Kernel(); !s.Requests || !s.Flows || s.Ports != nil || s.PIDs != nil {
			t.Errorf("%v: kernel scope %+v", f, s)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"nginx", "nginx", true},
		{"nginx", "nginx2", false},
		{"*", "", true},
		{"*", "anything", true},
		{"n*x", "nginx", true},
		{"n*x", "nginy", false},
		{"*in*", "nginx", true},
		{"a*b*c", "aXbXbc", true},
		{"a*b*c", "aXbXb", false},
		{"p?thon?", "python3", true},
		{"?", "", false},
		{"?", "é", true},
		{"*?é", "aéé", true},
		{"??", "é", false},
		{"*?é", "éé", true},
		{"*??aZ", "€aZ", false}, // bytes of a character are not characters
		{"kworker/*", "kworker/0:1", true},
		{"[kthreadd]", "[kthreadd]", true},
		{"[a-z]*", "abc", false},
		{"", "", true},
		{"", "a", false},
		{"Nginx", "nginx", false},
	} {
		if got := glob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("glob(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	f := compiled(t, "--protocol http --port 8080 --ip 10.0.0.0/8 --pid 200 --process n* --http-status 2+ "+
		"--http-method get --http-path ^/api/[a-z]+$ --type request --role server --outcome ok --not --process bash "+
		"--text USERS --text nginx --not --text redis --to-service nginx --not --dns-name *.x --not --min-duration 1h")
	r, fl, loss := request(nil), flow(nil), &model.Loss{}
	if !f.Request(r) {
		t.Fatal("does not match")
	}
	n := testing.AllocsPerRun(1000, func() {
		f.Request(r)
		f.Flow(fl)
		f.Lost(loss)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	f := compiled(b, "--protocol http --port 8080 --ip 10.0.0.0/8 --process n* --http-status 2+ --http-method get --not --process bash")
	r := request(nil)
	b.ReportAllocs()
	for b.Loop() {
		f.Request(r)
	}
}

func BenchmarkText(b *testing.B) {
	f := compiled(b, "--text users --text nginx")
	r := request(nil)
	b.ReportAllocs()
	for b.Loop() {
		f.Request(r)
	}
}
