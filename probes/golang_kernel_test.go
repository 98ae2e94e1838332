// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sonde/probes/event"
)

// heard is what the wire says of a request: which goroutine asked, and which one served.
type heard struct {
	fromPort, toPort uint16 // the client's port, and that which the server sees
	stream           uint32
	asked, served    string
}

// wiretap passes connections on and listens: the truth that records are held against.
type wiretap struct {
	t    *testing.T
	ln   net.Listener
	to   string
	read func(*wiretap, *tapped)

	mu  sync.Mutex
	all []*heard
}

// tapped is one connection, both directions of which go through pipes to whoever parses them.
type tapped struct {
	fromPort, toPort  uint16
	requests, answers io.Reader
}

func startWiretap(t *testing.T, to string, read func(*wiretap, *tapped)) *wiretap {
	t.Helper()
	w := &wiretap{t: t, ln: listener(t, "127.0.0.1:0"), to: to, read: read}
	go func() {
		for {
			c, err := w.ln.Accept()
			if err != nil {
				return
			}
			go w.pass(c)
		}
	}()
	return w
}

func (w *wiretap) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer server.Close()
	requests, requestsIn := io.Pipe()
	answers, answersIn := io.Pipe()
	go w.read(w, &tapped{port(client.RemoteAddr()), port(server.LocalAddr()), requests, answers})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(server, io.TeeReader(client, requestsIn))
		_ = requestsIn.Close()
		_ = server.(*net.TCPConn).CloseWrite()
	})
	wg.Go(func() {
		_, _ = io.Copy(client, io.TeeReader(server, answersIn))
		_ = answersIn.Close()
		_ = client.(*net.TCPConn).CloseWrite()
	})
	wg.Wait()
}

func (w *wiretap) add(h *heard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, h)
}

func (w *wiretap) heard() []heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []heard
	for _, h := range w.all {
		all = append(all, *h)
	}
	return all
}

func readHTTP1(w *wiretap, c *tapped) {
	requests, answers := bufio.NewReader(c.requests), bufio.NewReader(c.answers)
	for {
		req, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(answers, req)
		if err != nil {
			w.t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		w.add(&heard{c.fromPort, c.toPort, 0, req.Header.Get("X-Goid"), resp.Header.Get("X-Goid")})
	}
}

func readHTTP2(w *wiretap, c *tapped) {
	var mu sync.Mutex
	streams := map[uint32]*heard{}
	// The answer may be read before what was asked, though it came later: each has its own reader.
	both := func(stream uint32, asked, served string) {
		mu.Lock()
		defer mu.Unlock()
		h := streams[stream]
		if h == nil {
			h = &heard{fromPort: c.fromPort, toPort: c.toPort, stream: stream}
			streams[stream] = h
		}
		if h.asked, h.served = h.asked+asked, h.served+served; h.asked != "" && h.served != "" {
			w.add(h)
		}
	}
	go func() {
		_, _ = io.CopyN(io.Discard, c.requests, int64(len(http2.ClientPreface)))
		eachGoid(c.requests, func(stream uint32, goid string) { both(stream, goid, "") })
		_, _ = io.Copy(io.Discard, c.requests)
	}()
	eachGoid(c.answers, func(stream uint32, goid string) { both(stream, "", goid) })
	_, _ = io.Copy(io.Discard, c.answers)
}

// eachGoid calls f for each x-goid of a direction of HTTP/2.
func eachGoid(r io.Reader, f func(stream uint32, goid string)) {
	framer := http2.NewFramer(io.Discard, r)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			for _, field := range h.Fields {
				if field.Name == "x-goid" {
					f(h.StreamID, field.Value)
				}
			}
		}
	}
}

// hopper is a program that asks itself through two wiretaps.
type hopper struct {
	t           *testing.T
	cmd         *exec.Cmd
	in          io.Writer
	out         *bufio.Scanner
	front, back *wiretap
}

