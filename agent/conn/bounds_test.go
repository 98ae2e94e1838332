// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/probes/event"
)

// udp is an eviction of a flow of a UDP socket, or of an interface when sock is 0.
func (s *script) udp(sock uint64, local, remote uint16, sent, received uint64) {
	e := event.Flow{Hdr: s.header(event.KindFlow, 0)}
	e.Key = event.FlowKey{
		Local: netip.MustParseAddr("10.0.0.1").As16(), Remote: netip.MustParseAddr("10.0.0.2").As16(),
		LocalPort: local, RemotePort: remote, Sock: sock, Proto: 17,
	}
	if sock == 0 {
		e.Key.Ifindex = 3
	}
	e.Value = event.FlowValue{
		First: uint64(s.now - 500*time.Microsecond), Last: uint64(s.now),
		Packets: [2]uint64{sent, received}, Bytes: [2]uint64{sent * 100, received * 1000},
	}
	s.record(e, "flow %d > %d of socket %d: %d sent, %d received", local, remote, sock, sent, received)
}

func TestUDPFlowIsSeenFromItsClient(t *testing.T) {
	for name, c := range map[string]struct {
		sock          uint64
		local, remote uint16
		want          string
	}{
		"a client":     {9, 40000, 53, "udp client 10.0.0.1:40000 > 10.0.0.2:53: active , bytes 300/2000 (+300/+2000), packets 3/2 (+3/+2)"},
		"a server":     {9, 53, 40000, "udp server 10.0.0.2:40000 > 10.0.0.1:53: active , bytes 2000/300 (+300/+2000), packets 2/3 (+3/+2)"},
		"an interface": {0, 40000, 53, "udp unknown 10.0.0.1:40000 > 10.0.0.2:53: active , bytes 300/2000 (+300/+2000), packets 3/2 (+3/+2)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(conn.Default())
			s.udp(c.sock, c.local, c.remote, 3, 2)
			if !strings.Contains(s.text.String(), c.want) {
				t.Errorf("got\n%s\nwant %s", s.text.String(), c.want)
			}
		})
	}
}

