// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/probes/event"
)

// told writes down what a tracer is told.
type told struct {
	lines  []string
	tokens uint64
}

func (o *told) Begin(s *model.Started) uint64 {
	o.tokens++
	pid := uint32(0)
	if s.Process != nil {
		pid = s.Process.PID
	}
	line := fmt.Sprintf("begin %d: conn %d, %s of pid %d, %s to %s, seq %d, stream %d, at %s", o.tokens, s.Conn, s.Role, pid,
		s.Client, s.Server, s.Seq, s.Stream, ms(s.Start))
	if s.Pushed {
		line += ", pushed"
	}
	if s.Late {
		line += ", late"
	}
	for _, f := range s.Fields {
		line += ", " + f.Name + "=" + f.Value
	}
	o.lines = append(o.lines, line)
	return o.tokens
}

func (o *told) Use(u *model.Use) {
	a := u.Actor
	o.lines = append(o.lines, fmt.Sprintf("use %d: conn %d, stream %d, at %s, pid %d, tid %d of %s started by %d, goroutine %d of %d runs %#x",
		u.Kind, u.Conn, u.Stream, ms(u.Time), a.PID, a.TID, ms(a.Started), a.Creator, a.Goroutine, a.ParentGoroutine, a.StartPC))
}

func (o *told) Ended(conn uint64) { o.lines = append(o.lines, fmt.Sprintf("ended %d", conn)) }

