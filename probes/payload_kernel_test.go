// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/probes/diag"
	"sonde/probes/event"
)

const request = "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n"

// answer is a response with a body of n bytes, each of which tells its place.
func answer(n int) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n)
	for i := 0; len(b) < cap(b) || i < n; i++ {
		if i == n {
			break
		}
		b = append(b, byte('a'+(i/7+i/997)%26))
	}
	return b
}

func TestOneWriteIsOneRecordAtEachEnd(t *testing.T) {
	w, c := watched(t, nil)
	say(t, c.client, c.server, []byte(request))
	w.until("both records", func() bool {
		return len(w.segments(c.clientPort, c.serverPort)) == 1 && len(w.segments(c.serverPort, c.clientPort)) == 1
	})
	for dir, p := range map[uint8]piece{
		event.DirSent: w.segments(c.clientPort, c.serverPort)[0], event.DirReceived: w.segments(c.serverPort, c.clientPort)[0],
	} {
		if p.Dir != dir || int(p.Len) != len(request) || string(p.head) != request || len(p.tail) != 0 {
			t.Errorf("direction %d, len %d, head %q, tail %q", p.Dir, p.Len, p.head, p.tail)
		}
		if p.Guess != event.GuessRequest || p.Hdr.Flags != event.SegmentTurn || p.OtherNext != 0 || p.Lost != 0 {
			t.Errorf("guess %d, flags %d, other_next %d, lost %d", p.Guess, p.Hdr.Flags, p.OtherNext, p.Lost)
		}
	}
}

// ways are the ways in which an application may write; whatever it calls, the records tell of the same bytes.
var ways = map[string]func(t *testing.T, to *net.TCPConn, text []byte){
	"one write": func(_ *testing.T, to *net.TCPConn, text []byte) { _, _ = to.Write(text) },
	"two writes": func(_ *testing.T, to *net.TCPConn, text []byte) {
		_, _ = to.Write(text[:len(text)/2])
		_, _ = to.Write(text[len(text)/2:])
	},
	"a byte at a time": func(_ *testing.T, to *net.TCPConn, text []byte) {
		for i := range min(100, len(text)) {
			_, _ = to.Write(text[i : i+1])
		}
		_, _ = to.Write(text[min(100, len(text)):])
	},
	"writev": func(_ *testing.T, to *net.TCPConn, text []byte) {
		third := len(text) / 3
		b := net.Buffers{text[:third], text[third : 2*third], text[2*third:]}
		_, _ = b.WriteTo(to)
	},
	"sendfile": func(t *testing.T, to *net.TCPConn, text []byte) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Error(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		defer f.Close()
		_, _ = to.ReadFrom(f)
	},
	"splice": func(t *testing.T, to *net.TCPConn, text []byte) {
		ln := listener(t, "127.0.0.1:0")
		from := connect(t, ln, ln.Addr().String())
		go func() { _, _ = from.client.Write(text); _ = from.client.CloseWrite() }()
		_, _ = to.ReadFrom(from.server)
	},
}

func TestEveryByteIsAccountedForHoweverItIsWritten(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	w := load(t, func(c *Config) { c.Scope.Ports = []uint16{port(ln.Addr())} })
	for name, write := range ways {
		for _, size := range []int{0, 400, 5000, 70_000, 1 << 20} {
			t.Run(fmt.Sprintf("%s, %d", name, size), func(t *testing.T) {
				w.all = nil
				c := connect(t, ln, ln.Addr().String())
				text := answer(size)
				say(t, c.client, c.server, []byte(request))
				var wg sync.WaitGroup
				wg.Go(func() { write(t, c.server, text) })
				hear(t, c.client, text)
				wg.Wait()
				_ = c.server.CloseWrite()
				w.until("end", func() bool {
					a, b := of(event.DirSent, w.segments(c.serverPort, c.clientPort)), of(event.DirReceived, w.segments(c.clientPort, c.serverPort))
					return ended(a) && ended(b)
				})
				sum := told(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)), text)
				told(t, of(event.DirReceived, w.segments(c.clientPort, c.serverPort)), text)
				if size <= 400 && int(sum) != len(text) {
					t.Errorf("records tell of %d bytes of %d", sum, len(text))
				}
				marks(t, of(event.DirSent, w.segments(c.serverPort, c.clientPort)))
			})
		}
	}
}

func ended(p []piece) bool { return len(p) > 0 && p[len(p)-1].TcpFlags&event.TCPFin != 0 }

