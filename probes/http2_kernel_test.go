// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/probes/event"
)

// script is one direction of a conversation over HTTP/2, with a mark on each byte that must be copied: all but what is
// behind the first 16 bytes of long DATA.
type script struct {
	bytes []byte
	wants []bool
	r     *rand.Rand
}

func newScript(seed uint64) *script { return &script{r: rand.New(rand.NewPCG(seed, 1))} }

func (s *script) add(text []byte, wanted int) {
	for i, b := range text {
		s.bytes, s.wants = append(s.bytes, b), append(s.wants, i < wanted)
	}
}

// frame adds a frame whose payload has n random bytes.
func (s *script) frame(kind, flags byte, stream uint32, n int) {
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	for range n {
		b = append(b, byte(s.r.Uint32()))
	}
	wanted := len(b)
	if kind == 0 {
		wanted = min(wanted, 9+16)
	}
	s.add(b, wanted)
}

const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// asks is the client's side: the preface, and requests of which each upload one has a body.
func asks(streams, body int) *script {
	s := newScript(1)
	s.add([]byte(clientPreface), 24)
	s.frame(4, 0, 0, 18)
	for i := range streams {
		id := uint32(2*i + 1)
		s.frame(1, 4, id, 20+i)
		if body > 0 {
			s.data(id, body)
		}
		s.frame(8, 0, 0, 4)
	}
	return s
}

// data adds DATA frames as servers make them: of 16 KiB at most, and of odd sizes.
func (s *script) data(stream uint32, n int) {
	for n > 0 {
		part := min(n, []int{16384, 16384, 9000, 1, 0, 700, 300}[s.r.IntN(7)])
		s.frame(0, 0, stream, part)
		n -= part
	}
}

// answers is the server's side: heads, a body of n bytes each, trailers, and control frames in between.
func answers(streams, n int) *script {
	s := newScript(2)
	s.frame(4, 0, 0, 12)
	s.frame(4, 1, 0, 0)
	for i := range streams {
		id := uint32(2*i + 1)
		s.frame(1, 4, id, 30)
		s.data(id, n)
		switch i % 4 {
		case 0:
			s.frame(1, 0, id, 15) // trailers in two parts
			s.frame(9, 4, id, 11)
		case 1:
			s.frame(3, 0, id, 4)
		case 2:
			s.frame(6, 0, 0, 8)
			s.frame(0xb, 0, 0, 33) // a type that nobody knows
		}
	}
	s.frame(7, 0, 0, 8)
	return s
}

// cuts returns the lengths in which a script is written. What begins a connection is written at once, as everybody does: in
// single bytes, with those of the other side in between, it is nobody's.
func (s *script) cuts(most int) (all []int) {
	for left := len(s.bytes); left > 0; {
		n := min(left, 1+s.r.IntN(most))
		if len(all) == 0 {
			n = min(left, max(n, len(clientPreface)+27))
		}
		all = append(all, n)
		left -= n
	}
	return all
}

// pinned runs f on the first CPU. Where a sender moves to another one, packets overtake each other, and some of them
// are dealt with by two CPUs at once; what is copied of them then is nothing that can be foretold.
func pinned(t *testing.T, f func()) {
	runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
	var first unix.CPUSet
	first.Set(0)
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		t.Error(err)
	}
	f()
}

// perform sends both scripts at once, cut into writes of at most `most` bytes. run runs the four that do it.
func perform(t *testing.T, c pair, client, server *script, most int, run func(*testing.T, func())) {
	t.Helper()
	var wg sync.WaitGroup
	start := func(f func()) { wg.Go(func() { run(t, f) }) }
	play := func(s *script, to io.Writer) {
		at := 0
		for _, n := range s.cuts(most) {
			if _, err := to.Write(s.bytes[at : at+n]); err != nil {
				t.Error(err)
				return
			}
			at += n
		}
	}
	start(func() { play(client, c.client) })
	start(func() { play(server, c.server) })
	start(func() { _, _ = io.CopyN(io.Discard, c.server, int64(len(client.bytes))) })
	start(func() { _, _ = io.CopyN(io.Discard, c.client, int64(len(server.bytes))) })
	wg.Wait()
	_, _ = c.client.CloseWrite(), c.server.CloseWrite()
}

