// SPDX-License-Identifier: Apache-2.0

package store

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

func TestBothEndsOfAnExchangeCountOnce(t *testing.T) {
	sc := newScript(t, Default())
	for range 23 {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
		sc.s.Request(sc.get(model.RoleClient, "/a", time.Millisecond))
	}
	sc.wait(10 * time.Second)
	if o := sc.ask(view.Query{Page: view.PageServices}).Overview; o.Total != 46 || o.Requests != 2.3 {
		t.Errorf("overview: %d observations, %v requests/s", o.Total, o.Requests)
	}
	for _, page := range []view.Page{view.PageServices, view.PageRoutes, view.PageMap, view.PageRequests} {
		got := sc.ask(view.Query{Page: page})
		if got.Total == nil || got.Total.Count != 23 || got.Total.Rate != 2.3 {
			t.Errorf("%s: total %+v", page, got.Total)
		}
	}
	edges := sc.ask(view.Query{Page: view.PageMap}).Edges
	if len(edges) != 1 || edges[0].Client != "curl" || edges[0].Server != "shop" || edges[0].RED.Count != 23 || edges[0].Side != "server" {
		t.Errorf("edges: %+v", edges)
	}
	services := sc.ask(view.Query{Page: view.PageServices}).Services
	if len(services) != 2 || services[0].Name != "shop" || services[0].In.Count != 23 || services[0].Out.Count != 0 ||
		services[1].Name != "curl" || services[1].Out.Count != 23 || services[1].In.Count != 0 {
		t.Errorf("services: %+v", services)
	}
	if rows := sc.ask(view.Query{Page: view.PageRequests}).Rows; rows != 46 {
		t.Errorf("%d rows of requests, want both observations of each", rows)
	}
}

func TestWindowsSlideExactly(t *testing.T) {
	for _, tt := range []struct {
		window, lives time.Duration // lives: until the slot has left the window
	}{
		{10 * time.Second, 11 * time.Second},
		{time.Minute, 61 * time.Second},
		{5 * time.Minute, 310 * time.Second},
		{15 * time.Minute, 910 * time.Second},
	} {
		sc := newScript(t, Default())
		sc.now = 1000 * time.Second
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
		for _, filter := range []string{"", "--protocol http"} {
			ask := func() uint64 {
				return sc.ask(view.Query{Page: view.PageMap, Window: tt.window, Filter: filter}).Total.Count
			}
			if filter == "" {
				sc.wait(tt.lives - 1)
				if n := ask(); n != 1 {
					t.Errorf("%v: %d requests just before the end of the window", tt.window, n)
				}
				sc.wait(1)
			}
			if n := ask(); n != 0 {
				t.Errorf("%v with filter %q: %d requests after the window", tt.window, filter, n)
			}
		}
	}
}

func TestRatesDoNotJumpWithinASecond(t *testing.T) {
	sc := newScript(t, Default())
	for range 2000 { // ten a second
		sc.now += 100 * time.Millisecond
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	}
	for range 40 {
		sc.now += 100 * time.Millisecond
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
		for i, window := range append(view.Windows, view.Windows...) {
			got := sc.ask(view.Query{Page: view.PageMap, Window: window, Filter: []string{"", "--protocol http"}[i/len(view.Windows)]})
			if rate := got.Total.Rate; rate < 9.9 || rate > 10.2 {
				t.Errorf("%v at %v: %v requests/s, want 10", window, sc.now, rate)
			}
			if o := got.Overview.Requests; o != got.Total.Rate {
				t.Errorf("%v: the overview has %v requests/s, the page %v", window, o, got.Total.Rate)
			}
		}
	}
}

