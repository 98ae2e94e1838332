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
