// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/probes/event"
	"sonde/probes/hooks"
)

func withCauses(c *Config) { c.Causes = true }

// thread is a goroutine that keeps one thread to itself, and does what it is told on it.
type thread struct {
	tid  uint32
	work chan func()
	done chan struct{}
}

func startThread(t *testing.T) *thread {
	t.Helper()
	h := &thread{work: make(chan func()), done: make(chan struct{})}
	go h.run()
	<-h.done
	t.Cleanup(func() { close(h.work) })
	return h
}

func (h *thread) run() {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	h.tid = uint32(unix.Gettid())
	h.done <- struct{}{}
	for f := range h.work {
		f()
		h.done <- struct{}{}
	}
}

func (h *thread) do(f func()) {
	h.work <- f
	<-h.done
}

func (h *thread) write(t *testing.T, c net.Conn, text []byte) {
	t.Helper()
	h.do(func() {
		if _, err := c.Write(text); err != nil {
			t.Error(err)
		}
	})
}

func (h *thread) hear(t *testing.T, c net.Conn, text []byte) {
	t.Helper()
	h.do(func() { hear(t, c, text) })
}

// end returns the address of the socket with these ports, from its segments.
func (w *watch) end(local, remote uint16) uint64 {
	w.t.Helper()
	all := w.segments(local, remote)
	if len(all) == 0 {
		w.t.Fatalf("no segments of the socket %d -> %d", local, remote)
	}
	return all[0].Hdr.Sock
}

// uses returns the records of a kind of use, of one socket.
func (w *watch) uses(kind uint8, sock uint64) (all []event.Use) {
	for _, r := range w.all {
		if r.Kind() != event.KindUse {
			continue
		}
		if u := event.As[event.Use](r); u.Use == kind && u.Hdr.Sock == sock {
			all = append(all, *u)
		}
	}
	return all
}

// order writes what was told of a socket, in order: "+" for a request that it sent, else the thread that sends.
func (w *watch) order(sock uint64, names map[uint32]string) string {
	var b strings.Builder
	for _, r := range w.all {
		switch r.Kind() {
		case event.KindUse:
			if u := event.As[event.Use](r); u.Hdr.Sock == sock && u.Use == event.UseSend {
				fmt.Fprint(&b, names[uint32(u.PidTgid)])
			}
		case event.KindSegment:
			if s := event.As[event.Segment](r); s.Hdr.Sock == sock && s.Dir == event.DirSent && s.Len > 0 {
				fmt.Fprint(&b, "+")
			}
		}
	}
	return b.String()
}

func me(tid uint32) uint64 { return uint64(os.Getpid())<<32 | uint64(tid) }

func TestAThreadThatKeepsAConnectionIsToldOnce(t *testing.T) {
	w, c := watched(t, withCauses)
	h := startThread(t)
	for range 10 {
		h.write(t, c.client, []byte(request))
		hear(t, c.server, []byte(request))
		say(t, c.server, c.client, answer(10))
	}
	w.settle()
	sock := w.end(c.clientPort, c.serverPort)
	uses := w.uses(event.UseSend, sock)
	if len(uses) != 1 || uses[0].PidTgid != me(h.tid) || uses[0].Goid != 0 {
		t.Fatalf("%+v, want one of thread %d", uses, h.tid)
	}
	if want := threadStart(t, h.tid); uses[0].ThreadStart/1e7 != want {
		t.Errorf("the thread started at %d ns, /proc says %d0 ms", uses[0].ThreadStart, want)
	}
	if got := w.uses(event.UseRead, sock); len(got) != 0 {
		t.Errorf("%d reads of who called connect(), want none", len(got))
	}
}