// walked checks the records of one direction against the script: every byte that counts was copied, of the rest little was,
// and all of them are accounted for. spare is the share of what need not be copied that may be.
func (s *script) walked(t *testing.T, pieces []piece, spare float64) {
	t.Helper()
	told(t, pieces, s.bytes)
	_, have := gathered(t, pieces, len(s.bytes))
	missing, more, rest := 0, 0, 0
	for i, wanted := range s.wants {
		switch {
		case wanted && !have[i]:
			if missing++; missing == 1 {
				t.Errorf("byte %d of %d is not copied", i, len(s.bytes))
			}
		case !wanted:
			rest++
			if have[i] {
				more++
			}
		}
	}
	if missing > 0 || float64(more) > spare*float64(rest) {
		t.Errorf("%d bytes missing, and %d of %d copied in vain", missing, more, rest)
	}
	for i, p := range pieces {
		if p.TcpFlags&event.TCPFin != 0 && i != len(pieces)-1 {
			t.Errorf("record %d of %d ends the direction", i, len(pieces))
		}
	}
}

func TestFramesOfHTTP2AreWalked(t *testing.T) {
	for name, c := range map[string]struct {
		streams, body, most int
		spare               float64
	}{
		"1 stream, 1 MB, written at once":              {1, 1 << 20, 1 << 30, 0.02},
		"1 stream, 1 MB, writes of 16 KiB":             {1, 1 << 20, 16384, 0.05},
		"100 streams without bodies, written at once":  {100, 0, 1 << 30, 1},
		"100 streams of 20 KB, written at once":        {100, 20_000, 1 << 30, 0.3},
		"100 streams of 20 KB, writes up to 5000":      {100, 20_000, 5000, 0.3},
		"100 streams of 20 KB, writes up to 1448":      {100, 20_000, 1448, 0.5},
		"20 streams of 3 KB, a few bytes at a time":    {20, 3000, 7, 1},
		"2 streams, a byte at a time":                  {2, 100, 1, 1},
		"1000 streams of 1 KB, written at once":        {1000, 1024, 1 << 30, 0.2},
		"200 streams of 300 bytes, writes up to 65536": {200, 300, 65536, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := watched(t, func(c *Config) { c.RingBytes = 64 << 20 })
			client, server := asks(c.streams, c.body/4), answers(c.streams, c.body)
			perform(t, p, client, server, c.most, pinned)
			w.until("end", func() bool {
				a, b := w.segments(p.serverPort, p.clientPort), w.segments(p.clientPort, p.serverPort)
				return ended(of(event.DirSent, a)) && ended(of(event.DirSent, b)) && ended(of(event.DirReceived, a)) && ended(of(event.DirReceived, b))
			})
			for _, end := range [][]piece{w.segments(p.serverPort, p.clientPort), w.segments(p.clientPort, p.serverPort)} {
				toServer, toClient := of(event.DirReceived, end), of(event.DirSent, end)
				if end[0].Tuple.LocalPort == p.clientPort {
					toServer, toClient = toClient, toServer
				}
				client.walked(t, toServer, 1)
				server.walked(t, toClient, c.spare)
			}
			if l := w.set.Lost(1); l != nil {
				t.Errorf("records were lost: %+v", *l)
			}
		})
	}
}

// Whatever the CPUs do, no byte is told that was not sent, or at another place.
func TestFramesOnTwoCPUsAreToldAsTheyWere(t *testing.T) {
	w, p := watched(t, func(c *Config) { c.RingBytes = 64 << 20 })
	client, server := asks(300, 3000), answers(300, 20_000)
	perform(t, p, client, server, 1448, func(_ *testing.T, f func()) { f() })
	w.settle()
	for _, end := range [][]piece{w.segments(p.serverPort, p.clientPort), w.segments(p.clientPort, p.serverPort)} {
		for dir, s := range map[uint8]*script{event.DirSent: server, event.DirReceived: client} {
			if end[0].Tuple.LocalPort == p.clientPort {
				dir ^= 1
			}
			pieces := of(dir, end)
			first := slices.MinFunc(pieces, func(a, b piece) int { return int(int32(a.Seq - b.Seq)) }).Seq
			for _, p := range pieces {
				at := p.Seq - first
				copied(t, &p, s.bytes[at:at+p.Len])
			}
		}
	}
}