func TestUDPFlowKnowsItsProcessAndEndsWhenIdle(t *testing.T) {
	s := newScript(conn.Default())
	k := s.sock("10.0.0.1:40000", "10.0.0.2:53").actor(5, "dig")
	s.udp(k.address, 40000, 53, 1, 1)
	s.udp(k.address, 40000, 53, 2, 0)
	s.tick(10 * time.Second)
	if strings.Contains(s.text.String(), "final") {
		t.Error("the flow ended after 10 s")
	}
	s.tick(31 * time.Second)
	want := "10.0.0.1:40000(dig/5) > 10.0.0.2:53: closed , bytes 300/1000 (+0/+0), packets 3/1 (+0/+0)"
	if got := s.text.String(); !strings.Contains(got, want) || !strings.Contains(got, "final") {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}

func TestConnectionsBeyondTheTableAreCounted(t *testing.T) {
	s := newScript(conn.Config{MaxConns: 3, HoleTimeout: time.Second, FlowInterval: time.Hour})
	var all []*sock
	for i := range 5 {
		all = append(all, s.sock(fmt.Sprintf("10.0.0.1:%d", 40000+i), there).connect(7, "curl").established())
	}
	for _, k := range all {
		k.sent(get).received(ok)
	}
	for i := range 5 {
		s.udp(0, uint16(i+1), 53, 1, 0)
	}
	v := s.tracker.Stats()
	if v.Open != 3 || v.Opened != 3 || v.Requests != 3 || v.Refused == 0 {
		t.Errorf("open %d, opened %d, requests %d, want 3 each; refused %d, want some", v.Open, v.Opened, v.Requests, v.Refused)
	}
	all[0].close(stFinWait2, 0)
	if s.sock(here, there).connect(7, "curl").established().sent(get).received(ok); s.tracker.Stats().Requests != 4 {
		t.Error("there is room again, but the next connection is not followed")
	}
}

func TestRecordsThatMakeNoSenseAreCounted(t *testing.T) {
	for name, r := range map[string]event.Record{
		"empty":                            {},
		"shorter than a header":            make([]byte, 23),
		"no kind":                          make([]byte, 128),
		"unknown kind":                     kind(77, 256),
		"a segment without its end":        kind(event.KindSegment, 120),
		"a close without its end":          kind(event.KindClose, 100),
		"a listed socket without its end":  kind(event.KindListed, 40),
		"a segment that claims more bytes": event.MakeSegment(&event.Segment{Len: 10}, []byte("0123456789"), nil)[:130],
		"a segment longer than its bytes":  event.MakeSegment(&event.Segment{Len: 3}, []byte("0123456789"), nil),
		"a direction that does not exist":  event.MakeSegment(&event.Segment{Len: 3, Dir: 2}, []byte("012"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(conn.Default())
			s.tracker.Record(event.Clone(r))
			if n := s.tracker.Stats().Undecodable; n != 1 {
				t.Errorf("undecodable %d, want 1", n)
			}
			if s.text.Len() > 0 {
				t.Errorf("it became %s", s.text.String())
			}
		})
	}
}

func kind(k event.Kind, size int) event.Record {
	r := make([]byte, size)
	r[16] = byte(k)
	return r
}

func TestLossesAndDropsArePassedOn(t *testing.T) {
	s := newScript(conn.Default())
	s.quiet = true
	s.lost(10, 2, 3, 4)
	d := event.Drops{Hdr: s.header(event.KindDrops, 0), Packets: 5}
	event.SetDropName(&d, "no_socket")
	s.record(d, "")
	want := "lost 10 records at ring, unknown\nlost 3 requests at ring, client\nlost 4 requests at ring, server\ndropped 5 packets: no_socket\n"
	if got := s.text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A flow that is reported again and again adds up to what the kernel counted, whatever comes in between.
func TestIncrementsOfAFlowAddUp(t *testing.T) {
	s := newScript(conn.Config{MaxConns: 10, HoleTimeout: time.Second, FlowInterval: 2 * time.Second})
	k := client(s)
	for range 10 {
		k.sent(get).received(ok)
		s.tick(3 * time.Second)
	}
	k.close(stFinWait2, 0)
	var sent, received int
	for _, line := range strings.Split(s.text.String(), "\n") {
		var a, b int
		if _, from, found := strings.Cut(line, "(+"); found && strings.HasPrefix(line, "flow") {
			if _, err := fmt.Sscanf(from, "%d/+%d)", &a, &b); err != nil {
				t.Fatal(line, err)
			}
			sent, received = sent+a, received+b
		}
	}
	if sent != 10*len(get) || received != 10*len(ok) {
		t.Errorf("increments add up to %d/%d, want %d/%d\n%s", sent, received, 10*len(get), 10*len(ok), s.text.String())
	}
}

func TestIdleConnectionIsReportedOnce(t *testing.T) {
	s := newScript(conn.Default())
	s.quiet = true
	k := s.sock("10.0.0.1:40000", "10.0.0.2:80").connect(7, "curl").established()
	for range 6 {
		s.tick(11 * time.Second)
	}
	if n := strings.Count(s.text.String(), "flow #1"); n != 1 {
		t.Errorf("%d reports of a connection that did nothing, want 1:\n%s", n, s.text.String())
	}
	k.sent("hello").received("hello").sent("hello") // the last tells that the first was acknowledged
	s.tick(11 * time.Second)
	if n := strings.Count(s.text.String(), "flow #1"); n != 2 {
		t.Errorf("%d reports once something has passed, want 2:\n%s", n, s.text.String())
	}
}

func TestRequestBehindALostAnswerOfAJoinedConnectionIsSeen(t *testing.T) {
	s := newScript(conn.Default())
	s.quiet = true
	k := s.sock("10.0.0.1:40000", "10.0.0.2:80")
	k.sent("the rest of a body").lostReceived("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	k.sent("GET /a HTTP/1.1\r\nHost: b\r\n\r\n").received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	if n := strings.Count(s.text.String(), "GET /a"); n != 1 {
		t.Errorf("%d requests, want 1:\n%s", n, s.text.String())
	}
}
