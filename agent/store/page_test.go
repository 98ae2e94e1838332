// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

func TestFrozenWorldStandsStill(t *testing.T) {
	sc := newScript(t, Default())
	fill := func() {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
		sc.s.Request(sc.lookup(model.RoleClient, "shop.example", "NOERROR"))
		sc.s.Flow(&model.Flow{Transport: "tcp", Conn: uint64(sc.now), Start: sc.now, End: sc.now, BytesSent: 10}, model.FlowDelta{BytesTransmitted: 10})
		sc.s.Drops("NO_SOCKET", 1)
		sc.s.Lost(&model.Loss{Where: "ring", What: "records", Count: 1, Time: sc.now})
	}
	fill()
	id, err := sc.s.Freeze(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	queries := func(frozen uint64) []*view.Snapshot {
		var all []*view.Snapshot
		for _, page := range pages {
			all = append(all, sc.ask(view.Query{Page: page, Frozen: frozen, Within: scopeFor(page)}))
		}
		return all
	}
	before, living := queries(id), queries(0)
	if !reflect.DeepEqual(before, living) {
		t.Error("a frozen world is not what the living one was")
	}
	for range 100 {
		fill()
		sc.wait(17 * time.Second)
	}
	if !reflect.DeepEqual(before, queries(id)) {
		t.Error("a frozen world changed")
	}
	if reflect.DeepEqual(before, queries(0)) {
		t.Error("the living world did not change")
	}
	if err := sc.s.Thaw(context.Background(), id); err != nil {
		t.Error(err)
	}
	if _, err := sc.s.Snapshot(context.Background(), view.Query{Page: view.PageMap, Frozen: id}); !errors.Is(err, view.ErrGone) {
		t.Errorf("after Thaw: %v", err)
	}
	if err := sc.s.Thaw(context.Background(), id); !errors.Is(err, view.ErrGone) {
		t.Errorf("a second Thaw: %v", err)
	}
}

// scopeFor is what a page cannot do without.
func scopeFor(p view.Page) view.Scope {
	switch p {
	case view.PageTrace:
		return view.Scope{Trace: strings.Repeat("00", 15) + "07"}
	case view.PageRequest:
		return view.Scope{Request: 1}
	}
	return view.Scope{}
}

func TestNinthFrozenWorldReplacesTheOneNobodyLooksAt(t *testing.T) {
	sc := newScript(t, Default())
	var ids []uint64
	for range maxFrozen {
		id, _ := sc.s.Freeze(context.Background())
		ids = append(ids, id)
	}
	sc.ask(view.Query{Page: view.PageMap, Frozen: ids[0]})
	if _, err := sc.s.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	sc.ask(view.Query{Page: view.PageMap, Frozen: ids[0]})
	if _, err := sc.s.Snapshot(context.Background(), view.Query{Page: view.PageMap, Frozen: ids[1]}); !errors.Is(err, view.ErrGone) {
		t.Errorf("the second one: %v", err)
	}
	for _, one := range sc.s.frozen.all {
		one.asked = one.asked.Add(-unwatchedFor)
	}
	if _, err := sc.s.Snapshot(context.Background(), view.Query{Page: view.PageMap, Frozen: ids[0]}); !errors.Is(err, view.ErrGone) {
		t.Errorf("ten minutes later: %v", err)
	}
}

func TestResetForgetsAllButFrozenWorlds(t *testing.T) {
	sc := newScript(t, Default())
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	id, _ := sc.s.Freeze(context.Background())
	sc.s.Reset()
	sc.now = 5 * time.Second // the source begins again, earlier
	sc.s.Tick(sc.now)
	if got := sc.ask(view.Query{Page: view.PageRequests}); got.Rows != 0 || got.Overview.Total != 0 || !got.Time.Equal(time.Unix(5, 0)) {
		t.Errorf("after Reset: %+v", got)
	}
	if got := sc.ask(view.Query{Page: view.PageRequests, Frozen: id}); got.Rows != 1 {
		t.Errorf("frozen: %+v", got)
	}
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	if got := sc.ask(view.Query{Page: view.PageRequests}).Requests[0].ID; got != 1 {
		t.Errorf("the first request has identifier %d", got)
	}
}

func TestStoreOnDemandKeepsNothingUnwatched(t *testing.T) {
	s := New(OnDemand(), nil, plainWords{}, nil)
	sc := &script{t: t, s: s, now: start}
	sc.s.Tick(start)
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	if s.observed != 0 {
		t.Error("something was kept before anybody looked")
	}
	s.Watch()
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	if got := sc.ask(view.Query{Page: view.PageRequests}); got.Rows != 1 || got.Mode != "attached" {
		t.Errorf("watched: %+v", got)
	}
	if _, err := s.Freeze(context.Background()); err != nil {
		t.Error(err)
	}
	s.asked.Store(time.Now().Add(-unwatchedFor).UnixNano())
	sc.wait(2 * time.Second)
	if len(s.frozen.all) > 0 {
		t.Error("a frozen world is kept though nobody looks")
	}
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	if s.observed != 0 || s.ring.len() != 0 || s.watched.Load() {
		t.Error("something is kept though nobody looks")
	}
	if got := sc.ask(view.Query{Page: view.PageRequests}); got.Rows != 0 {
		t.Errorf("%d rows", got.Rows)
	}
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond)) // the question was a sign of life
	if s.ring.len() != 1 {
		t.Error("a question does not wake it")
	}
}

