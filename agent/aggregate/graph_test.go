// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

func httpBetween(role model.Role, status int) model.Request {
	r := request(role, model.ProtocolHTTP)
	r.HTTP = &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Host: "api.example", Status: status, Route: "/a"}
	return r
}

var edgeTests = []struct {
	name         string
	role         model.Role
	change       func(*model.Request)
	want         string // labels, "" for no edge
	failed       float64
	fromTheOther bool // the client's histogram
}{
	{"at the server", model.RoleServer, func(*model.Request) {}, "client=checkout server=orders", 0, false},
	{"at the client of an observed server", model.RoleClient, func(*model.Request) {}, "", 0, false},
	{
		"at the client of a server elsewhere", model.RoleClient, func(r *model.Request) { r.Server.Process = nil },
		"client=checkout server=api.example type=virtual_node", 0, true,
	},
	{
		"a client elsewhere in the cluster", model.RoleServer, func(r *model.Request) { r.Client.Process = nil },
		"client=10.0.0.1 server=orders type=virtual_node", 0, false,
	},
	{
		"a client out of sight", model.RoleServer, func(r *model.Request) {
			r.Client.Process, r.Client.Addr = nil, netip.MustParseAddrPort("203.0.113.7:40000")
		},
		"client=user server=orders type=virtual_node", 0, false,
	},
	{
		"an unknown process that serves", model.RoleServer, func(r *model.Request) { r.Server.Process = nil },
		"client=checkout server=10.0.0.2 type=virtual_node", 0, false,
	},
	{"a service's request to itself", model.RoleServer, func(r *model.Request) { r.Client.Process = orders }, "", 0, false},
	{"a client's mistake at the server", model.RoleServer, func(r *model.Request) { r.HTTP.Status = 404 }, "client=checkout server=orders", 0, false},
	{
		"a client's mistake at the client", model.RoleClient, func(r *model.Request) { r.HTTP.Status, r.Server.Process = 404, nil },
		"client=checkout server=api.example type=virtual_node", 1, true,
	},
	{"a failure", model.RoleServer, func(r *model.Request) { r.HTTP.Status = 500 }, "client=checkout server=orders", 1, false},
	{"an exchange that broke", model.RoleServer, func(r *model.Request) { r.Outcome = model.OutcomeIncomplete }, "client=checkout server=orders", 1, false},
	{
		"a database", model.RoleClient, func(r *model.Request) {
			r.HTTP, r.DB, r.Server.Process = nil, &model.DB{System: "redis"}, nil
		},
		"client=checkout server=10.0.0.2 type=database", 0, true,
	},
	{
		"a broker", model.RoleServer, func(r *model.Request) {
			r.HTTP, r.Messaging = nil, &model.Messaging{System: "kafka", Operation: "send"}
		},
		"client=checkout server=orders type=messaging_system", 0, false,
	},
	{
		"a call", model.RoleServer, func(r *model.Request) { rpcCall(r, "a.B/C", 0) }, "client=checkout server=orders", 0, false,
	},
	{"a name that is looked up", model.RoleServer, func(r *model.Request) { r.HTTP, r.DNS = nil, &model.DNS{Name: "a"} }, "", 0, false},
	{"a handshake", model.RoleServer, func(r *model.Request) { r.HTTP, r.TLS = nil, &model.TLS{} }, "", 0, false},
	{"the wire", model.RoleWire, func(*model.Request) {}, "", 0, false},
}

func TestEdgesOfTheServiceGraph(t *testing.T) {
	for _, tt := range edgeTests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Default(), nil)
			r := httpBetween(tt.role, 200)
			tt.change(&r)
			const times = 2 // the second is the one that a connection remembers
			for range times {
				a.Request(&r)
			}
			s := a.Snapshot()
			totals := family(s, model.MetricGraphRequests)
			if tt.want == "" {
				if totals != nil {
					t.Errorf("got %s, want no edge", text(totals[0].Labels))
				}
				return
			}
			if len(totals) != 1 || text(totals[0].Labels) != tt.want || totals[0].Value != times {
				t.Fatalf("got %+v, want %d times %s", totals, times, tt.want)
			}
			if got := family(s, model.MetricGraphFailed); len(got) != 1 || got[0].Value != times*tt.failed {
				t.Errorf("failed: %+v", got)
			}
			seen, other := family(s, model.MetricGraphServer), family(s, model.MetricGraphClient)
			if tt.fromTheOther {
				seen, other = other, seen
			}
			if len(seen) != 1 || other != nil || seen[0].Histogram.Sum != times*0.003 {
				t.Errorf("durations %+v, at the other end %+v", seen, other)
			}
		})
	}
}