func (o *told) compare(t *testing.T, want ...string) {
	t.Helper()
	if got, want := strings.Join(o.lines, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// used has a thread use a socket.
func (k *sock) used(use model.UseKind, pid, tid uint32) *sock {
	e := event.Use{
		Hdr: k.s.header(event.KindUse, k.address), Use: uint8(use), PidTgid: uint64(pid)<<32 | uint64(tid),
		ThreadStart: uint64(time.Millisecond), Creator: 3, Goid: 4, ParentGoid: 5, StartPc: 6, Stream: 7,
	}
	if use == model.UseServe {
		e.Hdr.Sock = 0
	}
	k.s.record(e, "use %d", use)
	return k
}

func traced(c conn.Config) (*script, *told) {
	s, o := newScript(c), &told{}
	s.tracker.Trace(o)
	return s, o
}

func TestTheTracerIsToldOfBothEndsAlike(t *testing.T) {
	s, o := traced(conn.Default())
	withContext := strings.Replace(get, "Host", "b3: 1-2\r\nHost", 1)
	c := client(s)
	v := server(s).actor(9, "nginx")
	v.dirs[1].next, v.dirs[0].next = c.dirs[0].next, c.dirs[1].next
	c.sent(get)
	v.received(get).sent(ok)
	c.received(ok).sent(withContext)
	v.received(withContext)
	c.close(stFinWait2, 0)
	n := len(get)
	o.compare(t,
		"begin 1: conn 1, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq 1000, stream 0, at 5ms",
		"begin 2: conn 2, server of pid 9, 10.0.0.1:40000 to 10.0.0.2:80, seq 1000, stream 0, at 6ms",
		fmt.Sprintf("begin 3: conn 1, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq %d, stream 0, at 9ms, b3=1-2", 1000+n),
		fmt.Sprintf("begin 4: conn 2, server of pid 9, 10.0.0.1:40000 to 10.0.0.2:80, seq %d, stream 0, at 10ms, b3=1-2", 1000+n),
		"ended 1")
}

// passes lets bytes pass from one end of a connection to the other.
func passes(from, to *sock, data string) {
	from.sent(data)
	to.received(data)
}

// ends returns both ends of a connection, of which the first is the client's.
func ends(s *script) (c, v *sock) {
	c, v = client(s), server(s).actor(9, "server")
	v.dirs[1].next, v.dirs[0].next = c.dirs[0].next, c.dirs[1].next
	return c, v
}

// message is one of PostgreSQL.
func message(kind, body string) string {
	return kind + string([]byte{0, 0, byte(len(body) >> 8), byte(len(body) + 4)}) + body
}

func TestBothEndsOfADatabaseBeginAtTheSameByte(t *testing.T) {
	s, o := traced(conn.Default())
	c, v := ends(s)
	startup := message("", "\x00\x03\x00\x00user\x00joe\x00\x00")
	parse, ready := message("P", "\x00SELECT 1\x00\x00\x00"), message("Z", "I")
	rest := message("B", "\x00\x00\x00\x00\x00\x00\x00\x00") + message("E", "\x00\x00\x00\x00\x00") + message("S", "")
	passes(c, v, startup)
	passes(v, c, message("R", "\x00\x00\x00\x00")+ready)
	passes(c, v, parse)
	passes(c, v, rest)
	passes(v, c, message("1", "")+message("2", "")+message("C", "SELECT 1\x00")+ready)
	passes(c, v, message("X", ""))
	client, server := "client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80", "server of pid 9, 10.0.0.1:40000 to 10.0.0.2:80"
	group := 1000 + len(startup)
	end := group + len(parse+rest)
	o.compare(t,
		"begin 1: conn 1, "+client+", seq 1000, stream 0, at 5ms",
		"begin 2: conn 2, "+server+", seq 1000, stream 0, at 6ms",
		fmt.Sprintf("begin 3: conn 1, %s, seq %d, stream 0, at 9ms", client, group),
		fmt.Sprintf("begin 4: conn 2, %s, seq %d, stream 0, at 10ms", server, group),
		fmt.Sprintf("begin 5: conn 1, %s, seq %d, stream 0, at 15ms, late", client, end),
		fmt.Sprintf("begin 6: conn 2, %s, seq %d, stream 0, at 16ms, late", server, end))
}

func TestADeliveryBeginsWhereTheBrokerSendsIt(t *testing.T) {
	s, o := traced(conn.Default())
	c, v := ends(s)
	info, hello, sub := `INFO {"server_id":"A"}`+"\r\n", `CONNECT {"verbose":false}`+"\r\n", "SUB a 1\r\n"
	passes(v, c, info)
	passes(c, v, hello+sub)
	passes(v, c, "MSG a 1 2\r\nhi\r\n")
	client, server := "client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80", "server of pid 9, 10.0.0.1:40000 to 10.0.0.2:80"
	o.compare(t,
		"begin 1: conn 2, "+server+", seq 500000, stream 0, at 5ms, pushed",
		"begin 2: conn 1, "+client+", seq 500000, stream 0, at 6ms, pushed",
		"begin 3: conn 1, "+client+", seq 1000, stream 0, at 7ms",
		"begin 4: conn 1, "+client+", seq 1027, stream 0, at 7ms, late",
		"begin 5: conn 2, "+server+", seq 1000, stream 0, at 8ms",
		"begin 6: conn 2, "+server+", seq 1027, stream 0, at 8ms, late",
		"begin 7: conn 2, "+server+", seq 500024, stream 0, at 9ms, pushed, late",
		"begin 8: conn 1, "+client+", seq 500024, stream 0, at 10ms, pushed, late")
}

func TestSequenceNumbersGoOnInATunnel(t *testing.T) {
	s, o := traced(conn.Default())
	connect := "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"
	upgrade := "GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
	client(s).sent(connect).received("HTTP/1.1 200 OK\r\n\r\n").sent(get)
	client(s).sent(upgrade).received("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n").
		sent("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x03\x01\x05\x00\x00\x00\x03\x82\x86\x84")
	o.compare(t,
		"begin 1: conn 1, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq 1000, stream 0, at 3ms",
		fmt.Sprintf("begin 2: conn 1, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq %d, stream 0, at 5ms", 1000+len(connect)),
		"begin 3: conn 2, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq 1000, stream 0, at 8ms",
		fmt.Sprintf("begin 4: conn 2, client of pid 7, 10.0.0.1:40000 to 10.0.0.2:80, seq %d, stream 3, at 10ms", 1000+len(upgrade)+24+9))
}

func TestTheTracerIsToldOfUses(t *testing.T) {
	s, o := traced(conn.Default())
	k := server(s)
	k.used(model.UseRead, 8, 9).used(model.UseServe, 8, 9)
	s.sock(here, there).used(model.UseSend, 8, 9) // not known yet
	actor := "pid 8, tid 9 of 1ms started by 3, goroutine 4 of 5 runs 0x6"
	o.compare(t,
		"use 1: conn 1, stream 7, at 2ms, "+actor,
		"use 5: conn 0, stream 7, at 3ms, "+actor)
	if n := s.tracker.Stats().Undecodable; n != 0 {
		t.Errorf("%d records made no sense", n)
	}
}

// The sender of a connection that goes on is told of once, before its first bytes make the connection known.
func TestTheSenderOfAnOlderConnectionIsKnown(t *testing.T) {
	s, o := traced(conn.Default())
	c := s.sock(here, there)
	c.used(model.UseSend, 7, 8).sent(get)
	if len(o.lines) != 2 || !strings.HasPrefix(o.lines[0], "use 2: conn 1") {
		t.Errorf("told: %q", o.lines)
	}
	s, o = traced(conn.Default())
	c = s.sock(here, there)
	c.used(model.UseSend, 7, 8)
	s.tick(time.Second) // another socket has the address now
	c.sent(get)
	if len(o.lines) != 1 || !strings.HasPrefix(o.lines[0], "begin") {
		t.Errorf("told: %q", o.lines)
	}
}

func TestTheAgentsOwnConnectionsAreNotTraced(t *testing.T) {
	c := conn.Default()
	c.Self = 7
	s, o := traced(c)
	client(s).used(model.UseSend, 7, 7).sent(get).close(stFinWait2, 0)
	o.compare(t, "ended 1")
}

func TestACaptureHasOneEnd(t *testing.T) {
	s, o := traced(conn.Capture())
	s.sock(here, there).connect(0, "").established().sent(get)
	o.compare(t, "begin 1: conn 1, wire of pid 0, 10.0.0.1:40000 to 10.0.0.2:80, seq 1000, stream 0, at 3ms")
}

func TestAConversationOfDatagramsEnds(t *testing.T) {
	s, o := traced(conn.Default())
	query := []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")
	k := s.sock(here, "10.0.0.2:53")
	d := event.Datagram{Hdr: s.header(event.KindDatagram, k.address), Tuple: k.tuple(), Len: uint32(len(query)), Dir: event.DirReceived}
	var m event.Scratch
	s.tracker.Record(m.Datagram(&d, query))
	s.tick(time.Minute)
	o.compare(t, "ended 1")
}