// marks checks that a body that is not copied tells how far it has come, each 64 KiB, to which a segment may add as much,
// and how it ends.
func marks(t *testing.T, pieces []piece) {
	t.Helper()
	for _, p := range pieces {
		if want := min(16, int(p.Len)-len(p.head)); len(p.tail) != want {
			t.Errorf("the last %d bytes of a segment, want %d", len(p.tail), want)
		}
	}
	for i := range pieces[1:] {
		if gap := pieces[i+1].Seq - pieces[i].end(); gap > 2<<16 {
			t.Errorf("%d bytes passed without a record", gap)
		}
	}
}

func TestTurnsBeginWhereTheOtherSideHasSpoken(t *testing.T) {
	w, c := watched(t, nil)
	for range 5 {
		say(t, c.client, c.server, []byte(request[:10]))
		say(t, c.client, c.server, []byte(request[10:]))
		say(t, c.server, c.client, answer(10)[:20])
		say(t, c.server, c.client, answer(10)[20:])
	}
	w.until("20 records", func() bool { return len(w.segments(c.serverPort, c.clientPort)) >= 20 })
	for i, p := range w.segments(c.serverPort, c.clientPort) {
		if turn := p.Hdr.Flags&event.SegmentTurn != 0; turn != (i%2 == 0) {
			t.Errorf("record %d, %q: turn %v", i, p.head, turn)
		}
	}
}

// Two threads speak at once, on two CPUs: a record may claim bytes of the other direction only when their record came
// before it.
func TestNoRecordClaimsBytesWhoseRecordComesLater(t *testing.T) {
	w, c := watched(t, func(c *Config) { c.BudgetResponse, c.RingBytes = 16<<10, 64<<20 })
	const rounds = 20_000
	text := answer(60)
	var wg sync.WaitGroup
	speak := func(from net.Conn, text []byte) {
		for range rounds {
			if _, err := from.Write(text); err != nil {
				t.Error(err)
			}
		}
	}
	wg.Go(func() { speak(c.client, []byte(request)) })
	wg.Go(func() { speak(c.server, text) })
	wg.Go(func() { _, _ = io.CopyN(io.Discard, c.server, int64(rounds*len(request))) })
	wg.Go(func() { _, _ = io.CopyN(io.Discard, c.client, int64(rounds*len(text))) })
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
		}
		w.drain()
	}
	w.settle()
	if l := w.set.Lost(1); l != nil {
		t.Fatalf("records were lost, so that nothing can be told: %+v", *l)
	}
	both := claims(t, w.segments(c.clientPort, c.serverPort)) + claims(t, w.segments(c.serverPort, c.clientPort))
	if both < 10 {
		t.Errorf("only %d turns: the two sides did not speak at once", both)
	}
}

// claims checks one socket and returns the number of its turns. Bytes over the budget have no record, so what counts is
// that no later record tells of bytes that were claimed before.
func claims(t *testing.T, all []piece) (turns int) {
	t.Helper()
	var later [2]*piece // the first of the records behind the one looked at
	for i := len(all) - 1; i >= 0; i-- {
		p := &all[i]
		if o := later[p.Dir^1]; o != nil && p.OtherNext != 0 && int32(p.OtherNext-o.Seq) > 0 {
			t.Fatalf("record %d of %d claims the other direction up to %d, a later record tells of %d", i, len(all), p.OtherNext, o.Seq)
		}
		later[p.Dir] = p
		if p.Hdr.Flags&event.SegmentTurn != 0 {
			turns++
		}
	}
	return turns
}

func TestWhatFindsNoRoomIsCountedExactly(t *testing.T) {
	w, c := watched(t, func(c *Config) { c.RingBytes = os.Getpagesize() })
	const n = 500
	for range n {
		say(t, c.client, c.server, []byte(request))
		say(t, c.server, c.client, answer(10))
	}
	w.settle()
	client, server := w.segments(c.clientPort, c.serverPort), w.segments(c.serverPort, c.clientPort)
	lost := w.set.Counter(event.CounterLost + uint32(event.KindSegment))
	if got := uint64(len(client)+len(server)) + lost; got != 4*n || lost == 0 {
		t.Errorf("%d and %d records read, %d lost: %d, want %d", len(client), len(server), lost, got, 4*n)
	}
	sent := w.set.Counter(event.CounterLostRequestsSent) + uint64(len(of(event.DirSent, client)))
	received := w.set.Counter(event.CounterLostRequestsReceived) + uint64(len(of(event.DirReceived, server)))
	if sent != n || received != n {
		t.Errorf("requests read and lost: %d sent, %d received, want %d", sent, received, n)
	}
	say(t, c.client, c.server, []byte(request))
	w.settle()
	client = w.segments(c.clientPort, c.serverPort)
	if last := client[len(client)-1]; uint64(last.Lost) == 0 || uint64(last.Lost) > lost {
		t.Errorf("the last record says that %d were lost, the counters %d", last.Lost, lost)
	}
	if l := w.set.Lost(1); l == nil || l.Records < lost || w.set.Lost(2) != nil {
		t.Errorf("Lost says %+v, want at least %d records, once", l, lost)
	}
}