// A connection remembers where its last request was counted. Whatever changes between two requests must count elsewhere.
func TestWhatAConnectionRemembersIsChecked(t *testing.T) {
	other := &model.Process{ServiceName: "other"}
	changes := []func(*model.Request){
		func(*model.Request) {},
		func(r *model.Request) { r.Role = model.RoleClient },
		func(r *model.Request) { r.Client.Process = other },
		func(r *model.Request) { r.Server.Process = other },
		func(r *model.Request) { r.Client.Process, r.Client.Addr = nil, netip.MustParseAddrPort("10.9.9.9:1") },
		func(r *model.Request) { r.Client.Process, r.Client.Addr = nil, netip.MustParseAddrPort("10.9.9.8:1") },
		func(r *model.Request) { r.HTTP.Method = "POST" },
		func(r *model.Request) { r.HTTP.Method = "BREW" },
		func(r *model.Request) { r.HTTP.Version = "1.0" },
		func(r *model.Request) { r.HTTP.Version = "0.9" },
		func(r *model.Request) { r.HTTP.Scheme = "https" },
		func(r *model.Request) { r.HTTP.Scheme = "" },
		func(r *model.Request) { r.HTTP.Status = 201 },
		func(r *model.Request) { r.HTTP.Status = 0 },
		func(r *model.Request) { r.HTTP.Status = 1001 },
		func(r *model.Request) { r.HTTP.Route = "/a" },
		func(r *model.Request) { r.HTTP.Route = "/b" },
		func(r *model.Request) { r.HTTP.Host = "b.example" },
		func(r *model.Request) { r.HTTP.Host = "b.example:80" },
		func(r *model.Request) { r.HTTP.Host = "" },
		func(r *model.Request) { r.HTTP.Host, r.Server.Addr = "", netip.MustParseAddrPort("10.9.9.9:1") },
		func(r *model.Request) { r.Outcome, r.Reason = model.OutcomeIncomplete, "reset" },
		func(r *model.Request) { r.Outcome, r.Reason, r.HTTP.Status = model.OutcomeError, "x", 0 },
	}
	separate := map[string]uint64{}
	together := New(Default(), nil)
	add := func(a *Aggregator, into map[string]uint64) {
		for _, f := range a.Snapshot().Families {
			for _, s := range f.Series {
				n := uint64(s.Value)
				if s.Histogram != nil {
					n = s.Histogram.Count()
				}
				into[strings.Join([]string{string(rune('A' + int(f.Metric))), text(s.Labels)}, " ")] += n
			}
		}
	}
	for i, first := range changes {
		for j, second := range changes {
			for _, change := range []func(*model.Request){first, second, second} {
				r := httpBetween(model.RoleServer, 200)
				r.Conn = uint64(i*len(changes)+j) << 32
				if i%2 == 1 {
					r.Role, r.Server.Process = model.RoleClient, nil
				}
				change(&r)
				alone := New(Default(), nil)
				alone.Request(&r)
				add(alone, separate)
				together.Request(&r)
			}
		}
	}
	got := map[string]uint64{}
	add(together, got)
	for labels, n := range separate {
		if got[labels] != n {
			t.Errorf("%s: %d, want %d", labels, got[labels], n)
		}
	}
	if len(got) != len(separate) {
		t.Errorf("%d series, want %d", len(got), len(separate))
	}
}

func TestForgottenSeriesAreNotRemembered(t *testing.T) {
	a := New(Default(), nil)
	r := httpBetween(model.RoleServer, 200)
	a.Request(&r)
	for i := range 4 {
		a.Tick(time.Duration(i) * time.Hour)
		a.Snapshot()
	}
	if a.Snapshot().Families != nil {
		t.Fatal("not forgotten")
	}
	a.Request(&r)
	s := a.Snapshot()
	for _, m := range []model.Metric{model.MetricHTTPServerDuration, model.MetricGraphServer} {
		if got := family(s, m); len(got) != 1 || got[0].Histogram.Count() != 1 || got[0].Start != 3*time.Hour {
			t.Errorf("metric %d: %+v, want one request since three hours", m, got)
		}
	}
	if got := family(s, model.MetricGraphRequests); len(got) != 1 || got[0].Value != 1 {
		t.Errorf("edge: %+v", got)
	}
}