// threadStart returns field 22 of /proc: hundredths of a second since boot.
func threadStart(t *testing.T, tid uint32) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	n, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachChangeOfTheSenderIsToldBeforeItsBytes(t *testing.T) {
	w, c := watched(t, withCauses)
	a, b := startThread(t), startThread(t)
	for i, h := range []*thread{a, b, a, a, b, b, b, a} {
		h.write(t, c.client, []byte(request))
		hear(t, c.server, []byte(request))
		if i%2 == 0 {
			a.write(t, c.server, answer(10))
		} else {
			b.write(t, c.server, answer(10))
		}
		hear(t, c.client, answer(10))
	}
	w.settle()
	names := map[uint32]string{a.tid: "A", b.tid: "B"}
	if got, want := w.order(w.end(c.clientPort, c.serverPort), names), "A+B+A++B+++A+"; got != want {
		t.Errorf("client: %s, want %s", got, want)
	}
	if got, want := w.order(w.end(c.serverPort, c.clientPort), names), "A+B+A+B+A+B+A+B+"; got != want {
		t.Errorf("server: %s, want %s", got, want)
	}
}

func TestAServerIsToldForEachRequestThatItReads(t *testing.T) {
	w, c := watched(t, withCauses)
	a, b := startThread(t), startThread(t)
	text := []byte(request)
	for _, h := range []*thread{a, a, b} {
		if _, err := c.client.Write(text); err != nil {
			t.Fatal(err)
		}
		h.hear(t, c.server, text[:10]) // several reads of one request
		h.hear(t, c.server, text[10:])
		say(t, c.server, c.client, answer(10))
	}
	if _, err := c.client.Write(text); err != nil {
		t.Fatal(err)
	}
	b.hear(t, c.server, text[:20])
	a.hear(t, c.server, text[20:]) // goes on in another thread
	w.settle()
	var got []uint32
	for _, u := range w.uses(event.UseRead, w.end(c.serverPort, c.clientPort)) {
		got = append(got, uint32(u.PidTgid))
	}
	if want := []uint32{a.tid, a.tid, b.tid, b.tid, a.tid}; !slices.Equal(got, want) {
		t.Errorf("read by %d, want %d", got, want)
	}
}

// starts is a process whose first thread connects, whose second starts a third, and whose third sends.
const starts = `
import os, socket, sys, threading
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    c.sendall(b"GET / HTTP/1.1\r\n\r\n")
    print(threading.get_native_id(), flush=True)
def start():
    print(os.getpid(), threading.get_native_id(), flush=True)
    t = threading.Thread(target=send); t.start(); t.join()
t = threading.Thread(target=start); t.start(); t.join()
sys.stdin.read()
`

func TestAStartedThreadNamesItsCreator(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	w := load(t, func(c *Config) { c.Causes, c.Scope.Ports = true, []uint16{port(ln.Addr())} })
	cmd := exec.Command("python3", "-c", starts, fmt.Sprint(port(ln.Addr())))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("no python3: ", err)
	}
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var pid, parent, child uint32
	if _, err := fmt.Fscan(out, &pid, &parent, &child); err != nil {
		t.Fatal(err)
	}
	hear(t, s, []byte("GET / HTTP/1.1\r\n\r\n"))
	w.settle()
	uses := w.uses(event.UseSend, w.end(port(s.RemoteAddr()), port(ln.Addr())))
	if len(uses) != 1 {
		t.Fatalf("%d senders were told, want 1", len(uses))
	}
	if u := uses[0]; uint32(u.PidTgid>>32) != pid || uint32(u.PidTgid) != child || u.Creator != parent {
		t.Errorf("thread %d of %d, created by %d; want %d of %d, created by %d", uint32(u.PidTgid), u.PidTgid>>32, u.Creator, child, pid, parent)
	}
}

func TestCausesOffMakeNoRecordOfUse(t *testing.T) {
	w, c := watched(t, nil)
	for range 3 {
		say(t, c.client, c.server, []byte(request))
		say(t, c.server, c.client, answer(10))
	}
	w.settle()
	for _, r := range w.all {
		if r.Kind() == event.KindUse {
			t.Fatalf("a record of use: %+v", *event.As[event.Use](r))
		}
	}
	if w.set.programs["thread_started"] != nil {
		t.Error("the program that watches threads start is loaded")
	}
}