func TestQuantilesAreOfTheWindow(t *testing.T) {
	sc := newScript(t, Default())
	for range 100 {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Second/2))
	}
	sc.wait(30 * time.Second)
	for i := range 100 {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Duration(i+1)*time.Millisecond))
	}
	red := sc.ask(view.Query{Page: view.PageRoutes, Window: 10 * time.Second}).Routes[0].RED
	for _, q := range []struct{ got, exact time.Duration }{{red.P50, 50}, {red.P95, 95}, {red.P99, 99}} {
		if exact := q.exact * time.Millisecond; q.got < exact || q.got > exact*110/100 {
			t.Errorf("got %v, want at most 9 %% more than %v", q.got, exact)
		}
	}
	if red.Max != 100*time.Millisecond || red.Count != 100 {
		t.Errorf("max %v of %d", red.Max, red.Count)
	}
	if all := sc.ask(view.Query{Page: view.PageRoutes}).Routes[0].RED; all.Count != 200 || all.Max != time.Second/2 || all.P50 > 110*time.Millisecond {
		t.Errorf("of a minute: %d, max %v, median %v", all.Count, all.Max, all.P50)
	}
	var n uint64
	for i, b := range red.Histogram {
		n += b.Count
		if i > 0 && b.Upper <= red.Histogram[i-1].Upper {
			t.Errorf("bucket %d does not rise", i)
		}
	}
	if n != 100 || red.Histogram[0].Count == 0 || red.Histogram[len(red.Histogram)-1].Count == 0 {
		t.Errorf("histogram of %d with ends %v", n, red.Histogram)
	}
}

func TestSparklineHasThePartsOfTheWindow(t *testing.T) {
	for _, window := range view.Windows {
		sc := newScript(t, Default())
		sc.now = 9000 * time.Second // all parts begin here
		sc.s.Tick(sc.now)
		part := window / sparks
		if part < time.Second {
			part = time.Second
		}
		for i := range int(window / part) {
			for range i + 1 {
				r := sc.get(model.RoleServer, "/a", time.Millisecond)
				r.HTTP.Status = 500
				sc.s.Request(r)
			}
			sc.wait(part)
		}
		sc.now--
		for _, filter := range []string{"", "--protocol http"} {
			red := sc.ask(view.Query{Page: view.PageMap, Window: window, Filter: filter}).Total
			sum := 0
			for i, n := range red.Spark {
				sum += int(n)
				if n != red.SparkErr[i] {
					t.Errorf("%v: part %d has %d requests and %d errors", window, i, n, red.SparkErr[i])
				}
			}
			// The part that has just begun is empty, the first one has gone for it.
			want := int(window/part)*(int(window/part)+1)/2 - 1
			if len(red.Spark) != sparks || sum != want && filter == "" {
				t.Errorf("%v, filter %q: %d parts with %d in all, want %d: %v", window, filter, len(red.Spark), sum, want, red.Spark)
			}
			if window > 10*time.Second && (red.Spark[0] != 2 || red.Spark[28] != 30 || red.Spark[29] != 0) {
				t.Errorf("%v, filter %q: %v", window, filter, red.Spark)
			}
		}
	}
}

func TestIncompleteRequestsHaveNoDuration(t *testing.T) {
	sc := newScript(t, Default())
	sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	r := sc.get(model.RoleServer, "/a", time.Hour)
	r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_closed"
	sc.s.Request(r)
	got := sc.ask(view.Query{Page: view.PageRoutes}).Routes[0].RED
	if got.Count != 2 || got.Incomplete != 1 || got.Max != time.Millisecond || got.P99 != time.Millisecond {
		t.Errorf("%+v", got)
	}
	requests := sc.ask(view.Query{Page: view.PageRequests}).Requests
	if requests[0].Outcome != "incomplete" || requests[0].Reason != "connection_closed" || requests[0].Slow || requests[1].Outcome != "ok" {
		t.Errorf("%+v", requests)
	}
}