func span(trace, id byte) model.Span {
	return model.Span{SpanContext: model.SpanContext{TraceID: model.TraceID{trace}, SpanID: model.SpanID{id}}, Sampled: true}
}

func TestExemplarsAreExportedSpans(t *testing.T) {
	a := New(Default(), nil)
	feed := func(end, took time.Duration, s model.Span) {
		r := httpBetween(model.RoleServer, 200)
		r.End, r.Start, r.Span = end, end-took, s
		a.Request(&r)
	}
	unsampled, silenced, kept, half := span(9, 9), span(9, 9), span(1, 4), span(9, 9)
	unsampled.Sampled, silenced.Silenced, kept.Sampled, kept.Kept, half.SpanID = false, true, false, "slow", model.SpanID{}
	feed(10*time.Second, time.Millisecond, unsampled)
	feed(10*time.Second, time.Millisecond, silenced)
	feed(10*time.Second, time.Millisecond, half)
	if got := family(a.Snapshot(), model.MetricHTTPServerDuration)[0].Histogram.Exemplars; len(got) != 0 {
		t.Fatalf("exemplars of spans that nobody can look up: %v", got)
	}
	feed(11*time.Second, time.Hour, kept)
	feed(11*time.Second, time.Millisecond, span(1, 1))
	feed(11*time.Second+time.Millisecond, 2*time.Millisecond, span(1, 2)) // within the same second
	if got := family(a.Snapshot(), model.MetricHTTPServerDuration)[0].Histogram.Exemplars[0].SpanID; got != (model.SpanID{1}) {
		t.Errorf("exemplar %s, want the first of its second", got)
	}
	feed(12*time.Second, 5*time.Millisecond, span(1, 3))
	s := a.Snapshot()
	want := []model.Exemplar{
		{Value: 0.005, Time: 12 * time.Second, TraceID: model.TraceID{1}, SpanID: model.SpanID{3}},
		{Value: 3600, Time: 11 * time.Second, TraceID: model.TraceID{1}, SpanID: model.SpanID{4}},
	}
	for _, m := range []model.Metric{model.MetricHTTPServerDuration, model.MetricGraphServer} {
		if got := family(s, m)[0].Histogram.Exemplars; !slices.Equal(got, want) {
			t.Errorf("metric %d: got %v\nwant %v", m, got, want)
		}
	}
}

func TestSpansAreCountedByEvidence(t *testing.T) {
	a := New(Default(), nil)
	feed := func(role model.Role, e model.Evidence, trace byte) {
		r := httpBetween(role, 200)
		r.Span = span(trace, 1)
		r.Span.Evidence, r.Span.Sampled = e, false
		a.Request(&r)
	}
	feed(model.RoleServer, model.EvidenceHeader, 1)
	feed(model.RoleServer, model.EvidenceHeader, 1)
	feed(model.RoleClient, model.EvidenceNone, 1)
	feed(model.RoleClient, model.EvidenceThread, 0) // no tracer
	var got []string
	for _, s := range family(a.Snapshot(), model.MetricTraceSpans) {
		got = append(got, text(s.Labels))
		if want := map[string]float64{"role=server evidence=header": 2, "role=client evidence=none": 1}[text(s.Labels)]; s.Value != want {
			t.Errorf("%s: %v, want %v", text(s.Labels), s.Value, want)
		}
	}
	if len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestSnapshotsAndSeriesTellTheirTimes(t *testing.T) {
	a := New(Default(), selfFunc(func() Self { return Self{} }))
	a.Tick(time.Minute)
	first := httpBetween(model.RoleServer, 200)
	a.Request(&first)
	a.Tick(2 * time.Minute)
	second := httpBetween(model.RoleServer, 500)
	a.Request(&second)
	a.Request(&first)
	a.Tick(3 * time.Minute)
	s := a.Snapshot()
	if s.Time != 3*time.Minute {
		t.Errorf("time %v", s.Time)
	}
	got := family(s, model.MetricHTTPServerDuration)
	if got[0].Start != time.Minute || got[1].Start != 2*time.Minute {
		t.Errorf("series began at %v and %v", got[0].Start, got[1].Start)
	}
	if got := family(s, model.MetricUndecodable)[0].Start; got != time.Minute {
		t.Errorf("the agent's own began at %v", got)
	}
}
