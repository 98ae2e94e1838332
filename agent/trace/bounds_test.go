// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/propagation"
)

// small bounds are reached soon.
func small() trace.Config {
	return trace.Config{
		MaxRequests: 64, MaxEnded: 40, MaxConns: 32, MaxActors: 16, MaxProcesses: 4,
		Keep: time.Second, MaxAge: time.Minute, Idle: time.Minute, Proof: 2,
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	c := small()
	tr := trace.New(c)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		now := time.Duration(i) * time.Microsecond
		role := model.RoleClient + model.Role(i%2)
		conn := uint64(rng.IntN(1000))
		tr.Use(&model.Use{
			Kind: model.UseKind(1 + rng.IntN(5)), Conn: conn, Time: now,
			Actor: model.Actor{PID: rng.Uint32N(10), TID: 1 + rng.Uint32N(100), Goroutine: rng.Uint64N(3) * rng.Uint64N(1000)},
		})
		tr.Begin(&model.Started{Conn: conn, Role: role, Seq: uint32(i), Start: now})
		if requests, conns, actors, processes, indexed := tr.Sizes(); requests > c.MaxRequests || conns > c.MaxConns ||
			actors > c.MaxActors || processes > c.MaxProcesses || indexed > 3*c.MaxRequests {
			t.Fatalf("%d requests, %d connections, %d actors, %d processes, %d indexed", requests, conns, actors, processes, indexed)
		}
	}
	if s := tr.Stats(); s.Full == 0 {
		t.Error("nothing was counted as having found no room")
	}
	tr.Tick(time.Hour)
	for conn := range uint64(1000) {
		tr.Ended(conn)
	}
	tr.Tick(2 * time.Hour)
	requests, conns, actors, processes, indexed := tr.Sizes()
	if requests+conns+actors+processes+indexed > 0 || tr.Stats().Open != 0 {
		t.Errorf("in the end: %d requests, %d connections, %d actors, %d processes, %d indexed, %d open",
			requests, conns, actors, processes, indexed, tr.Stats().Open)
	}
	if tr.Stats().Expired == 0 {
		t.Error("no request expired")
	}
}

func TestIdentifiersAreUnique(t *testing.T) {
	const n = 10_000_000
	if testing.Short() {
		t.Skip("ten million identifiers")
	}
	seen := make([]uint64, n)
	bits := [64]int{}
	client, server := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
	tuples := [100]uint64{}
	for i := range tuples {
		tuples[i] = trace.Tuple(netip.AddrPortFrom(client.Addr(), uint16(40000+i)), server)
	}
	for i := range n { // as alike as requests can be
		id := trace.RequestID(tuples[i%100], uint32(i/100), uint32(i&1), time.Duration(i/1000), model.RoleClient+model.Role(i/2&1))
		seen[i] = binary.BigEndian.Uint64(id[:])
		for b := range 64 {
			bits[b] += int(id[b/8] >> (b % 8) & 1)
		}
	}
	slices.Sort(seen)
	if kinds := len(slices.Compact(seen)); kinds != n {
		t.Errorf("%d identifiers for %d requests", kinds, n)
	}
	for b, ones := range bits { // five standard deviations
		if ones < n/2-8000 || ones > n/2+8000 {
			t.Errorf("bit %d is set in %d of %d", b, ones, n)
		}
	}
	if trace.RequestID(0, 0, 0, 0, 0).IsZero() {
		t.Error("zero is no identifier")
	}
}

func TestTheOpenRequestsOfAnEndedConnectionHaveEnded(t *testing.T) {
	newScript(t, trace.Default()).play(`
		server s1 a
		read a T1
		end a
		send b T1
		client c1 b
		finish c1 -> root`)
}

func TestAnOldRequestIsGivenUp(t *testing.T) {
	s := newScript(t, small())
	s.play(`
		server s1 a
		read a T1
		tick 61s
		send b T1
		client c1 b
		finish c1 -> root
		finish s1 -> root`)
	if n := s.tracer.Stats().Expired; n != 1 {
		t.Errorf("%d expired", n)
	}
}

func TestMessagesAreLinks(t *testing.T) {
	e, err := propagation.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := trace.Default()
	c.Extractor = e
	tr := trace.New(c)
	field := model.Field{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01"}
	r := &model.Request{Role: model.RoleClient, Messaging: &model.Messaging{Headers: [][]model.Field{{field}, {}, {field}}}}
	tr.Finish(r)
	if len(r.Span.Links) != 2 || r.Span.Links[0].SpanID != (model.SpanID{7: 0xaa}) || !r.Span.Parent.IsZero() {
		t.Errorf("%+v", r.Span)
	}
}

// picky samples what came sampled, and nothing that began here.
type picky struct{ asked int }

func (p *picky) Sample(_, parent *model.SpanContext) bool {
	p.asked++
	return parent != nil && parent.Flags&model.FlagSampled != 0
}

func (p *picky) Denies(parent *model.SpanContext) bool {
	return parent != nil && parent.Flags&model.FlagSampled == 0
}

func TestAllSpansOfATraceAreSampledAlike(t *testing.T) {
	for _, test := range []struct {
		context         string
		sampled, denied bool
		flags           model.TraceFlags
	}{
		{"traceparent=00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01", true, false, model.FlagSampled},
		{"traceparent=00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-00", false, true, 0},
		{"none=", false, false, model.FlagRandom},
	} {
		c := trace.Default()
		c.Sampler = &picky{}
		s := newScript(t, c)
		s.play(`
			server s1 a ` + test.context + ` tracestate=k=v
			read a T1
			send b T1
			client c1 b
			finish c1 -> s1 thread
			finish s1`)
		for _, name := range []string{"s1", "c1"} {
			span := s.spans[name]
			if span.Sampled != test.sampled || span.Denied != test.denied || span.Flags != test.flags {
				t.Errorf("%s of %q: sampled %v, denied %v, flags %d", name, test.context, span.Sampled, span.Denied, span.Flags)
			}
			if (span.State == "k=v") != (span.Flags&model.FlagRandom == 0) {
				t.Errorf("%s of %q: state %q", name, test.context, span.State)
			}
		}
	}
}
