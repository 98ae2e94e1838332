// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/agent/source/recording"
	"sonde/probes/event"
)

// bootTime is when the machine of made recordings was started: the wall time of 0.
var bootTime = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)

// made writes a recording of a server, record by record as the kernel would have told it.
type made struct {
	r     *recording.Recorder
	to    source.Receiver
	now   time.Duration
	conns uint64
	sent  int // requests
}

// makeRecording writes a recording of what a script tells, and returns its path.
func makeRecording(t testing.TB, script func(*made)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.sonde")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &made{}
	if m.r, err = recording.New(out, recording.Meta{Version: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	m.r.Clock(model.Clock{Boot: bootTime})
	m.r.Identify(func(pid uint32, _ time.Duration, comm string, _ uint64) *model.Process {
		return &model.Process{PID: pid, Name: comm, ServiceName: comm}
	})(serverPID, serverStarted, "shop", 0)
	if err := m.r.Around(madeSource{m, script}).Run(context.Background(), silent{}); err != nil {
		t.Fatal(err)
	}
	if err := m.r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

type madeSource struct {
	m      *made
	script func(*made)
}

func (s madeSource) Run(_ context.Context, to source.Receiver) error {
	s.m.to = to
	s.script(s.m)
	return nil
}

// silent is a receiver that does nothing.
type silent struct{}

func (silent) Record(source.Record) {}
func (silent) Tick(time.Duration)   {}

const (
	serverPID     = 4711
	serverStarted = time.Second
)

// connection is one that the server accepted.
type connection struct {
	m        *made
	address  uint64
	tuple    event.Tuple
	next     [2]uint32 // sequence numbers
	turn     [2]uint32 // next of the other direction when the turn began
	bytes    [2]uint64
	received bool
}

// tick lets time pass.
func (m *made) tick(d time.Duration) {
	m.now += d
	m.to.Tick(m.now)
}

func (m *made) header(k event.Kind, address uint64) event.Header {
	m.now += time.Microsecond
	return event.Header{Time: uint64(m.now), Kind: uint8(k), Sock: address}
}

func (m *made) accept() *connection {
	m.conns++
	c := &connection{m: m, address: 0xffff888000000000 + m.conns<<12, next: [2]uint32{1000, 500_000}}
	c.tuple = event.Tuple{
		Local: netip.MustParseAddr("10.0.0.2").As16(), Remote: netip.MustParseAddr("10.0.0.1").As16(),
		LocalPort: 8080, RemotePort: uint16(20_000 + m.conns%40_000), Netns: 1,
	}
	m.to.Record(event.Bytes(&event.Established{Hdr: m.header(event.KindEstablished, c.address), Tuple: c.tuple, Passive: 1}))
	who := event.Who{PidTgid: serverPID<<32 | serverPID, Start: uint64(serverStarted)}
	for i, letter := range []byte("shop") {
		who.Comm[i] = int8(letter)
	}
	m.to.Record(event.Bytes(&event.Actor{Hdr: m.header(event.KindActor, c.address), Actor: who, Tuple: c.tuple}))
	return c
}

// get is a request and its answer.
func (c *connection) get(path string, status int, took time.Duration) {
	c.m.sent++
	c.segment(event.DirReceived, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: shop\r\n\r\n", path), 0)
	c.m.now += took
	c.segment(event.DirSent, fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok", status), 0)
}

func (c *connection) segment(dir uint8, text string, flags uint8) {
	other := dir ^ 1
	s := event.Segment{
		Hdr: c.m.header(event.KindSegment, c.address), Cookie: c.address, Tuple: c.tuple, Dir: dir, Seq: c.next[dir],
		Len: uint32(len(text)), TcpFlags: flags,
	}
	if c.received {
		s.OtherNext = c.next[other]
	}
	if len(text) > 0 && (c.turn[dir] != s.OtherNext || !c.received) {
		s.Hdr.Flags |= event.SegmentTurn
		c.turn[dir] = s.OtherNext
	}
	c.received = true
	c.next[dir] += s.Len
	c.bytes[dir] += uint64(s.Len)
	if dir == event.DirSent {
		s.BytesAcked, s.BytesReceived, s.SrttUs = c.bytes[0], c.bytes[1], 100
	}
	c.m.to.Record(event.MakeSegment(&s, []byte(text), nil))
	c.m.r.Settle(c.address, dir, c.next[dir])
}

// close is the orderly end, the client's first.
func (c *connection) close() {
	c.segment(event.DirReceived, "", event.TCPFin)
	c.segment(event.DirSent, "", event.TCPFin)
	c.m.to.Record(event.Bytes(&event.Close{
		Hdr: c.m.header(event.KindClose, c.address), Tuple: c.tuple, Oldstate: 9, BytesAcked: c.bytes[0] + 1, BytesReceived: c.bytes[1] + 1,
		SndUna: c.next[0] + 1, SegsIn: 5, SegsOut: 6, SrttUs: 200,
	}))
}

// shopping is a recording of seconds of traffic: ten requests in each, one of them an error.
func shopping(t testing.TB, seconds int) string {
	return makeRecording(t, func(m *made) {
		m.now = 100 * time.Second
		m.tick(0)
		for second := range seconds {
			c := m.accept()
			for i := range 10 {
				c.get(fmt.Sprintf("/orders/%d", second*10+i), map[bool]int{true: 500, false: 200}[i == 9], time.Duration(i+1)*time.Millisecond)
			}
			c.close()
			m.now = time.Duration(100+second)*time.Second + 500*time.Millisecond
			m.tick(0)
			m.tick(500 * time.Millisecond)
		}
	})
}
