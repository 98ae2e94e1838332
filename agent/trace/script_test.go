// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/propagation"
)

// script plays lines to a tracer, one a millisecond, and holds the spans of finished requests against what the lines say.
//
// Connections are letters and have two ends: requests of clients begin and are sent at one, those of servers begin, are read
// and answered at the other; the first bytes of the n-th request are the same at both. Actors are written T1 (a thread) or G1
// (a goroutine), of process 100 unless the name begins with another and a colon (200:T1); G2<G1 was started by G1, and G2<G1/f
// to run function f. Comments begin with #.
type script struct {
	t      *testing.T
	tracer *trace.Tracer
	now    time.Duration
	begun  map[string]*model.Request
	spans  map[string]model.Span
	seqs   map[string]uint32
	starts map[string]model.Actor // of threads
	conns  map[string]uint64
}

func newScript(t *testing.T, c trace.Config) *script {
	e, err := propagation.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Extractor = e
	return &script{
		t: t, tracer: trace.New(c), begun: map[string]*model.Request{}, spans: map[string]model.Span{},
		seqs: map[string]uint32{}, starts: map[string]model.Actor{}, conns: map[string]uint64{},
	}
}

func (s *script) play(text string) {
	s.t.Helper()
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		s.now += time.Millisecond
		if err := s.line(words); err != nil {
			s.t.Errorf("line %d, %q: %v", n, strings.TrimSpace(line), err)
		}
	}
}

func (s *script) line(w []string) error {
	switch w[0] {
	case "server", "client", "wire":
		s.begin(w)
	case "query": // of a protocol without beginnings
		s.begun[w[1]] = s.request(model.RoleClient, w)
	case "read", "answer", "send", "sent", "call", "serve":
		s.use(w)
	case "start": // T2 T1: a thread starts another
		a, by := s.actor(w[1]), s.actor(w[2])
		a.Started, a.Creator = s.now, by.TID
		s.starts[w[1]] = a
	case "end":
		s.tracer.Ended(s.conn(w[1], model.RoleServer))
		s.tracer.Ended(s.conn(w[1], model.RoleClient))
	case "tick":
		d, err := time.ParseDuration(w[1])
		s.now += d
		s.tracer.Tick(s.now)
		return err
	case "finish":
		return s.finish(w)
	default:
		return fmt.Errorf("no such line")
	}
	return nil
}

// conn returns an end of a connection.
func (s *script) conn(name string, role model.Role) uint64 {
	k := name + role.String()
	if s.conns[k] == 0 {
		s.conns[k] = uint64(len(s.conns) + 1)
	}
	return s.conns[k]
}

// request reads: role name connection [@pid] [/stream] [late] [pushed] [over] [from=address] [to=address] [name=value of a header].
func (s *script) request(role model.Role, w []string) *model.Request {
	port := uint16(w[2][0])
	r := &model.Request{
		Protocol: model.ProtocolHTTP, Role: role, Start: s.now, Conn: s.conn(w[2], role),
		Client: model.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 40000+port)},
		Server: model.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), port)},
	}
	pid := uint32(100)
	for _, o := range w[3:] {
		name, value, isField := strings.Cut(o, "=")
		switch {
		case name == "from":
			r.Client.Addr = netip.AddrPortFrom(netip.MustParseAddr(value), 40000+port)
		case name == "to":
			r.Server.Addr = netip.AddrPortFrom(netip.MustParseAddr(value), port)
		case isField:
			r.Fields = append(r.Fields, model.Field{Name: name, Value: value})
		case o == "late": // its head took some time
			r.Start -= 2 * time.Millisecond
		case o[0] == '@':
			n, _ := strconv.Atoi(o[1:])
			pid = uint32(n)
		}
	}
	if role != model.RoleWire {
		r.Local().Process = &model.Process{PID: pid}
	}
	return r
}

