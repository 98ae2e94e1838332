// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/propagation"
)

// player reads calls to a tracer from bytes.
type player struct {
	p      []byte
	tracer *trace.Tracer
	now    time.Duration
	open   []*model.Request
	spans  []model.Span
}

func (p *player) byte() int {
	if len(p.p) == 0 {
		return 0
	}
	b := p.p[0]
	p.p = p.p[1:]
	return int(b)
}

func (p *player) actor() model.Actor {
	b := p.byte()
	return model.Actor{
		PID: uint32(b & 1), TID: uint32(b >> 1 & 3), Creator: uint32(b >> 3 & 3), Started: time.Duration(b>>5) * time.Microsecond,
		Goroutine: uint64(p.byte() & 3), ParentGoroutine: uint64(b >> 3 & 3), StartPC: uint64(b >> 7),
	}
}

func (p *player) request() *model.Request {
	b, x := p.byte(), p.byte()
	r := &model.Request{Role: model.Role(b & 3), Conn: uint64(b >> 2 & 7), Start: p.now}
	r.Client.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(r.Conn/2))
	if b&32 != 0 {
		r.Local().Process = &model.Process{PID: uint32(b >> 6)}
	}
	if x&1 != 0 {
		r.Fields = []model.Field{{
			Name: "traceparent", Value: fmt.Sprintf("00-0af7651916cd43dd8448eb211c8031%02x-00000000000000%02x-01", 1+x>>1&1, 1+x>>2&7),
		}}
	}
	return r
}

func (p *player) step() {
	p.now += time.Duration(p.byte()) * time.Microsecond
	switch p.byte() & 7 {
	case 0, 1:
		r := p.request()
		x := p.byte()
		r.Begun = p.tracer.Begin(&model.Started{
			Conn: r.Conn, Role: r.Role, Client: r.Client.Addr, Process: r.Local().Process, Start: r.Start, Fields: r.Fields,
			Seq: uint32(x & 15), Stream: uint32(x >> 4 & 3),
		})
		p.open = append(p.open, r)
	case 2, 3:
		k := p.byte()
		p.tracer.Use(&model.Use{Kind: model.UseKind(k & 7), Conn: uint64(k >> 3 & 7), Stream: uint32(k >> 6), Time: p.now, Actor: p.actor()})
	case 4, 5:
		if n := len(p.open); n > 0 {
			i := p.byte() % n
			p.finish(p.open[i])
			p.open = slices.Delete(p.open, i, i+1)
		}
	case 6:
		p.finish(p.request())
	case 7:
		if b := p.byte(); b < 128 {
			p.tracer.Ended(uint64(b & 7))
		} else {
			p.tracer.Tick(p.now + time.Duration(b&3)*time.Second)
		}
	}
}

func (p *player) finish(r *model.Request) {
	r.ResponseStart, r.End = p.now, p.now
	p.tracer.Finish(r)
	p.spans = append(p.spans, r.Span)
}

func play(data []byte, e *propagation.Extractor) []model.Span {
	c := small()
	c.Extractor = e
	p := player{p: data, tracer: trace.New(c)}
	for len(p.p) > 0 {
		p.step()
		if requests, conns, actors, processes, _ := p.tracer.Sizes(); requests > c.MaxRequests || conns > c.MaxConns ||
			actors > c.MaxActors || processes > c.MaxProcesses {
			panic("no bound")
		}
	}
	return p.spans
}

// check plays calls and holds the spans against what must be so of any.
func check(t *testing.T, data []byte, e *propagation.Extractor) {
	t.Helper()
	if len(data) > 4096 { // a thousand calls
		t.Skip()
	}
	spans := play(data, e)
	again := play(data, e)
	own := map[model.SpanID]bool{}
	type place struct {
		trace model.TraceID
		span  model.SpanID
	}
	placed := map[place]*model.Span{}
	for i := range spans {
		s := &spans[i]
		if s.SpanID != again[i].SpanID || s.TraceID != again[i].TraceID || s.Parent != again[i].Parent {
			t.Fatalf("the same calls give %+v and %+v", *s, again[i])
		}
		if !s.Valid() || s.Parent == s.SpanID || s.Parent.IsZero() != (s.Evidence == model.EvidenceNone) {
			t.Fatalf("%+v", *s)
		}
		if s.ParentRemote && s.Evidence != model.EvidenceHeader {
			t.Fatalf("%+v", *s)
		}
		if own[s.SpanID] && s.SpanID[0] != 0 { // those on the wire may come again after they were forgotten
			t.Fatalf("two spans have %s", s.SpanID)
		}
		own[s.SpanID] = true
		placed[place{s.TraceID, s.SpanID}] = s
	}
	for _, s := range placed {
		above := func(a *model.Span) *model.Span { return placed[place{a.TraceID, a.Parent}] }
		for n, a := 0, above(s); a != nil; n, a = n+1, above(a) { // nobody is above itself
			if a == s || n > len(spans) {
				t.Fatalf("%+v is in a circle", *s)
			}
		}
		if s.Parent[0] != 0 && own[s.Parent] && above(s) == nil {
			t.Fatalf("%+v is in another trace than its parent", *s)
		}
	}
}

func FuzzTracer(f *testing.F) {
	e, err := propagation.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("0000000000000000"))
	f.Add([]byte("\x01\x00\x02\x00\x00\x01\x02\x01\x04\x01\x01\x00\x01\x00\x00\x01\x04\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data, e)
	})
}

func TestRandomCallsKeepTheInvariants(t *testing.T) {
	e, err := propagation.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		data := make([]byte, rng.IntN(4096))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		check(t, data, e)
	}
}