func TestGroupsOverTheLimitAreCountedTogether(t *testing.T) {
	c := Default()
	c.Groups = 5
	sc := newScript(t, c)
	for i := range 20 {
		for range i + 1 {
			r := sc.get(model.RoleServer, "/"+string(rune('a'+i)), time.Millisecond)
			r.Server.Process = running("service-"+string(rune('a'+i)), uint32(100+i))
			sc.s.Request(r)
		}
	}
	for _, page := range []view.Page{view.PageServices, view.PageRoutes, view.PageMap, view.PageProcesses} {
		got := sc.ask(view.Query{Page: page})
		if got.Rows != 6 || got.Total.Count != 210 || len(got.Notes) == 0 {
			t.Errorf("%s: %d rows, %d in all, notes %q", page, got.Rows, got.Total.Count, got.Notes)
		}
	}
	if first := sc.ask(view.Query{Page: view.PageRoutes}).Routes[0]; first.Service != otherName || first.RED.Count != 195 {
		t.Errorf("the rest: %+v", first)
	}
	// Requests know what they are all the same.
	if r := sc.ask(view.Query{Page: view.PageRequests, Limit: 1}).Requests[0]; r.Server != "service-t" || r.Operation != "GET /t" {
		t.Errorf("request %+v", r)
	}
}

func TestIdleGroupsMakeRoom(t *testing.T) {
	c := Default()
	c.Groups = 1
	sc := newScript(t, c)
	sc.s.Request(sc.get(model.RoleServer, "/old", time.Millisecond))
	sc.wait(c.Idle + 20*time.Second)
	sc.s.Request(sc.get(model.RoleServer, "/new", time.Millisecond))
	if got := sc.ask(view.Query{Page: view.PageRoutes}).Routes; len(got) != 1 || got[0].Operation != "GET /new" {
		t.Errorf("routes %+v", got)
	}
}

func TestRingKeepsTheNewestRequests(t *testing.T) {
	c := Default()
	c.Requests = 1000
	sc := newScript(t, c)
	for range 5000 {
		sc.now += 10 * time.Millisecond
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	}
	got := sc.ask(view.Query{Page: view.PageRequests, Limit: 3})
	if got.Rows != 1000 || got.Requests[0].ID != 5000 || got.Requests[2].ID != 4998 {
		t.Errorf("%d rows: %+v", got.Rows, got.Requests)
	}
	if len(got.Notes) != 1 || got.Notes[0] != "requests are kept for the last 9.9s only" {
		t.Errorf("notes %q", got.Notes)
	}
	if got.Total.Count != 5000 || int(got.Total.Rate) != 100 || got.Covered != 9990*time.Millisecond { // slots reach further
		t.Errorf("total %+v, covers %v", got.Total, got.Covered)
	}
	filtered := sc.ask(view.Query{Page: view.PageMap, Filter: "--protocol http"})
	if filtered.Covered != 9990*time.Millisecond || filtered.Total.Count != 1000 || int(filtered.Total.Rate) != 100 {
		t.Errorf("filtered: covers %v, total %+v", filtered.Covered, filtered.Total)
	}
	small := Default()
	small.RequestBytes = 100_000
	sc = newScript(t, small)
	for range 5000 {
		sc.s.Request(sc.get(model.RoleServer, "/a", time.Millisecond))
	}
	if s := sc.s; s.ring.bytes > 100_000 || s.ring.len() < 50 || s.ring.len() > 150 {
		t.Errorf("%d requests in %d bytes", s.ring.len(), s.ring.bytes)
	}
}

func TestSlowIsFarAboveTheOperation(t *testing.T) {
	sc := newScript(t, Default())
	is := func(took time.Duration) bool {
		sc.s.Request(sc.get(model.RoleServer, "/a", took))
		return sc.ask(view.Query{Page: view.PageRequests, Limit: 1}).Requests[0].Slow
	}
	if is(999*time.Millisecond) || !is(time.Second) {
		t.Error("slow is what takes a second, whatever the operation")
	}
	sc.wait(2 * time.Minute)
	for range 99 {
		is(10 * time.Millisecond)
	}
	sc.wait(10 * time.Second)
	if is(900 * time.Millisecond) {
		t.Error("99 requests say nothing of an operation")
	}
	sc.wait(10 * time.Second)
	if !is(25*time.Millisecond) || is(19*time.Millisecond) {
		t.Error("slow is twice the p95 of the operation")
	}
	sc.wait(2 * time.Minute)
	if is(25 * time.Millisecond) {
		t.Error("the operation of long ago is still compared with")
	}
}