func TestAddressFamiliesAreOne(t *testing.T) {
	for name, c := range map[string]struct{ listen, dial, local string }{
		"IPv4":                   {"127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
		"IPv6":                   {"[::1]:0", "[::1]", "::1"},
		"IPv4 in an IPv6 socket": {"[::]:0", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			ln := listener(t, c.listen)
			w := load(t, func(k *Config) { k.Scope.Ports = []uint16{port(ln.Addr())} })
			p := connect(t, ln, fmt.Sprintf("%s:%d", c.dial, port(ln.Addr())))
			say(t, p.client, p.server, []byte(request))
			w.until("record", func() bool { return len(w.segments(p.serverPort, p.clientPort)) == 1 })
			s := w.segments(p.serverPort, p.clientPort)[0]
			if got := event.LocalAddr(&s.Tuple); got.Addr().String() != c.local || s.Tuple.Netns != diag.SelfNetNS() {
				t.Errorf("local %s in namespace %d, want %s in %d", got, s.Tuple.Netns, c.local, diag.SelfNetNS())
			}
			if got := event.RemoteAddr(&s.Tuple).String(); got != p.client.LocalAddr().String() {
				t.Errorf("remote %s, want %s", got, p.client.LocalAddr())
			}
			told(t, []piece{s}, []byte(request))
		})
	}
}

func TestDataOnADeferredAcceptIsNotLost(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
	})
	if err != nil {
		t.Fatal(err)
	}
	w := load(t, func(c *Config) { c.Scope.Ports = []uint16{port(ln.Addr())} })
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.Sleep(50 * time.Millisecond)
	_, _ = c.Write([]byte(request))
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	hear(t, s, []byte(request))
	w.until("record", func() bool { return len(w.segments(port(ln.Addr()), port(c.LocalAddr()))) > 0 })
	p := w.segments(port(ln.Addr()), port(c.LocalAddr()))[0]
	if p.Hdr.Flags&event.SegmentListener == 0 || string(p.head) != request || p.Dir != event.DirReceived {
		t.Errorf("flags %d, direction %d, head %q", p.Hdr.Flags, p.Dir, p.head)
	}
	say(t, s, c, answer(5))
	w.until("answer", func() bool { return len(of(event.DirSent, w.segments(port(ln.Addr()), port(c.LocalAddr())))) > 0 })
}

func TestWhatNobodyKnowsIsNotCopiedForLong(t *testing.T) {
	w, c := watched(t, nil)
	for range 20 {
		say(t, c.client, c.server, bytes.Repeat([]byte{0xff}, 3000))
		say(t, c.server, c.client, bytes.Repeat([]byte{0xfe}, 3000))
	}
	w.settle()
	var copied []int
	for _, p := range w.segments(c.serverPort, c.clientPort) {
		copied = append(copied, len(p.head))
	}
	if want := []int{2048, 2048, 256, 256, 256, 256}; !slices.Equal(copied, want) {
		t.Errorf("%d bytes copied of the turns, want %d", copied, want)
	}
}

func TestLongHeadIsCopiedWhole(t *testing.T) {
	w, c := watched(t, nil)
	r := rand.New(rand.NewPCG(1, 1))
	text := []byte("GET / HTTP/1.1\r\nX: ")
	for len(text) < 15_000 {
		text = append(text, byte('a'+r.IntN(26)))
	}
	text = append(text, "\r\n\r\n"...)
	say(t, c.client, c.server, text)
	w.settle()
	var got strings.Builder
	for _, p := range w.segments(c.serverPort, c.clientPort) {
		got.Write(p.head)
	}
	if got.String() != string(text) {
		t.Errorf("%d bytes copied of %d", got.Len(), len(text))
	}
}