func TestBadQueriesSayWhatIsAccepted(t *testing.T) {
	sc := newScript(t, Default())
	for _, tt := range []struct {
		q    view.Query
		says string
	}{
		{view.Query{Page: "nothing"}, "accepted are services, routes"},
		{view.Query{Page: view.PageMap, Window: 7 * time.Second}, "accepted are 10s, 1m, 5m, 15m"},
		{view.Query{Page: view.PageMap, Sort: "colour"}, "accepted are rate, client"},
		{view.Query{Page: view.PageMap, Filter: "--prot http"}, "--protocol"},
		{view.Query{Page: view.PageMap, Filter: "--port http"}, "1 to 65535"},
		{view.Query{Page: view.PageMap, Offset: -1}, "from 0 on"},
		{view.Query{Page: view.PageTrace}, "32 hex digits"},
		{view.Query{Page: view.PageRequest}, "the id of one"},
	} {
		_, err := sc.s.Snapshot(context.Background(), tt.q)
		if !errors.Is(err, view.ErrBadQuery) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.q, err)
		}
	}
	if _, err := sc.s.Snapshot(context.Background(), view.Query{Page: view.PageMap, Frozen: 99}); !errors.Is(err, view.ErrGone) {
		t.Errorf("a world that never was: %v", err)
	}
}

func TestEveryKeySortsAndTiesStand(t *testing.T) {
	b := newBusy(t)
	for i := range 2000 {
		b.s.Request(b.at(i))
		b.s.Flow(b.grown(i), model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 100})
		if i%10 == 0 {
			b.s.Request(b.lookup(model.RoleClient, "name-"+string(rune('a'+i/10%26)), "NOERROR"))
		}
	}
	for _, page := range pages {
		for _, key := range view.SortKeys(page) {
			q := view.Query{Page: page, Sort: key, Limit: view.MaxLimit, Within: scopeFor(page)}
			all := rowNames(b.ask(q))
			if again := rowNames(b.ask(q)); !slices.Equal(all, again) {
				t.Errorf("%s by %q: the order changes by itself", page, key)
			}
			if key != "" && len(all) == 0 {
				t.Errorf("%s by %q has no rows", page, key)
			}
			var parts []string
			for q.Limit = 37; len(parts) < len(all); q.Offset += 37 {
				parts = append(parts, rowNames(b.ask(q))...)
			}
			if !slices.Equal(all, parts) {
				t.Errorf("%s by %q: parts are not the whole", page, key)
			}
			q.Offset, q.Limit, q.Reverse = 0, view.MaxLimit, true
			reversed := rowNames(b.ask(q))
			slices.Sort(all)
			if slices.Sort(reversed); !slices.Equal(all, reversed) {
				t.Errorf("%s by %q: other rows when reversed", page, key)
			}
		}
	}
}

// rowNames tells the rows of a snapshot apart.
func rowNames(s *view.Snapshot) []string {
	var all []string
	for _, name := range rowsOf(s) {
		all = append(all, name.name)
	}
	return all
}

