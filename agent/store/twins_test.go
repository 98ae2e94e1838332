// SPDX-License-Identifier: Apache-2.0

package store

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// both tells the store of an exchange from both ends, with the spans that the tracer gives them.
func (sc *script) both(n int, path string) {
	server, client := sc.get(model.RoleServer, path, time.Millisecond), sc.get(model.RoleClient, path, 2*time.Millisecond)
	client.Span.SpanID = model.SpanID{1, byte(n >> 8), byte(n)}
	server.Span.SpanID, server.Span.Parent = model.SpanID{2, byte(n >> 8), byte(n)}, client.Span.SpanID
	server.Span.Evidence = model.EvidenceConnection
	if n%10 == 9 { // the client's end may be told first
		server, client = client, server
	}
	sc.s.Request(server)
	sc.s.Request(client)
}

func TestExchangeSeenAtBothEndsIsListedOnce(t *testing.T) {
	sc := newScript(t, Default())
	for n := range 50 {
		sc.both(n, "/a")
		if n%5 == 0 {
			sc.s.Request(sc.get(model.RoleClient, "/alone", time.Millisecond)) // of whose server nothing was seen
		}
	}
	for _, tt := range []struct {
		q    view.Query
		rows int
	}{
		{view.Query{}, 60},
		{view.Query{Limit: 7}, 60},
		{view.Query{Limit: 20, Offset: 45}, 60},
		{view.Query{Reverse: true, Limit: 55}, 60},
		{view.Query{Sort: "duration"}, 60},
		{view.Query{Filter: "--http-path ^/a$"}, 50},
		{view.Query{Filter: "--role server"}, 50},
		{view.Query{Filter: "--role client"}, 60},
		{view.Query{Within: view.Scope{Conn: uint64(model.RoleClient)}}, 60},
		{view.Query{Within: view.Scope{PID: 7}}, 60},
		{view.Query{Within: view.Scope{Server: "shop", Port: 80}}, 60},
		{view.Query{Within: view.Scope{Server: "shop", Port: 81}}, 0},
	} {
		tt.q.Page = view.PageRequests
		got := sc.ask(tt.q)
		limit := tt.q.Limit
		if limit == 0 {
			limit = view.DefaultLimit
		}
		if got.Rows != tt.rows || len(got.Requests) != max(0, min(limit, tt.rows-tt.q.Offset)) {
			t.Errorf("%+v: %d rows, %d of them here, want %d", tt.q, got.Rows, len(got.Requests), tt.rows)
		}
		seen := map[uint64]bool{}
		for _, r := range got.Requests {
			if seen[r.ID] {
				t.Errorf("%+v: request %d is here twice", tt.q, r.ID)
			}
			seen[r.ID] = true
		}
	}
}

func TestExchangesAreListedOnceWhenTheOldestAreForgotten(t *testing.T) {
	c := Default()
	c.Requests = 300
	sc := newScript(t, c)
	for n := range 1000 {
		sc.both(n, "/a")
	}
	if got := sc.ask(view.Query{Page: view.PageRequests}); got.Rows != 150 || len(got.Requests) != 150 {
		t.Errorf("%d rows, %d of them here, want 150", got.Rows, len(got.Requests))
	}
}