func (s *script) begin(w []string) {
	role := map[string]model.Role{"server": model.RoleServer, "client": model.RoleClient, "wire": model.RoleWire}[w[0]]
	r := s.request(role, w)
	stream := uint32(0)
	for _, o := range w[3:] {
		if o[0] == '/' {
			n, _ := strconv.Atoi(o[1:])
			stream = uint32(n)
		}
	}
	k, pushed, over := w[2]+w[0], slices.Contains(w, "pushed"), slices.Contains(w, "over")
	if pushed { // the other direction has numbers of its own
		k += "pushed"
	}
	s.seqs[k] += 100
	r.Begun = s.tracer.Begin(&model.Started{
		Conn: r.Conn, Role: role, Client: r.Client.Addr, Server: r.Server.Addr, Process: r.Local().Process,
		Seq: s.seqs[k], Stream: stream, Start: r.Start, Fields: r.Fields, Pushed: pushed, Late: over,
	})
	s.begun[w[1]] = r
}

// actor reads [pid:]T1 or [pid:]G2<G1/f.
func (s *script) actor(name string) model.Actor {
	if a, ok := s.starts[name]; ok {
		return a
	}
	a := model.Actor{PID: 100}
	if pid, rest, ok := strings.Cut(name, ":"); ok {
		n, _ := strconv.Atoi(pid)
		a.PID, name = uint32(n), rest
	}
	name, function, _ := strings.Cut(name, "/")
	if function != "" {
		a.StartPC = uint64(function[0])
	}
	name, parent, _ := strings.Cut(name, "<")
	number := func(name string) uint64 {
		n, _ := strconv.Atoi(strings.TrimLeft(name, "TG"))
		return uint64(n)
	}
	a.TID = uint32(number(name))
	if name[0] == 'G' {
		a.Goroutine, a.TID = number(name), 7 // whatever thread
		a.ParentGoroutine = number(parent)
	}
	return a
}

// use reads: what connection [/stream] actor.
func (s *script) use(w []string) {
	kinds := map[string]model.UseKind{
		"read": model.UseRead, "answer": model.UseSend, "send": model.UseSend, "sent": model.UseSent, "call": model.UseCall,
		"serve": model.UseServe,
	}
	u := model.Use{Kind: kinds[w[0]], Time: s.now, Actor: s.actor(w[len(w)-1])}
	role := model.RoleClient
	if w[0] == "read" || w[0] == "answer" || w[0] == "serve" {
		role = model.RoleServer
	}
	if w[1] != "x" { // else the connection follows from who read it
		u.Conn = s.conn(w[1], role)
	}
	if at := w[len(w)-2]; at[0] == '/' {
		n, _ := strconv.Atoi(at[1:])
		u.Stream = uint32(n)
	}
	if w[len(w)-1] == "nobody" {
		u.Actor = model.Actor{}
	}
	s.tracer.Use(&u)
}

// finish reads: name [-> parent evidence], where parent is a request, a span id on the wire, or root.
func (s *script) finish(w []string) error {
	r := s.begun[w[1]]
	if r == nil {
		return fmt.Errorf("it was not begun")
	}
	r.ResponseStart, r.End = s.now, s.now
	s.tracer.Finish(r)
	s.spans[w[1]] = r.Span
	if len(w) < 4 {
		return nil
	}
	got, want := r.Span, w[3]
	evidence := ""
	if len(w) > 4 {
		evidence = w[4]
	}
	who := "root"
	for name, span := range s.spans {
		if !got.Parent.IsZero() && span.SpanID == got.Parent {
			who = name
			if span.TraceID != got.TraceID {
				return fmt.Errorf("its parent %s is in another trace", name)
			}
		}
	}
	for name, begun := range s.begun { // parents that are not finished yet
		if !got.Parent.IsZero() && who == "root" && name == want {
			if s.tracer.SpanOf(begun.Begun) == got.Parent {
				who = name
			}
		}
	}
	if who == "root" && !got.Parent.IsZero() {
		who = got.Parent.String()
	}
	if who != want || got.Evidence.String() != evidence {
		return fmt.Errorf("parent %s by %q, want %s by %q", who, got.Evidence, want, evidence)
	}
	return nil
}