func TestClientWhoseServerIsKnownByAnAddressCountsOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		apart func(server, client *model.Request)
	}{
		{"neither end knows the other", func(server, client *model.Request) {
			server.Client.Process, client.Server.Process = nil, nil
		}},
		{"the server does not know its client", func(server, _ *model.Request) { server.Client.Process = nil }},
		{"addresses are rewritten, spans are not", func(server, client *model.Request) {
			server.Client.Process, client.Server.Process = nil, nil
			server.Server.Addr = addr("172.17.0.2:8080")
			client.Span.SpanID = model.SpanID{byte(client.Start), byte(client.Start >> 8), 1}
			server.Span.Parent = client.Span.SpanID
		}},
	} {
		sc := newScript(t, Default())
		for range 23 {
			sc.now += time.Millisecond
			server, client := sc.get(model.RoleServer, "/a", time.Microsecond), sc.get(model.RoleClient, "/a", 2*time.Microsecond)
			tt.apart(server, client)
			sc.s.Request(server)
			sc.s.Request(client)
		}
		for _, page := range []view.Page{view.PageMap, view.PageRoutes} {
			if got := sc.ask(view.Query{Page: page}); got.Rows != 1 || got.Total.Count != 23 {
				t.Errorf("%s: %s has %d rows, %d in all: %+v", tt.name, page, got.Rows, got.Total.Count, got.Edges)
			}
		}
	}
}

// A call on a connection older than the agent has an end, and a status that nobody can know.
func TestCallWithoutAStatusHasADuration(t *testing.T) {
	sc := newScript(t, Default())
	for _, reason := range []string{"status_unknown", "connection_closed"} {
		r := sc.get(model.RoleServer, "/a", 5*time.Millisecond)
		r.Outcome, r.Reason = model.OutcomeIncomplete, reason
		sc.s.Request(r)
	}
	got := sc.ask(view.Query{Page: view.PageRequests})
	red := got.Total
	if red.Count != 2 || red.Incomplete != 1 || red.Max != 5*time.Millisecond {
		t.Errorf("%d requests, %d without an end, at most %v", red.Count, red.Incomplete, red.Max)
	}
	for _, r := range got.Requests {
		if r.Outcome != "incomplete" || r.EndUnseen != (r.Reason == "connection_closed") {
			t.Errorf("%+v", r)
		}
	}
}

func TestAgentOnDemandSaysSinceWhenItKeepsWhatItSees(t *testing.T) {
	for _, tt := range []struct {
		config Config
		wait   time.Duration
		page   view.Page
		want   string
	}{
		{OnDemand(), 0, view.PageServices, "from now on"},
		{OnDemand(), 5 * time.Second, view.PageServices, "for 5.0s"},
		{OnDemand(), 5 * time.Second, view.PageAgent, ""},
		{OnDemand(), 2 * time.Minute, view.PageServices, ""},
		{Default(), 5 * time.Second, view.PageServices, ""},
	} {
		sc := newScript(t, tt.config)
		sc.wait(tt.wait)
		notes := strings.Join(sc.ask(view.Query{Page: tt.page}).Notes, "\n")
		if tt.want == "" && notes != "" || !strings.Contains(notes, tt.want) {
			t.Errorf("%s after %v: %q, want %q", tt.page, tt.wait, notes, tt.want)
		}
	}
}

func TestServerThatWasNotObservedIsShownFromItsClient(t *testing.T) {
	sc := newScript(t, Default())
	for range 23 {
		r := sc.get(model.RoleClient, "/a", time.Millisecond)
		r.Server = model.Endpoint{Addr: addr("93.184.216.34:443")}
		r.HTTP.Scheme = "https"
		sc.s.Request(r)
		sc.s.Request(sc.get(model.RoleClient, "/b", time.Millisecond)) // the server's observations were lost
	}
	sc.s.Request(sc.get(model.RoleServer, "/b", time.Millisecond))
	got := sc.ask(view.Query{Page: view.PageMap, Sort: "server"})
	if got.Total.Count != 46 || got.Rows != 2 || got.Edges[0].Server != "93.184.216.34:443" || got.Edges[0].Side != "client" ||
		got.Edges[0].Encryption != "tls" || got.Edges[1].Encryption != "none" || got.Edges[1].RED.Count != 23 || got.Edges[1].Side != "client" {
		t.Errorf("%d in all, edges %+v", got.Total.Count, got.Edges)
	}
	if routes := sc.ask(view.Query{Page: view.PageRoutes, Within: view.Scope{Service: "93.184.216.34"}}); routes.Rows != 0 {
		t.Errorf("routes %+v", routes.Routes)
	}
	if routes := sc.ask(view.Query{Page: view.PageRoutes, Within: view.Scope{Service: "93.184.216.34:443"}}); routes.Rows != 1 || routes.Total.Count != 23 {
		t.Errorf("routes %+v", routes.Routes)
	}
}

