// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"sonde/agent/model"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/exporters/semconv"
	"sonde/exporters/text"
)

// services is how many services the requests go between, each with some processes.
const (
	services  = 30
	instances = 4
	routes    = 12
)

// words are those of cmd/sonde.
type words struct{ methods semconv.Methods }

func (words) AppendTarget(b []byte, r *model.Request) []byte { return text.AppendTarget(b, r) }
func (words) AppendStatus(b []byte, r *model.Request) []byte { return text.AppendStatus(b, r) }
func (w words) AppendOperation(b []byte, r *model.Request) []byte {
	return w.methods.AppendSpanName(b, r)
}

func (words) Failed(r *model.Request) bool {
	status, _ := semconv.StatusOf(r)
	return status == semconv.StatusError
}
func (words) Attributes(*model.Request) []view.KeyValue { return nil }

// link is an open connection.
type link struct {
	client, server model.Endpoint
	conn           uint64
	flow, told     model.Flow // as it is, and as it was last reported
}

// feed is a pipeline's end: it puts requests and flows into a store in real time.
type feed struct {
	store  *store.Store
	boot   time.Time
	rate   int
	links  []link
	paths  []string // as they are
	routes []string // as they were learnt
	random *rand.Rand
	behind atomic.Int64 // by how much it was late at most, in nanoseconds, where that is more than a tick
}

func newFeed(s *store.Store, boot time.Time, rate, conns int) *feed {
	f := &feed{store: s, boot: boot, rate: rate, random: rand.New(rand.NewPCG(1, 2))}
	var processes [services][instances]*model.Process
	for i := range services {
		for j := range instances {
			processes[i][j] = &model.Process{PID: uint32(1000 + 10*i + j), Name: fmt.Sprintf("svc%02d", i), ServiceName: fmt.Sprintf("service-%02d", i)}
		}
	}
	for i := range conns {
		from := i % services
		to := (from + 1 + i/services%3) % services
		l := link{conn: uint64(i + 1)}
		l.client = model.Endpoint{Addr: address(from, 10_000+i), Process: processes[from][i%instances]}
		l.server = model.Endpoint{Addr: address(to, 8080), Process: processes[to][i/7%instances]}
		l.flow = model.Flow{
			Transport: "tcp", Role: model.RoleServer, Client: l.client, Server: l.server, Conn: l.conn, Protocol: model.ProtocolHTTP,
			Start: time.Since(boot), Encryption: "none",
		}
		f.links = append(f.links, l)
	}
	for i := range 1000 {
		f.paths = append(f.paths, fmt.Sprintf("/api/v1/orders/%d/items/%d", i%routes, i))
		f.routes = append(f.routes, fmt.Sprintf("/api/v1/orders/%d/items/{id}", i%routes))
	}
	return f
}

func address(service, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(service), 7}), uint16(port))
}

// tick is how often a pipeline hands on what it has.
const tick = 10 * time.Millisecond

// run feeds until ctx is done. Each connection is reported once in five seconds, as by the tracker.
func (f *feed) run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	begun, done, reported := time.Now(), 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Since(f.boot)
		due := int(time.Since(begun).Seconds() * float64(f.rate))
		if late := time.Duration(due-done) * time.Second / time.Duration(f.rate); late > time.Second && int64(late) > f.behind.Load() {
			f.behind.Store(int64(late))
		}
		for ; done < due; done++ {
			f.request(done, now)
		}
		flows := int(time.Since(begun).Seconds() * float64(len(f.links)) / 5)
		for ; reported < flows; reported++ {
			f.flow(&f.links[reported%len(f.links)], now)
		}
		f.store.Tick(now)
	}
}

// request puts the end of a request that one of the two processes has seen: in turn, as both are of this machine.
func (f *feed) request(n int, now time.Duration) {
	l := &f.links[f.random.IntN(len(f.links))]
	took := time.Duration(f.random.ExpFloat64() * float64(2*time.Millisecond))
	path := f.random.IntN(len(f.paths))
	r := &model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Client: l.client, Server: l.server, Conn: l.conn, Start: now - took,
		RequestEnd: now - took, ResponseStart: now, End: now, RequestBytes: 200, ResponseBytes: 1200,
		TCP:  model.TCPFacts{SRTT: 200 * time.Microsecond},
		HTTP: &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Path: f.paths[path], Host: "shop", Status: 200, Route: f.routes[path]},
	}
	if n%2 == 0 {
		r.Role = model.RoleClient
	}
	if n%50 == 0 {
		r.HTTP.Status, r.Outcome = 500, model.OutcomeError
	}
	l.flow.BytesSent, l.flow.BytesReceived = l.flow.BytesSent+200, l.flow.BytesReceived+1200
	l.flow.PacketsSent, l.flow.PacketsReceived = l.flow.PacketsSent+2, l.flow.PacketsReceived+2
	f.store.Request(r)
}

func (f *feed) flow(l *link, now time.Duration) {
	l.flow.End, l.flow.TCP.SRTT = now, 200*time.Microsecond
	copied := l.flow
	delta := model.FlowDelta{ // of the server's socket
		BytesReceived: copied.BytesSent - l.told.BytesSent, BytesTransmitted: copied.BytesReceived - l.told.BytesReceived,
		PacketsReceived: copied.PacketsSent - l.told.PacketsSent, PacketsTransmitted: copied.PacketsReceived - l.told.PacketsReceived,
	}
	l.told = copied
	f.store.Flow(&copied, delta)
}
