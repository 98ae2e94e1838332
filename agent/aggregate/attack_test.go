// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"sonde/agent/model"
)

// attacks make every request different in one thing that whoever sends it may choose.
var attacks = []struct {
	name   string
	metric model.Metric
	role   model.Role
	change func(r *model.Request, text string)
}{
	{"route", model.MetricHTTPServerDuration, model.RoleServer, func(r *model.Request, s string) {
		r.HTTP = &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Status: 200, Route: "/" + s}
	}},
	{"host", model.MetricHTTPClientDuration, model.RoleClient, func(r *model.Request, s string) {
		r.HTTP = &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Status: 200, Host: s + ".example"}
	}},
	{"method", model.MetricHTTPServerDuration, model.RoleServer, func(r *model.Request, s string) {
		r.HTTP = &model.HTTP{Version: "1.1", Method: s, Scheme: "http", Status: 200}
	}},
	{"method of grpc", model.MetricRPCServerDuration, model.RoleServer, func(r *model.Request, s string) { rpcCall(r, "a.B/"+s, 0) }},
	{"summary", model.MetricDBClientDuration, model.RoleClient, func(r *model.Request, s string) {
		r.DB = &model.DB{System: "mysql", Summary: "SELECT " + s, RowsKnown: true, Rows: 1}
	}},
	{"collection", model.MetricDBServerDuration, model.RoleServer, func(r *model.Request, s string) {
		r.DB = &model.DB{System: "mongodb", Operation: "find", Collection: s}
	}},
	{"topic", model.MetricMessagingClientDuration, model.RoleClient, func(r *model.Request, s string) {
		r.Messaging = &model.Messaging{System: "kafka", Operation: "send", OperationType: "send", Destination: s, Messages: 1}
	}},
	{"name", model.MetricDNSLookup, model.RoleClient, func(r *model.Request, s string) { r.DNS = &model.DNS{Name: s + ".example"} }},
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The memory is that of the limits, whatever is sent: 2000 series of each metric, each with its edge.
func TestMillionValuesOfEveryLabelAreBounded(t *testing.T) {
	const each = 125_000
	before := heap()
	a := New(Default(), nil)
	addr := netip.MustParseAddr("10.1.0.0")
	for i := range each {
		for j, attack := range attacks {
			r := request(attack.role, model.ProtocolUnknown)
			r.Conn = uint64(i)
			r.Server.Process, r.Client.Process = nil, nil
			if j == 0 { // and an edge for each
				r.Client.Addr = netip.AddrPortFrom(addr, 1)
				addr = addr.Next()
			}
			r.End = r.Start + time.Duration(i)*time.Microsecond*97
			r.Span = span(1, 1)
			r.Span.TraceID[3], r.Span.SpanID[3] = byte(i), byte(i>>8)
			attack.change(&r, fmt.Sprintf("x%d", i))
			a.Request(&r)
		}
	}
	grown := heap() - before
	s := a.Snapshot()
	for _, f := range s.Families {
		if len(f.Series) > Default().MaxSeries {
			t.Errorf("metric %d has %d series", f.Metric, len(f.Series))
		}
	}
	total := func(m model.Metric) (n uint64) {
		for _, s := range family(s, m) {
			n += uint64(s.Value)
			if s.Histogram != nil {
				n += s.Histogram.Count()
			}
		}
		return n
	}
	for _, attack := range attacks {
		want := uint64(each)
		if attack.metric == model.MetricHTTPServerDuration {
			want *= 2 // routes and methods
		}
		if got := total(attack.metric); got != want {
			t.Errorf("%s: %d requests, want %d", attack.name, got, want)
		}
	}
	if got := total(model.MetricGraphRequests); got != 7*each { // all but DNS
		t.Errorf("%d requests on edges, want %d", got, 7*each)
	}
	if grown > 40<<20 {
		t.Errorf("%d MB held", grown>>20)
	}
	shown := heap() - before - grown
	t.Logf("%.1f MB held, %.1f MB in a snapshot", float64(grown)/(1<<20), float64(shown)/(1<<20))
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
}

func TestNamesThatComeAgainGetInBesidesMadeUpOnes(t *testing.T) {
	a := New(Default(), nil)
	ask := func(name string) {
		r := request(model.RoleClient, model.ProtocolDNS)
		r.DNS = &model.DNS{Name: name}
		a.Request(&r)
	}
	for i := range 20_000 {
		ask(fmt.Sprintf("x%d.attack.example", i))
	}
	if n := len(a.dnsClients.list); n > Default().MaxSeries/2+10 {
		t.Errorf("%d series of names that nobody asked for twice", n)
	}
	const times = 10
	for i := range 200 {
		for range times {
			ask(fmt.Sprintf("service-%d.cluster.local", i))
		}
	}
	named, total := 0, uint64(0)
	for _, s := range family(a.Snapshot(), model.MetricDNSLookup) {
		total += s.Histogram.Count()
		if n := s.Histogram.Count(); n >= times-admitAt && n <= times {
			named++
		}
	}
	if named < 199 || total != 20_000+200*times {
		t.Errorf("%d of 200 services have a series; %d queries counted", named, total)
	}
}