func TestCaptureHasServicesByAddress(t *testing.T) {
	sc := newScript(t, Default())
	for range 3 {
		r := sc.get(model.RoleWire, "/a", time.Millisecond)
		r.Client.Process, r.Server.Process = nil, nil
		sc.s.Request(r)
	}
	got := sc.ask(view.Query{Page: view.PageServices})
	if got.Rows != 1 || got.Services[0].Name != "127.0.0.1:80" || got.Services[0].In.Count != 3 || !slices.Equal(got.Services[0].Protocols, []string{"http"}) {
		t.Errorf("services %+v", got.Services)
	}
	if edge := sc.ask(view.Query{Page: view.PageMap}).Edges[0]; edge.Client != "127.0.0.1" || edge.Server != "127.0.0.1:80" || edge.Side != "wire" {
		t.Errorf("edge %+v", edge)
	}
}

func TestTraceHasParentsBeforeChildren(t *testing.T) {
	sc := newScript(t, Default())
	trace := model.TraceID{15: 7}
	spans := []struct {
		id, parent byte
		begin      time.Duration
		depth      int // in the trace
	}{
		{2, 1, 1, 1}, {1, 0, 0, 0}, {6, 5, 9, 1}, {5, 99, 8, 0}, {4, 2, 5, 2}, {3, 2, 3, 2}, {7, 8, 20, 0}, {8, 7, 21, 1}, {9, 1, 7, 1},
	}
	depths := map[string]int{}
	for _, one := range spans {
		r := sc.get(model.RoleServer, "/a", time.Millisecond)
		r.Start = start + one.begin
		r.Span.TraceID, r.Span.SpanID, r.Span.Parent = trace, model.SpanID{one.id}, model.SpanID{one.parent}
		sc.s.Request(r)
		depths[r.Span.SpanID.String()] = one.depth
	}
	sc.s.Request(sc.get(model.RoleServer, "/untraced", time.Millisecond))
	got := sc.ask(view.Query{Page: view.PageTrace, Within: view.Scope{Trace: trace.String()}})
	var order []byte
	for _, r := range got.Requests {
		order = append(order, r.SpanID[1])
		if r.Depth != depths[r.SpanID] {
			t.Errorf("span %s has depth %d, want %d", r.SpanID, r.Depth, depths[r.SpanID])
		}
	}
	if string(order) != "123495678" || got.Rows != 9 {
		t.Errorf("order %s of %d", order, got.Rows)
	}
}

func TestRequestHasItsPartsAndItsOperation(t *testing.T) {
	sc := newScript(t, Default())
	for range 9 {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	}
	r := sc.get(model.RoleServer, "/a", 10*time.Millisecond)
	r.RequestEnd, r.ResponseStart = r.Start+time.Millisecond, r.Start+8*time.Millisecond
	sc.s.Request(r)
	got := sc.ask(view.Query{Page: view.PageRequest, Within: view.Scope{Request: 10}}).Request
	if got.Sending != time.Millisecond || got.Waiting != 7*time.Millisecond || got.Receiving != 2*time.Millisecond {
		t.Errorf("parts %v, %v, %v", got.Sending, got.Waiting, got.Receiving)
	}
	if got.Operations.Count != 10 || len(got.Operations.Histogram) == 0 || got.ServerProcess != "shop[8]" || got.ClientAddr != "127.0.0.1:40000" ||
		len(got.Attributes) != 1 || got.Target != "GET /a" || got.Status != "200" || got.PID != 8 {
		t.Errorf("%+v", got)
	}
	r.RequestEnd, r.ResponseStart, r.Outcome = 0, 0, model.OutcomeIncomplete
	sc.s.Request(r)
	got = sc.ask(view.Query{Page: view.PageRequest, Within: view.Scope{Request: 11}}).Request
	if got.Sending != -1 || got.Waiting != -1 || got.Receiving != -1 {
		t.Errorf("parts that were not seen: %v, %v, %v", got.Sending, got.Waiting, got.Receiving)
	}
	if gone := sc.ask(view.Query{Page: view.PageRequest, Within: view.Scope{Request: 12}}); gone.Request != nil || len(gone.Notes) != 1 {
		t.Errorf("a request that is not there: %+v", gone)
	}
}