func startHopper(t *testing.T, read func(*wiretap, *tapped), argv ...string) *hopper {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	h := &hopper{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	var front, back string
	if _, err := fmt.Sscan(h.line(), &front, &back); err != nil {
		t.Fatal(err)
	}
	h.front, h.back = startWiretap(t, front, read), startWiretap(t, back, read)
	return h
}

func (h *hopper) line() string {
	h.t.Helper()
	if !h.out.Scan() {
		h.t.Fatal("the program ended")
	}
	return h.out.Text()
}

// ask has n requests made, each of which makes a second one, and returns what was heard of them.
func (h *hopper) ask(w *watch, n, atOnce int) []heard {
	h.t.Helper()
	_, _ = fmt.Fprintln(h.in, h.front.ln.Addr(), h.back.ln.Addr(), n, atOnce)
	done := make(chan bool)
	go func() { done <- h.out.Scan() }()
	for asked := false; !asked; w.drain() {
		select {
		case ok := <-done:
			if asked = true; !ok {
				h.t.Fatal("the program ended")
			}
		case <-time.After(10 * time.Millisecond):
		}
	}
	var all []heard
	for range 100 {
		if all = append(h.front.heard(), h.back.heard()...); len(all) >= 2*n {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(all) != 2*n {
		h.t.Fatalf("%d requests on the wire, want %d", len(all), 2*n)
	}
	return all
}

// buildGo builds a Go program with extra flags.
func buildGo(t *testing.T, dir string, env []string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), ".")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if len(env) > 0 {
			t.Skipf("this toolchain is not here: %v\n%s", err, text)
		}
		t.Fatalf("build %s: %v\n%s", dir, err, text)
	}
	return out
}

// socksByPort returns the socket of each local port, and of each port that a socket of this process is connected to.
func (w *watch) socksByPort() (local, remote map[uint16]uint64) {
	local, remote = map[uint16]uint64{}, map[uint16]uint64{}
	for _, r := range w.all {
		if r.Kind() != event.KindEstablished {
			continue
		}
		e := event.As[event.Established](r)
		if e.Passive == 0 {
			local[e.Tuple.LocalPort] = e.Hdr.Sock
		} else {
			remote[e.Tuple.RemotePort] = e.Hdr.Sock
		}
	}
	return local, remote
}

type useKey struct {
	sock   uint64
	stream uint32
}

// uses returns the records of one kind by connection and stream, in their order.
func (w *watch) goUses(kind uint8, pid int) map[useKey][]event.Use {
	all := map[useKey][]event.Use{}
	for _, r := range w.all {
		if r.Kind() != event.KindUse {
			continue
		}
		if u := event.As[event.Use](r); u.Use == kind && int(u.PidTgid>>32) == pid {
			k := useKey{u.Hdr.Sock, u.Stream}
			all[k] = append(all[k], *u)
		}
	}
	return all
}

const useCall, useServe = 4, 5 // enum use_kind

func watchGo(t *testing.T) (*watch, *GoWatcher) {
	t.Helper()
	return watchGoBy(t, (*Set).GoWatcher)
}

func watchGoBy(t *testing.T, start func(*Set) (*GoWatcher, error)) (*watch, *GoWatcher) {
	t.Helper()
	w := load(t, func(c *Config) { c.Causes, c.RingBytes = true, 64<<20 }) // so that nothing is lost on a busy machine
	g, err := start(w.set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, g
}

// builds are ways to build a program, of which each hides or moves something.
var builds = []struct {
	name  string
	env   []string
	flags []string
}{
	{"plain", nil, nil},
	{"stripped", nil, []string{"-ldflags=-s -w", "-trimpath"}},
	{"position independent and stripped", nil, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	{"go1.27", []string{"GOTOOLCHAIN=go1.27.4", "GOPROXY=off"}, nil}, // has HTTP/2 in a package of its own
}

func TestGoCallsNameTheGoroutineThatAsks(t *testing.T) {
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			program := buildGo(t, "testdata/gohop", b.env, b.flags...)
			w, g := watchGo(t)
			h := startHopper(t, readHTTP1, program, "-proto", "http1")
			pid := h.cmd.Process.Pid
			if err := g.Watch(uint32(pid)); err != nil {
				t.Fatal(err)
			}
			all := h.ask(w, 2000, 50)
			w.settle()
			w.lostNothing(t)
			right := w.callsHTTP1(t, pid)
			if right != len(all) {
				t.Errorf("%d of %d requests have the right goroutine", right, len(all))
			}
			t.Logf("%d requests, each with its goroutine", right)
		})
	}
}

func (w *watch) lostNothing(t *testing.T) {
	t.Helper()
	if lost := w.set.Lost(0); lost != nil {
		t.Errorf("the kernel side lost %+v: nothing can be said", *lost)
	}
}