func TestPrefaceInPiecesIsKnown(t *testing.T) {
	for _, at := range []int{1, 2, 4, 5, 8, 9, 16, 23, 24, 25, 30} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			w, c := watched(t, nil)
			client, server := asks(2, 3000), answers(2, 3000)
			say(t, c.client, c.server, client.bytes[:at])
			say(t, c.client, c.server, client.bytes[at:])
			say(t, c.server, c.client, server.bytes)
			w.settle()
			client.walked(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), 0.5)
			server.walked(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), 0.5)
		})
	}
}

// A connection that is older than sonde is found where a write begins with a frame.
func TestHTTP2IsFoundInTheMiddle(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	c := connect(t, ln, ln.Addr().String())
	client, server := asks(1, 0), answers(1, 100_000)
	say(t, c.client, c.server, client.bytes)
	say(t, c.server, c.client, server.bytes)
	w := load(t, func(k *Config) { k.Scope.Ports = []uint16{port(ln.Addr())} })
	middle := newScript(3)
	for range 3 {
		middle.frame(1, 4, 3, 40)
		middle.data(3, 50_000)
	}
	question := newScript(4)
	question.frame(1, 5, 3, 40)
	say(t, c.client, c.server, question.bytes)
	say(t, c.server, c.client, middle.bytes)
	_ = c.server.CloseWrite()
	w.until("end", func() bool { return ended(of(event.DirSent, w.segments(c.serverPort, c.clientPort))) })
	question.walked(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), 0)
	middle.walked(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), 0.1)
}

// Joined within DATA, the walk begins with a later write.
func TestHTTP2IsFoundAfterDataThatCannotBeTold(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	c := connect(t, ln, ln.Addr().String())
	say(t, c.client, c.server, asks(1, 0).bytes)
	answer := newScript(5)
	answer.frame(4, 0, 0, 12)
	answer.frame(1, 4, 1, 30)
	answer.frame(0, 0, 1, 16384)
	say(t, c.server, c.client, answer.bytes[:8000])
	w := load(t, func(k *Config) { k.Scope.Ports = []uint16{port(ln.Addr())} })
	say(t, c.server, c.client, answer.bytes[8000:])
	window := newScript(6)
	window.frame(8, 0, 0, 4)
	say(t, c.client, c.server, window.bytes)
	rest := newScript(7)
	rest.data(1, 60_000)
	rest.frame(1, 5, 1, 20)
	say(t, c.server, c.client, rest.bytes)
	w.settle()
	all := of(event.DirSent, w.segments(c.serverPort, c.clientPort))
	for len(all) > 0 && all[0].Hdr.Flags&event.SegmentTurn == 0 || len(all) > 1 && all[0].Len != uint32(len(rest.bytes)) && all[0].Seq != all[len(all)-1].end()-uint32(len(rest.bytes)) {
		all = all[1:]
	}
	rest.walked(t, all, 0.1)
}

// HTTP/2 may begin behind an upgrade (RFC 7540 3.2).
func TestHTTP2IsFoundBehindAnUpgrade(t *testing.T) {
	w, c := watched(t, nil)
	ask := "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"
	accept := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	say(t, c.client, c.server, []byte(ask))
	say(t, c.server, c.client, []byte(accept))
	w.settle()
	w.all = nil
	client, server := asks(3, 0), answers(3, 50_000)
	say(t, c.client, c.server, client.bytes)
	time.Sleep(10 * time.Millisecond)
	say(t, c.server, c.client, server.bytes)
	w.settle()
	client.walked(t, of(event.DirReceived, w.segments(c.serverPort, c.clientPort)), 0)
	server.walked(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), 0.1)
}