func TestLookupsAreCountedByName(t *testing.T) {
	sc := newScript(t, Default())
	for i := range 10 {
		sc.s.Request(sc.lookup(model.RoleClient, "Shop.example", []string{"NOERROR", "NXDOMAIN", ""}[i%3]))
		sc.s.Request(sc.lookup(model.RoleServer, "shop.EXAMPLE", []string{"NOERROR", "NXDOMAIN", ""}[i%3]))
	}
	r := sc.lookup(model.RoleClient, "shop.example", "NOERROR")
	r.DNS.Type, r.Client.Process = "AAAA", other
	sc.s.Request(r)
	for _, filter := range []string{"", "--protocol dns"} {
		got := sc.ask(view.Query{Page: view.PageDNS, Filter: filter})
		want := map[string]uint64{"NOERROR": 5, "NXDOMAIN": 3, "timeout": 3}
		if got.Rows != 1 || got.Total.Count != 11 {
			t.Fatalf("%d rows, %d in all", got.Rows, got.Total.Count)
		}
		row := got.DNS[0] // as the clients saw it, of whom the server has seen one
		if row.Name != "shop.example" || !reflect.DeepEqual(row.RCodes, want) || !slices.Equal(row.Types, []string{"A", "AAAA"}) ||
			!slices.Equal(row.Clients, []string{"curl", "other"}) || !slices.Equal(row.Servers, []string{"shop"}) {
			t.Errorf("filter %q: %+v", filter, row)
		}
	}
}

func TestAgentCountsWithinTheWindow(t *testing.T) {
	var self Self
	c := Default()
	sc := &script{t: t, s: New(c, nil, plainWords{}, func() Self { return self }), now: 100 * time.Second}
	sc.s.Tick(sc.now)
	for range 60 {
		self.Records += 500
		self.CPU += 20 * time.Millisecond
		self.Lost++
		self.Resident = 1 << 20
		self.Agent.Version = "1.2.3"
		runs := uint64(1000)
		took := 10 * time.Millisecond
		if len(self.Programs) > 0 {
			runs, took = self.Programs[0].Runs+1000, self.Programs[0].RunTime+10*time.Millisecond
		}
		self.Programs = []ProgramTotal{{"payload_read", runs, took}}
		for range 100 {
			sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
		}
		sc.wait(time.Second)
	}
	sc.s.Lost(&model.Loss{Where: "ring", What: "records", Count: 7, Time: sc.now})
	sc.s.Lost(&model.Loss{Where: "ring", What: "requests", Role: model.RoleServer, Count: 3, Time: sc.now})
	sc.s.Drops("NO_SOCKET", 4)
	got := sc.ask(view.Query{Page: view.PageAgent, Window: 10 * time.Second})
	a := got.Agent
	near := func(got, want float64) bool { return got > want*0.99 && got < want*1.01 }
	if !near(a.Events, 500) || !near(a.CPU, 0.02) || !near(a.ProbeCPU, 0.01) || len(a.Programs) != 1 || !near(a.Programs[0].RunsPerS, 1000) ||
		!near(a.Programs[0].NSPerRun, 10_000) || a.Version != "1.2.3" {
		t.Errorf("%+v", a)
	}
	if !slices.Contains(a.Losses, view.Count{Name: "ring records", Count: 7}) || !slices.Contains(a.Losses, view.Count{Name: "ring requests server", Count: 3}) ||
		!slices.Contains(a.Drops, view.Count{Name: "NO_SOCKET", Count: 4}) {
		t.Errorf("losses %v, drops %v", a.Losses, a.Drops)
	}
	o := got.Overview
	if o.Lost != 60 || o.LostRecent != 10 || !near(o.CPU, 0.03) || o.MemoryBytes != 1<<20 || len(got.Notes) != 1 || got.Notes[0] != "10 records were lost in the last 10 seconds: counts are too low" {
		t.Errorf("overview %+v, notes %q", o, got.Notes)
	}
	service := sc.ask(view.Query{Page: view.PageServices}).Services[0]
	if service.CostNS < 99_000 || service.CostNS > 102_000 || !near(service.CostCPU, 0.01) {
		t.Errorf("a request costs %v ns, the service %v cores", service.CostNS, service.CostCPU)
	}
}

