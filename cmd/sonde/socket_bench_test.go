// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/source/live"
	"sonde/agent/view"
	"sonde/exporters/socket"
)

// exchanges are requests as services have them: 20 services that 20 others call, with 50 paths of 5 routes each.
func exchanges() []*model.Request {
	var all []*model.Request
	for i := range 1000 {
		name := fmt.Sprintf("service-%d", i%20)
		r := &model.Request{
			Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK, RequestBytes: 200, ResponseBytes: 1500,
			Conn: uint64(i), TCP: model.TCPFacts{SRTT: 50 * time.Microsecond},
			Client: model.Endpoint{
				Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i % 20)}), uint16(40000+i)), Process: &model.Process{
					PID: uint32(200 + i%20), Name: "caller", ServiceName: fmt.Sprintf("caller-%d", i%20)}},
			Server: model.Endpoint{
				Addr:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 20)}), 8080),
				Process: &model.Process{PID: uint32(100 + i%20), Name: name, ServiceName: name}},
			HTTP: &model.HTTP{
				Method: "GET", Path: fmt.Sprintf("/orders/%d/items/%d", i%5, i%50), Route: fmt.Sprintf("/orders/%d/items/{id}", i%5),
				Host: "shop.example:8080", Status: 200, Version: "1.1", Scheme: "http", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)",
			},
		}
		all = append(all, r)
	}
	return all
}

// BenchmarkHistory is what a request costs that is kept for viewers, or not, in the pipeline's goroutine. "heap" is what is held
// in the end.
func BenchmarkHistory(b *testing.B) {
	all := exchanges()
	for _, c := range []struct {
		name    string
		history string
		watched bool
	}{{"idle", historyOnDemand, false}, {"watched", historyOnDemand, true}, {"always", historyAlways, false}} {
		b.Run(c.name, func(b *testing.B) {
			f := socketFlags{config: socket.Default(), history: c.history}
			a := f.open(func() model.Clock { return model.Clock{} }, words{}, newSelfSource(), slog.New(slog.DiscardHandler))
			if c.watched {
				a.store.Watch()
			}
			before := heap()
			now := time.Hour
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				r := all[n%len(all)]
				now += 50 * time.Microsecond // 20,000 requests a second
				r.Start, r.End = now-time.Millisecond, now
				a.store.Request(r)
				if n++; n%20 == 0 {
					a.store.Tick(now)
				}
			}
			b.ReportMetric(float64(heap()-before)/1e6, "heap-MB")
			runtime.KeepAlive(a)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkGlance is what the reading of headers for traces costs a request, while nobody watches and while somebody does.
func BenchmarkGlance(b *testing.B) {
	for _, watched := range []bool{false, true} {
		b.Run(map[bool]string{false: "idle", true: "watched"}[watched], func(b *testing.B) {
			run := runFlags{}
			g, err := run.glance(env{getenv: func(string) string { return "" }}, &audience{})
			if err != nil {
				b.Fatal(err)
			}
			g.watched = func() bool { return watched }
			g.Tick(time.Hour)
			fields := []model.Field{{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
			now := time.Hour
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				now += 50 * time.Microsecond
				n++
				started := model.Started{Conn: 1 + n%64, Start: now, Role: model.RoleServer, Fields: fields}
				r := model.Request{Conn: started.Conn, Role: model.RoleServer, Start: now, End: now + 1000, Begun: g.Begin(&started), Fields: fields}
				g.Finish(&r)
				if n%20 == 0 {
					g.Tick(now)
				}
			}
		})
	}
}

// BenchmarkAnswer is what a question costs agent and viewer together, over the socket: a page as a screen asks for it, and the
// largest.
func BenchmarkAnswer(b *testing.B) {
	f := socketFlags{config: socket.Default(), history: historyAlways}
	f.config.Path = b.TempDir() + "/s"
	a := f.open(func() model.Clock { return model.Clock{Boot: time.Now()} }, words{}, newSelfSource(), slog.New(slog.DiscardHandler))
	if err := a.listen(b.Context()); err != nil {
		b.Fatal(err)
	}
	a.run(b.Context())
	now := live.Now() - time.Second // when it begins to be watched, a store looks at the clock
	for range 20 {
		for _, r := range exchanges() {
			now += 50 * time.Microsecond
			r.Start, r.End = now-time.Millisecond, now
			a.store.Request(r)
		}
		a.store.Tick(now)
	}
	c, err := socket.Dial(b.Context(), f.config.Path)
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []view.Query{
		{Page: view.PageServices}, {Page: view.PageRequests}, {Page: view.PageRequests, Limit: view.MaxLimit},
	} {
		b.Run(fmt.Sprintf("%s-%d", q.Page, q.Limit), func(b *testing.B) {
			rows := 0
			for b.Loop() {
				s, err := c.Snapshot(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				rows = max(len(s.Services), len(s.Requests))
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
	_ = c.Close() // the server ends with the process
}
