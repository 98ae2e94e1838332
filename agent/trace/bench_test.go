// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"net/netip"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
)

// BenchmarkBeginFinish is a request seen at one end, without context: half of them servers', half the calls that those make.
func BenchmarkBeginFinish(b *testing.B) {
	tr := trace.New(trace.Default())
	server := netip.MustParseAddrPort("10.0.0.2:80")
	var started [2][64]model.Started
	for i := range 64 {
		client := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(40000+i))
		started[0][i] = model.Started{Conn: uint64(2 * i), Role: model.RoleServer, Client: client, Server: server}
		started[1][i] = model.Started{Conn: uint64(2*i + 1), Role: model.RoleClient, Client: server, Server: client}
	}
	var r model.Request
	var tokens [64]uint64
	now := time.Duration(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += 10 * time.Microsecond
		k := i % 64
		s := &started[0][k]
		s.Seq, s.Start = uint32(i)*100, now
		if tokens[k] != 0 {
			r.Role, r.Begun, r.End = model.RoleServer, tokens[k], now
			tr.Finish(&r)
		}
		tokens[k] = tr.Begin(s)
		s = &started[1][k]
		s.Seq, s.Start = uint32(i)*100, now
		r.Begun, r.Role, r.End = tr.Begin(s), model.RoleClient, now
		tr.Finish(&r)
		if i%64 == 0 {
			tr.Tick(now)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/request")
}

// BenchmarkServedCall is a request that is read, calls a database and is answered: what a query costs.
func BenchmarkServedCall(b *testing.B) {
	tr := trace.New(trace.Default())
	client, server := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
	s := model.Started{Conn: 1, Role: model.RoleServer, Client: client, Server: server}
	q := model.Request{Conn: 2, Role: model.RoleClient}
	var r model.Request
	u := model.Use{Actor: model.Actor{PID: 1, TID: 2}}
	now := time.Duration(0)
	found := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += 10 * time.Microsecond
		s.Seq, s.Start = uint32(i)*100, now
		r.Begun = tr.Begin(&s)
		u.Kind, u.Conn, u.Time = model.UseRead, 1, now+1
		tr.Use(&u)
		u.Kind, u.Conn, u.Time = model.UseSend, 2, now+2
		tr.Use(&u)
		q.Start, q.End = now+3, now+4
		tr.Finish(&q)
		if !q.Span.Parent.IsZero() {
			found++
		}
		r.Role, r.Conn, r.Start, r.End = model.RoleServer, 1, now, now+5
		tr.Finish(&r)
		if i%64 == 0 {
			tr.Tick(now)
		}
	}
	if found != b.N {
		b.Fatalf("%d of %d calls have a parent", found, b.N)
	}
}