func TestUsesOutOfScopeAreNotTold(t *testing.T) {
	outside := listener(t, "127.0.0.1:0")
	w, c := watched(t, withCauses)
	p := connect(t, outside, outside.Addr().String())
	for _, k := range []pair{c, p} {
		say(t, k.client, k.server, []byte(request))
		say(t, k.server, k.client, answer(10))
	}
	w.settle()
	inside := []uint64{w.end(c.clientPort, c.serverPort), w.end(c.serverPort, c.clientPort)}
	for _, r := range w.all {
		if r.Kind() == event.KindUse && !slices.Contains(inside, event.As[event.Use](r).Hdr.Sock) {
			t.Errorf("a record of a socket out of scope: %+v", *event.As[event.Use](r))
		}
	}
	if len(w.uses(event.UseRead, inside[1])) != 1 {
		t.Error("no record of the socket in scope")
	}
}

// A write that waits for the peer's window is not of who holds the socket when it goes out.
func TestASenderThatIsNotKnownIsToldAsNone(t *testing.T) {
	w, c := watched(t, withCauses)
	a := startThread(t)
	a.write(t, c.client, []byte(request))
	hear(t, c.server, []byte(request))
	say(t, c.server, c.client, answer(10))
	cork(t, c.client, 1) // the kernel sends what is corked by a timer of its own, after 200 ms
	a.write(t, c.client, []byte(request))
	hear(t, c.server, []byte(request))
	say(t, c.server, c.client, answer(10))
	cork(t, c.client, 0)
	a.write(t, c.client, []byte(request))
	hear(t, c.server, []byte(request))
	w.settle()
	names := map[uint32]string{a.tid: "A", 0: "?"}
	if got, want := w.order(w.end(c.clientPort, c.serverPort), names), "A+?+A+"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// In HTTP/2 nobody waits for answers: who writes changes while bytes are on their way to the peer.
func TestSendersOnOneConnectionOfHTTP2AreToldApart(t *testing.T) {
	if h, _ := hooks.New(detected(), hooks.Default()).Hook("conn_send"); h.Kind != hooks.RawTracepoint {
		t.Skip("this kernel does not tell when a call that sends has ended (since 6.3)")
	}
	w, c := watched(t, withCauses)
	a, b := startThread(t), startThread(t)
	ping := []byte("\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678")
	a.write(t, c.client, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	for _, h := range []*thread{a, b, a, a, b, b, a} {
		h.write(t, c.client, ping)
	}
	w.settle()
	names := map[uint32]string{a.tid: "A", b.tid: "B", 0: "?"}
	if got, want := w.order(w.end(c.clientPort, c.serverPort), names), "A++B+A++B++A+"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Bytes that wait for the peer's window, or by Nagle's algorithm for an acknowledgement, go out in whoever's context: of all
// threads that write, none may be told for the bytes of another one.
func TestNoSenderIsToldForTheBytesOfAnother(t *testing.T) {
	t.Run("window", func(t *testing.T) { notOfAnother(t, true) })
	t.Run("Nagle", func(t *testing.T) { notOfAnother(t, false) })
}

func notOfAnother(t *testing.T, noDelay bool) {
	w, c := watched(t, func(c *Config) { c.Causes, c.RingBytes, c.BudgetRefill = true, 64<<20, time.Millisecond })
	_ = c.client.SetNoDelay(noDelay)
	ping := func(i int) []byte {
		return append([]byte("\x00\x00\x08\x06\x00\x00\x00\x00\x00"), fmt.Sprintf("thread %d", i)...)
	}
	if _, err := c.client.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	var threads []*thread
	names := map[uint32]int{}
	for i := range 6 {
		threads = append(threads, startThread(t))
		names[threads[i].tid] = i
	}
	var reading sync.WaitGroup
	reading.Go(func() { slowly(c.server) })
	var wg sync.WaitGroup
	for i, h := range threads {
		wg.Go(func() {
			h.do(func() {
				for range 3000 {
					_, _ = c.client.Write(ping(i))
				}
			})
		})
	}
	wg.Wait()
	_ = c.client.CloseWrite()
	reading.Wait()
	w.settle()
	certain, all := w.senders(t, w.end(c.clientPort, c.serverPort), names)
	if t.Logf("%d segments of %d with a sender", certain, all); certain == 0 {
		t.Errorf("the sender of no segment of %d was told", all)
	}
}

// slowly reads so that the window is full most of the time.
func slowly(c net.Conn) {
	b := make([]byte, 16<<10)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// senders holds the frames of each segment against the sender that was told before it.
func (w *watch) senders(t *testing.T, sock uint64, names map[uint32]int) (certain, all int) {
	t.Helper()
	sender, told := 0, false
	for _, r := range w.all {
		switch r.Kind() {
		case event.KindUse:
			if u := event.As[event.Use](r); u.Hdr.Sock == sock && u.Use == event.UseSend {
				sender, told = names[uint32(u.PidTgid)], u.PidTgid != 0
			}
		case event.KindSegment:
			s := event.As[event.Segment](r)
			head, _, _ := event.Payload(r, s)
			if s.Hdr.Sock != sock || s.Dir != event.DirSent || len(head) < 17 || string(head[9:16]) != "thread " {
				continue
			}
			if all++; !told {
				continue
			}
			certain++
			for at := 16; at < len(head); at += 17 {
				if int(head[at]-'0') != sender {
					t.Fatalf("segment %d has bytes of thread %c at %d, thread %d was told", all, head[at], at, sender)
				}
			}
		}
	}
	return certain, all
}

// Where a change of the sender finds the ring full, its bytes are left out too: they would be taken for those of the sender
// before.
func TestAFullRingLeavesNoWrongSender(t *testing.T) {
	w, c := watched(t, func(c *Config) { c.Causes, c.RingBytes = true, 2*os.Getpagesize() })
	threads := []*thread{startThread(t), startThread(t)}
	const rounds = 400
	for i := range rounds {
		text := []byte(strings.Replace(request, "/", fmt.Sprintf("/%d", i%2), 1))
		threads[i%2].write(t, c.client, text)
		hear(t, c.server, text)
		say(t, c.server, c.client, answer(10))
		if i%20 == 0 {
			w.drain()
		}
	}
	w.settle()
	sender, read := uint32(0), 0
	for _, r := range w.all {
		if u := event.As[event.Use](r); r.Kind() == event.KindUse && u.Use == event.UseSend && w.client(c, &u.Hdr) {
			sender = uint32(u.PidTgid)
		}
		if s := event.As[event.Segment](r); r.Kind() == event.KindSegment && s.Dir == event.DirSent && w.client(c, &s.Hdr) {
			head, _, _ := event.Payload(r, s)
			if read++; threads[head[len("GET /")]-'0'].tid != sender {
				t.Fatalf("%.10q follows thread %d, not thread %d", head, sender, threads[head[5]-'0'].tid)
			}
		}
	}
	lost := w.set.Counter(event.CounterLost + uint32(event.KindUse))
	if read == 0 || read == rounds || lost == 0 {
		t.Errorf("%d requests of %d read, %d records of use lost: nothing was tried", read, rounds, lost)
	}
	sent := w.set.Counter(event.CounterLostRequestsSent)
	if uint64(read)+sent != rounds {
		t.Errorf("%d requests read and %d counted as lost, want %d", read, sent, rounds)
	}
}

// client tells whether a record is of the client's socket.
func (w *watch) client(c pair, h *event.Header) bool {
	return h.Sock == w.end(c.clientPort, c.serverPort)
}

// Requests of several threads may follow each other before the first answer.
func TestSendersOfPipelinedRequestsAreToldApart(t *testing.T) {
	if h, _ := hooks.New(detected(), hooks.Default()).Hook("conn_send"); h.Kind != hooks.RawTracepoint {
		t.Skip("this kernel does not tell when a call that sends has ended (since 6.3)")
	}
	w, c := watched(t, withCauses)
	a, b := startThread(t), startThread(t)
	for _, h := range []*thread{a, b, b, a} {
		h.write(t, c.client, []byte(request))
	}
	w.settle()
	names := map[uint32]string{a.tid: "A", b.tid: "B", 0: "?"}
	if got, want := w.order(w.end(c.clientPort, c.serverPort), names), "A+B++A+"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func cork(t *testing.T, c *net.TCPConn, on int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}