func TestLossesLeaveTheWindow(t *testing.T) {
	sc := newScript(t, Default())
	for _, window := range view.Windows {
		sc.wait(20 * time.Minute)
		sc.s.Lost(&model.Loss{Where: "ring", What: "records", Count: 7, Time: sc.now})
		sc.s.Flow(&model.Flow{Transport: "tcp", Conn: 1, End: sc.now}, model.FlowDelta{BytesReceived: 100})
		sc.wait(window - time.Second)
		got := sc.ask(view.Query{Page: view.PageMap, Window: window})
		if got.Overview.LostRecent != 7 || got.Overview.BytesPerS == 0 || len(got.Notes) != 1 {
			t.Errorf("%v: %+v, notes %q", window, got.Overview, got.Notes)
		}
		sc.wait(15 * time.Second)
		got = sc.ask(view.Query{Page: view.PageMap, Window: window})
		if got.Overview.LostRecent != 0 || got.Overview.BytesPerS != 0 || len(got.Notes) != 0 || got.Overview.Lost == 0 {
			t.Errorf("after %v: %+v, notes %q", window, got.Overview, got.Notes)
		}
	}
}

func TestScopesAndFiltersNarrowAllPages(t *testing.T) {
	sc := newScript(t, Default())
	for i := range 40 {
		r := sc.get(model.RoleServer, []string{"/a", "/b"}[i%2], time.Millisecond)
		if i%4 == 0 {
			r.Server.Process, r.HTTP.Status, r.Conn = other, 503, 77
		}
		sc.s.Request(r)
	}
	for _, tt := range []struct {
		page   view.Page
		filter string
		within view.Scope
		rows   int
		total  uint64
	}{
		{view.PageRoutes, "", view.Scope{Service: "shop"}, 2, 30},
		{view.PageRoutes, "", view.Scope{Service: "shop", Route: "GET /a"}, 1, 10},
		{view.PageRoutes, "", view.Scope{PID: other.PID}, 1, 10},
		{view.PageRoutes, "--http-status 5+", view.Scope{}, 1, 10},
		{view.PageRoutes, "--http-status 5+", view.Scope{Service: "shop"}, 0, 0},
		{view.PageRequests, "", view.Scope{Service: "shop", Route: "GET /a"}, 10, 10},
		{view.PageRequests, "", view.Scope{Client: "curl", Server: "other"}, 10, 10},
		{view.PageRequests, "", view.Scope{Conn: 77}, 10, 10},
		{view.PageRequests, "--not --http-status 503", view.Scope{}, 30, 30},
		{view.PageMap, "", view.Scope{Server: "other"}, 1, 10},
		{view.PageMap, "", view.Scope{Route: "GET /b"}, 1, 20},
		{view.PageServices, "--pid 9", view.Scope{}, 1, 10},
		{view.PageProcesses, "", view.Scope{PID: other.PID}, 1, 10},
		{view.PageProcesses, "--process shop", view.Scope{}, 1, 30},
		{view.PageDNS, "", view.Scope{Service: "shop"}, 0, 0},
	} {
		got := sc.ask(view.Query{Page: tt.page, Filter: tt.filter, Within: tt.within})
		if got.Rows != tt.rows || got.Total.Count != tt.total {
			t.Errorf("%s %q %+v: %d rows, %d in all, want %d and %d", tt.page, tt.filter, tt.within, got.Rows, got.Total.Count, tt.rows, tt.total)
		}
	}
}

func TestValuesAreTheMostFrequent(t *testing.T) {
	sc := newScript(t, Default())
	for i := range 9 {
		r := sc.get(model.RoleServer, "/a", time.Millisecond)
		if i%3 == 0 {
			r.HTTP.Status, r.HTTP.Method = 404, "POST"
		}
		sc.s.Request(r)
	}
	look := sc.lookup(model.RoleServer, "a.example", "NOERROR")
	look.Protocol, look.Server.Addr = model.ProtocolHTTP, shopAddr // that it is a lookup is all that counts here
	sc.s.Request(look)
	sc.s.Flow(&model.Flow{Transport: "udp", Server: model.Endpoint{Addr: addr("1.1.1.1:53")}, End: sc.now}, model.FlowDelta{})
	for flag, want := range map[string][]string{
		"http-status": {"200", "404"}, "http-method": {"GET", "POST"}, "process": {"curl", "shop"}, "port": {"80", "53"},
		"ip": {"127.0.0.1", "1.1.1.1"}, "protocol": {"http", "udp"}, "outcome": {"ok"}, "role": {"server"}, "text": nil,
		"from-service": {"curl", "shop"}, "to-port": {"80", "53"}, "dns-name": {"a.example"},
	} {
		if got, err := sc.s.Values(context.Background(), flag); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", flag, got, err, want)
		}
	}
}
