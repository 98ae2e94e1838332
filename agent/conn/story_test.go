// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/probes/event"
	"sonde/testbed/reviewed"
)

// What every story uses.
const (
	here    = "10.0.0.1:40000"
	there   = "10.0.0.2:80"
	strange = "\x01\x02\x03zzzz\xff" // of no protocol
	get     = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	getB    = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
	getC    = "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
	ok      = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	status  = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	failed  = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
)

func client(s *script) *sock { return s.sock(here, there).connect(7, "curl").established() }
func server(s *script) *sock { return s.sock(there, here).accepted() }

// stories are what happens to connections; testdata has, for each, the records and what came out of them.
var stories = map[string]func(*script){
	"client, in order": func(s *script) {
		client(s).sent(get).received(ok).sent(getB).received(status).
			sentFIN().receivedFIN().close(stFinWait2, 0)
	},
	"server, in order": func(s *script) {
		server(s).received(get).actor(9, "nginx").sent(ok).received(getB).sent(failed).
			receivedFIN().sentFIN().close(stLastAck, 0)
	},
	"both ends on this machine know each other": func(s *script) {
		c := client(s)
		v := server(s).actor(9, "nginx")
		c.sent(get)
		v.received(get).sent(ok)
		c.received(ok).sentFIN()
		v.receivedFIN().sentFIN().close(stLastAck, 0)
		c.receivedFIN().close(stFinWait2, 0)
	},
	"another process takes the socket over": func(s *script) {
		server(s).actor(9, "master").received(get).actor(10, "worker").sent(ok).received(getB).sent(ok).close(stLastAck, 0)
	},
	"joined through the listing at the start": func(s *script) {
		k := s.sock(here, there)
		k.acked, k.got = 1000, 9000
		k.listed(7, "")
		s.listingEnds(0)
		k.dirs[0].next, k.dirs[1].next = 77, 88
		k.sent(get).received(ok).close(stFinWait2, 0)
	},
	"joined in the middle of an answer": func(s *script) {
		k := s.sock(there, here).listed(9, "")
		s.listingEnds(0)
		k.sent("the rest of an answer").received(getB).sent(ok).close(stLastAck, 0)
	},
	"a listed socket that the next listing does not have is forgotten": func(s *script) {
		k := s.sock(here, there).listed(7, "")
		s.listingEnds(s.now)
		s.listingEnds(s.now + 1)
		k.sent(get).received(ok).close(stFinWait2, 0)
	},
	"a listed socket that the next listing has again is joined": func(s *script) {
		k := s.sock(here, there).listed(7, "")
		s.listingEnds(s.now)
		began := s.now
		k.listed(0, "") // later listings do not look for processes
		s.listingEnds(began)
		k.sent(get).received(ok).close(stFinWait2, 0)
	},
	"joined without a listing": func(s *script) {
		s.sock(here, there).sent(get).received(ok).close(stFinWait2, 0)
	},
	"the listing refreshes what the kernel counts": func(s *script) {
		k := client(s).sent(get).received(ok)
		k.acked += 50_000
		k.listed(0, "")
		s.listingEnds(s.now)
		s.tick(11 * time.Second)
		k.close(stFinWait2, 0)
	},
	"the address of a socket is used again for connect, its end was lost": func(s *script) {
		k := client(s).sent(get).received(ok).sent(getB)
		k.reused("10.0.0.1:40001", there).connect(8, "wget").established().sent(getC).received(ok).close(stFinWait2, 0)
	},
	"the address of a socket is used again for accept, its end was lost": func(s *script) {
		k := server(s).received(get).sent(ok).received(getB)
		k.reused(there, "10.0.0.1:40001").accepted().received(getC).sent(ok).close(stLastAck, 0)
	},
	"the address of a socket is used again, its end and the next beginning were lost": func(s *script) {
		k := client(s).sent(get).received(ok).sent(getB)
		k.reused("10.0.0.1:40001", there).sent(getC).received(ok).close(stFinWait2, 0)
	},
	"a lost end is found by the next listing": func(s *script) {
		gone := client(s).sent(get).received(ok)
		stays := s.sock("10.0.0.1:40001", there).connect(7, "curl").established().sent(getB)
		_ = gone
		s.lost(1, 1, 0, 0)
		began := s.now
		stays.listed(0, "")
		s.listingEnds(began)
		stays.received(ok).close(stFinWait2, 0)
	},
	"without a loss the listing removes nothing": func(s *script) {
		k := client(s).sent(get)
		s.listingEnds(s.now)
		k.received(ok).close(stFinWait2, 0)
	},
	"the record of an answer is lost": func(s *script) {
		client(s).sent(get).lostReceived(ok).sent(getB).received(status).close(stFinWait2, 0)
	},
	"the record of a request is lost": func(s *script) {
		client(s).sent(get).received(ok).lostSent(getB).received(failed).sent(getC).received(status).close(stFinWait2, 0)
	},
	"an answer and the next request are lost later": func(s *script) {
		client(s).sent(getC).received(ok).sent(get).lostReceived(ok).lostSent(getB).received(failed).
			sent(getC).received(status).close(stFinWait2, 0)
	},
	"the record of a later answer is lost": func(s *script) {
		client(s).sent(getC).received(ok).sent(get).lostReceived(ok).sent(getB).received(status).close(stFinWait2, 0)
	},
	"the first exchange of a connection is lost": func(s *script) {
		client(s).lostSent(get).lostReceived(ok).sent(getB).received(status).close(stFinWait2, 0)
	},
	"the first exchange and the next request are lost": func(s *script) {
		server(s).lostReceived(get).lostSent(ok).lostReceived(getB).sent(failed).received(getC).sent(status).close(stLastAck, 0)
	},
	"the second half of a request is lost": func(s *script) {
		client(s).sent(getB).received(ok).sent(get[:20]).lostSent(get[20:]).received(failed).sent(getC).received(status).close(stFinWait2, 0)
	},
	"the first half of an answer is lost": func(s *script) {
		client(s).sent(getB).received(ok).sent(get).lostReceived(failed[:20]).received(failed[20:]).sent(getC).received(status).close(stFinWait2, 0)
	},
	"the second half of an answer is lost": func(s *script) {
		client(s).sent(getB).received(ok).sent(get).received(ok[:20]).lostReceived(ok[20:]).sent(getC).received(status).close(stFinWait2, 0)
	},
	"the first half of the first answer is lost": func(s *script) {
		client(s).sent(get).lostReceived(failed[:20]).received(failed[20:]).sent(getC).received(status).close(stFinWait2, 0)
	},
	"the records of an exchange are lost": func(s *script) {
		client(s).sent(get).received(ok).lostSent(getB).lostReceived(failed).sent(getC).received(status).close(stFinWait2, 0)
	},
	"an answer and the next request are lost": func(s *script) {
		client(s).sent(get).lostReceived(ok).lostSent(getB).received(failed).sent(getC).received(status).close(stFinWait2, 0)
	},
	"the first request of a connection is lost": func(s *script) {
		client(s).lostSent(get).received(failed).sent(getB).received(ok).close(stFinWait2, 0)
	},
	"the end of the body is lost": func(s *script) {
		head := "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
		client(s).sent(get).received(head).lostReceived(strings.Repeat("x", 100)).sent(getB).received(status).close(stFinWait2, 0)
	},
	"a body is counted, not copied": func(s *script) {
		head := "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
		k := server(s).received(get).sent(head)
		k.segment(event.DirSent, part{between: 60_000 - 16, tail: strings.Repeat("y", 16)})
		k.segment(event.DirSent, part{between: 40_000 - 16, tail: strings.Repeat("z", 16)})
		k.received(getB).sent(ok).close(stLastAck, 0)
	},
	"the client leaves before the answer": func(s *script) {
		k := server(s).received(get).receivedFIN().sent(ok)
		k.ackedShort = uint32(len(ok))
		k.close(stLastAck, syscall.ECONNRESET)
	},
	"the client leaves and there is no answer": func(s *script) {
		server(s).received(get).receivedFIN().sentFIN().close(stLastAck, 0)
	},
	"the client ends its direction and gets the answer": func(s *script) {
		server(s).received(get).receivedFIN().sent(ok).sentFIN().close(stLastAck, 0)
	},
	"the answer ends with the connection": func(s *script) {
		client(s).sent(get).received("HTTP/1.0 200 OK\r\n\r\nall of it").receivedFIN().sentFIN().close(stLastAck, 0)
	},
	"the peer resets": func(s *script) {
		client(s).sent(get).close(stEstablished, syscall.ECONNRESET)
	},
	"this side resets": func(s *script) {
		server(s).received(get).close(stEstablished, 0)
	},
	"refused": func(s *script) {
		s.sock(here, there).connect(7, "curl").close(stSynSent, syscall.ECONNREFUSED)
	},
	"connect times out": func(s *script) {
		s.sock(here, there).connect(7, "curl").close(stSynSent, syscall.ETIMEDOUT)
	},
	"no route": func(s *script) {
		s.sock(here, there).connect(7, "curl").close(stSynSent, syscall.EHOSTUNREACH)
	},
	"connect is given up by the process": func(s *script) {
		s.sock(here, there).connect(7, "curl").close(stSynSent, 0)
	},
	"the connection times out": func(s *script) {
		client(s).sent(get).close(stEstablished, syscall.ETIMEDOUT)
	},
	"an end without a beginning": func(s *script) {
		k := s.sock(here, there)
		k.acked, k.got = 10, 20
		k.close(stFinWait2, 0)
	},
	"data that came before its socket": func(s *script) {
		k := s.sock(there, here)
		child := k.address
		k.address = 0xffff888000abc000 // of the listener
		k.segment(event.DirReceived, part{head: get, flags: event.SegmentListener})
		k.address, k.dirs[0].started = child, false
		k.accepted().sent(ok).received(getB).sent(ok).close(stLastAck, 0)
	},
	"data before the handshake is reported": func(s *script) {
		s.sock(here, there).connect(7, "curl").sent(get).established().received(ok).close(stFinWait2, 0)
	},
	"an answer that overtakes its first half on the network": func(s *script) {
		k := client(s).sent(getC).received(ok).sent(get)
		at := k.dirs[1].next
		half := part{head: ok[20:], flags: event.SegmentAhead}
		k.dirs[1].next = at + 20
		k.segment(event.DirReceived, half)
		k.dirs[1].next = at
		k.segment(event.DirReceived, part{head: ok[:20], flags: event.SegmentLate})
		k.close(stFinWait2, 0)
	},
	"an answer whose first half never comes": func(s *script) {
		k := client(s).sent(getC).received(ok).sent(get)
		k.dirs[1].next += 20
		k.segment(event.DirReceived, part{head: ok[20:], flags: event.SegmentAhead})
		s.tick(2 * time.Second)
		k.sent(getB).received(status).close(stFinWait2, 0)
	},
	"an answer whose first half came late and left no record": func(s *script) {
		k := client(s).sent(getC).received(ok).sent(get)
		k.dirs[1].next += 20
		k.got += 20
		k.segment(event.DirReceived, part{head: ok[20:], flags: event.SegmentAhead})
		k.sent(getB).received(status).close(stFinWait2, 0)
	},
	"pipelined": func(s *script) {
		client(s).sent(get+getB).sent(getC).received(ok).received(status+failed).close(stFinWait2, 0)
	},
	"HTTP 2 with prior knowledge": func(s *script) {
		client(s).sent("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").
			received("\x00\x00\x00\x04\x00\x00\x00\x00\x00").sent("\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01a").
			received("\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88").close(stFinWait2, 0)
	},
	"what nobody knows is a flow and no request": func(s *script) {
		k := client(s)
		for range 8 {
			k.sent(strange).received(strange)
		}
		k.close(stFinWait2, 0)
	},
	"Redis is a flow with requests": func(s *script) {
		client(s).sent("*2\r\n$3\r\nGET\r\n$1\r\na\r\n").received("$1\r\nb\r\n").close(stFinWait2, 0)
	},
	"HTTP after many turns of something else": func(s *script) {
		k := client(s)
		for range 8 {
			k.sent(strange).received(strange)
		}
		k.sent(get).received(ok).close(stFinWait2, 0)
	},
	"sequence numbers wrap within a request": func(s *script) {
		k := client(s)
		k.dirs[0].next, k.dirs[1].next = 0xfffffff0, 0xfffffffe
		k.sent(get).received(ok).sent(getB).received(status).sentFIN().receivedFIN().close(stFinWait2, 0)
	},
	"the agent stops": func(s *script) {
		client(s).sent(get)
		s.sock(there, "10.0.0.3:40002").accepted().received(getB).sent(ok)
		s.stop()
	},
	"a flow that goes on is reported in steps": func(s *script) {
		k := client(s).sent(get).received(ok)
		s.tick(11 * time.Second)
		k.sent(getB).received(status)
		k.sent(getC) // the kernel's counts come with what is sent
		s.tick(11 * time.Second)
		k.received(ok).close(stFinWait2, 0)
	},
	"dropped packets belong to both ends of a connection": func(s *script) {
		k, other := client(s).sent(get), s.sock("10.0.0.2:80", "10.0.0.1:40000").accepted().actor(9, "nginx")
		s.flowDrops(6, "10.0.0.1:40000", "10.0.0.2:80", 3)
		s.flowDrops(6, "10.0.0.2:80", "10.0.0.1:40000", 1)
		s.flowDrops(6, "10.0.0.9:40000", "10.0.0.2:80", 5) // of none that is known
		s.tick(11 * time.Second)
		s.tick(11 * time.Second) // nothing new: no report
		s.flowDrops(6, "10.0.0.2:80", "10.0.0.1:40000", 2)
		k.close(stFinWait2, 0)
		other.close(stFinWait2, 0)
	},
	"dropped datagrams belong to the flows of their sockets": func(s *script) {
		s.datagrams("10.0.0.1:5000", "10.0.0.2:53", 4)
		s.datagrams("10.0.0.2:53", "10.0.0.1:5000", 4)
		s.flowDrops(17, "10.0.0.1:5000", "10.0.0.2:53", 2)
		s.flowDrops(6, "10.0.0.1:5000", "10.0.0.2:53", 7) // another protocol
	},
}

func fileOf(story string) string {
	return filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(story)+".txt")
}

func TestRecordsBecomeRequestsAndFlows(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			s := newScript(conn.Default())
			story(s)
			got := s.text.String() + statsOf(t, s) + "\n"
			reviewed.Compare(t, fileOf(name), got)
		})
	}
}