// A connection is found behind what wraps it when that keeps it first; else nothing is said, and nothing wrong.
func TestGoConnectionsAreFoundBehindWrappers(t *testing.T) {
	program := buildGo(t, "testdata/gohop", nil)
	for wrap, named := range map[string]bool{"first": true, "behind": false} {
		t.Run(wrap, func(t *testing.T) {
			w, g := watchGo(t)
			h := startHopper(t, readHTTP1, program, "-wrap", wrap)
			pid := h.cmd.Process.Pid
			if err := g.Watch(uint32(pid)); err != nil {
				t.Fatal(err)
			}
			all := h.ask(w, 200, 20)
			w.settle()
			w.lostNothing(t)
			right, calls := w.callsHTTP1(t, pid), len(w.goUses(useCall, pid))
			if named && right != len(all) || !named && calls != 0 {
				t.Errorf("%d of %d requests have the right goroutine, of calls on %d connections", right, len(all), calls)
			}
		})
	}
}

// callsHTTP1 goes through the records as a tracer would: a call names the goroutine of the next request on its socket.
func (w *watch) callsHTTP1(t *testing.T, pid int) (right int) {
	t.Helper()
	next := map[uint64]uint64{}
	for _, r := range w.all {
		switch r.Kind() {
		case event.KindUse:
			if u := event.As[event.Use](r); u.Use == useCall && int(u.PidTgid>>32) == pid {
				next[u.Hdr.Sock] = u.Goid
			}
		case event.KindSegment:
			s := event.As[event.Segment](r)
			head, _, _ := event.Payload(r, s)
			_, rest, ok := bytes.Cut(head, []byte("X-Goid: "))
			if s.Dir != event.DirSent || !bytes.HasPrefix(head, []byte("GET ")) || !ok {
				continue
			}
			goid, known := next[s.Hdr.Sock]
			if !known {
				continue // what the wiretap passes on
			}
			delete(next, s.Hdr.Sock)
			if want, _, _ := strings.Cut(string(rest), "\r\n"); want != fmt.Sprint(goid) {
				t.Errorf("goroutine %s asked, the record says %d", want, goid)
				continue
			}
			right++
		}
	}
	return right
}

func TestGoStreamsNameTheirGoroutines(t *testing.T) {
	const grpcHop = "../testbed/apps/grpc/hop"
	tests := []struct {
		name, dir string
		args      []string
		calls     bool // else the goroutine that asks writes as well
	}{
		{"http2", "testdata/gohop", []string{"-proto", "http2"}, false},
		{"grpc", grpcHop, nil, true},
	}
	for _, tt := range tests {
		for _, b := range builds {
			t.Run(tt.name+", "+b.name, func(t *testing.T) {
				program := buildGo(t, tt.dir, b.env, b.flags...)
				w, g := watchGo(t)
				h := startHopper(t, readHTTP2, append([]string{program}, tt.args...)...)
				pid := h.cmd.Process.Pid
				if err := g.Watch(uint32(pid)); err != nil {
					t.Fatal(err)
				}
				all := h.ask(w, 2000, 50)
				w.settle()
				w.lostNothing(t)
				w.streams(t, pid, useServe, all)
				if tt.calls {
					w.streams(t, pid, useCall, all)
				}
			})
		}
	}
}

// Kernels before 6.6 have an uprobe for each place.
func TestGoWithoutMultipleUprobes(t *testing.T) {
	w, g := watchGoBy(t, func(s *Set) (*GoWatcher, error) { return s.goWatcher(false) })
	h := startHopper(t, readHTTP2, buildGo(t, "../testbed/apps/grpc/hop", nil))
	pid := h.cmd.Process.Pid
	if err := g.Watch(uint32(pid)); err != nil {
		t.Fatal(err)
	}
	all := h.ask(w, 500, 20)
	w.settle()
	w.lostNothing(t)
	w.streams(t, pid, useServe, all)
	w.streams(t, pid, useCall, all)
}

// streams holds the records of a kind against what was heard: each stream has one, and it names the right goroutine.
func (w *watch) streams(t *testing.T, pid int, kind uint8, all []heard) {
	t.Helper()
	local, remote := w.socksByPort()
	uses := w.goUses(kind, pid)
	for _, h := range all {
		sock, goid := local[h.fromPort], h.asked
		if kind == useServe {
			sock, goid = remote[h.toPort], h.served
		}
		key := useKey{sock, h.stream}
		if n := len(uses[key]); n != 1 {
			t.Errorf("%d records of kind %d for stream %d", n, kind, h.stream)
		}
		for _, u := range uses[key] {
			if fmt.Sprint(u.Goid) != goid {
				t.Errorf("stream %d is of goroutine %s, a record of kind %d says %d", h.stream, goid, kind, u.Goid)
			}
		}
		delete(uses, key)
	}
	if len(uses) > 0 {
		t.Errorf("%d streams with records of kind %d that were not on the wire", len(uses), kind)
	}
}
