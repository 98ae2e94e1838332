// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// busy is a world of 300 services with ten operations each, whose requests come at 20,000 a second over 10,000 connections.
type busy struct {
	*script
	services []*model.Process
	requests []*model.Request
	flows    []model.Flow
	step     time.Duration // between two requests
}

const (
	busyServices = 300
	busyFlows    = 10_000
	busyRequests = 50_000
)

func newBusy(t testing.TB) *busy {
	b := &busy{script: newScript(t, Default()), step: time.Second / 20_000}
	for i := range busyServices {
		b.services = append(b.services, running(fmt.Sprintf("service-%03d", i), uint32(1000+i)))
	}
	for i := range busyFlows {
		b.flows = append(b.flows, b.flow(i))
	}
	for i := range busyFlows {
		f := &b.flows[i]
		r := b.get([]model.Role{model.RoleServer, model.RoleClient}[i%2], fmt.Sprintf("/operation/%d/{id}", i%10), time.Millisecond)
		r.Client, r.Server, r.Conn = f.Client, f.Server, f.Conn
		r.HTTP.Path = fmt.Sprintf("/operation/%d/%d", i%10, i)
		r.HTTP.Host, r.HTTP.UserAgent, r.HTTP.Scheme = "shop.example", "curl/8.5.0", "http"
		r.Span.TraceID[0], r.Span.SpanID[0] = byte(i), 1
		b.requests = append(b.requests, r)
	}
	return b
}

func (b *busy) flow(i int) model.Flow {
	server, client := i%busyServices, (i/2+1)%busyServices
	f := model.Flow{
		Transport: "tcp", Role: model.RoleServer, Protocol: model.ProtocolHTTP, Conn: uint64(i + 1), Start: start, End: start,
		Client: model.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(client)}), uint16(20_000+i/2)), Process: b.services[client]},
		Server: model.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(server)}), 80), Process: b.services[server]},
		TCP:    model.TCPFacts{SRTT: time.Duration(i) * time.Microsecond},
	}
	return f
}

// at sets the time of the i-th request.
func (b *busy) at(i int) *model.Request {
	b.now += b.step
	r := b.requests[i*7919%len(b.requests)]
	r.Start, r.End = b.now-time.Duration(1+i%1000)*50*time.Microsecond, b.now
	r.RequestEnd, r.ResponseStart = r.Start, r.End
	return r
}

// fill makes the store as full as it gets.
func (b *busy) fill() {
	b.step = time.Millisecond // else the ring would hold three seconds
	for i := range 16 * busyRequests {
		b.s.Request(b.at(i))
		if i%100 == 0 {
			b.s.Tick(b.now)
		}
		if i%10_000 == 0 {
			for n := range b.flows {
				b.s.Flow(b.grown(n), model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 100})
			}
		}
	}
}

func (b *busy) grown(i int) *model.Flow {
	f := &b.flows[i%len(b.flows)]
	f.BytesSent += 1000
	f.BytesReceived += 100
	f.PacketsSent++
	f.End = b.now
	return f
}

// processorTime reports what the process took of the processors, collection of garbage included: other programs do not change it.
func processorTime(b *testing.B) func() {
	took := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := took()
	return func() { b.ReportMetric(float64(took()-before)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkRequest(b *testing.B) {
	world := newBusy(b)
	i := 0
	b.ReportAllocs()
	defer processorTime(b)()
	for b.Loop() {
		world.s.Request(world.at(i))
		i++
	}
}

func BenchmarkRequestUnwatched(b *testing.B) {
	world := newBusy(b)
	world.s.watched.Store(false)
	b.ReportAllocs()
	for b.Loop() {
		world.s.Request(world.requests[0])
	}
}

func BenchmarkFlow(b *testing.B) {
	world := newBusy(b)
	i := 0
	b.ReportAllocs()
	defer processorTime(b)()
	for b.Loop() {
		world.now += 100 * time.Microsecond
		world.s.Flow(world.grown(i), model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 100})
		i++
	}
}

func BenchmarkSnapshot(b *testing.B) {
	world := newBusy(b)
	world.fill()
	ask := func(name string, q view.Query) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			for b.Loop() {
				if _, err := world.s.Snapshot(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	trace := world.requests[0].Span.TraceID.String()
	within := view.Scope{Service: "service-007"}
	for _, page := range pages {
		q := view.Query{Page: page}
		switch page {
		case view.PageTrace:
			q.Within.Trace = trace
		case view.PageRequest:
			q.Within.Request = world.s.ring.end - 100
		}
		ask(string(page), q)
	}
	ask("services/15m", view.Query{Page: view.PageServices, Window: 15 * time.Minute})
	ask("routes/15m", view.Query{Page: view.PageRoutes, Window: 15 * time.Minute})
	ask("map/p99", view.Query{Page: view.PageMap, Sort: "p99"})
	ask("services/filter", view.Query{Page: view.PageServices, Filter: "--process service-0*"})
	ask("requests/filter", view.Query{Page: view.PageRequests, Filter: "--http-status 5+"})
	ask("requests/text", view.Query{Page: view.PageRequests, Filter: "operation"})
	ask("requests/duration", view.Query{Page: view.PageRequests, Sort: "duration"})
	ask("requests/status", view.Query{Page: view.PageRequests, Sort: "status"})
	ask("requests/service", view.Query{Page: view.PageRequests, Within: within})
	ask("flows/filter", view.Query{Page: view.PageFlows, Filter: "--port 80"})
	ask("conns/client", view.Query{Page: view.PageConns, Sort: "client"})
	b.Run("freeze", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			id, err := world.s.Freeze(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			if err := world.s.Thaw(context.Background(), id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("values", func(b *testing.B) {
		for b.Loop() {
			if _, err := world.s.Values(context.Background(), "process"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLockHeld tells how long a question holds the lock, which is how long the goroutine that feeds waits for it: of the
// questions that copy most, in a second in which every service was busy.
func BenchmarkLockHeld(b *testing.B) {
	world := newBusy(b)
	world.fill()
	world.now = world.now.Truncate(time.Second) + time.Second
	world.step = time.Second / 20_000
	for i := range 19_000 {
		world.s.Request(world.at(i))
	}
	for _, page := range []view.Page{view.PageServices, view.PageProcesses, view.PageFlows, view.PageRequests} {
		b.Run(string(page), func(b *testing.B) { world.lockHeld(b, needsOf(&view.Query{Page: page})) })
	}
	b.Run("freeze", func(b *testing.B) { world.lockHeld(b, everything()) })
}

func (b *busy) lockHeld(t *testing.B, n needs) {
	var all []time.Duration
	for t.Loop() {
		w := b.s.room(n)
		b.s.mu.Lock()
		began := time.Now()
		b.s.fill(w, n, 1<<30)
		all = append(all, time.Since(began))
		b.s.mu.Unlock()
	}
	slices.Sort(all)
	t.ReportMetric(float64(all[len(all)/2]), "median-ns")
	t.ReportMetric(float64(all[len(all)*99/100]), "p99-ns")
	t.ReportMetric(float64(all[len(all)-1]), "max-ns")
}
