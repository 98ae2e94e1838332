// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/probes/event"
	"sonde/probes/hooks"
	"sonde/probes/kernel"
)

// TestMain lets the test binary be the other process too: what this one opens counts as sonde's own.
func TestMain(m *testing.M) {
	if os.Getenv("SONDE_PROBES_OTHER") != "" {
		beOther()
		return
	}
	os.Exit(m.Run())
}

var detected = sync.OnceValue(kernel.Detect)

// watch is a loaded set and what it has told so far.
type watch struct {
	t   *testing.T
	set *Set
	all []event.Record
}

// load attaches everything, with what change does to the configuration.
func load(t *testing.T, change func(*Config)) *watch {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: nothing can be loaded")
	}
	c := Default()
	c.PacketFlows = false
	if change != nil {
		change(&c)
	}
	set, err := Load(hooks.New(detected(), hooks.Default()), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return &watch{t: t, set: set}
}

func bootNow() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}

func (w *watch) drain() {
	w.set.Ring.Drain(bootNow(), func(r event.Record) { w.all = append(w.all, event.Clone(r)) })
}

// until drains until the condition holds; t fails after 5 s without.
func (w *watch) until(what string, holds func() bool) {
	w.t.Helper()
	for range 500 {
		if w.drain(); holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("no %s after 5 s; %d records", what, len(w.all))
}

// settle drains what is still on its way.
func (w *watch) settle() {
	time.Sleep(100 * time.Millisecond)
	w.drain()
}

// piece is a segment record, taken apart.
type piece struct {
	event.Segment
	head, tail []byte
}

func (p *piece) end() uint32 { return p.Seq + p.Len }

// segments returns the segments of the socket with these ports, both directions, in the order of delivery.
func (w *watch) segments(local, remote uint16) (all []piece) {
	w.t.Helper()
	for _, r := range w.all {
		if r.Kind() != event.KindSegment {
			continue
		}
		s := event.As[event.Segment](r)
		if s.Tuple.LocalPort != local || s.Tuple.RemotePort != remote {
			continue
		}
		head, tail, ok := event.Payload(r, s)
		if !ok {
			w.t.Fatalf("segment says head %d, tail %d, len %d in %d bytes", s.Head, s.Tail, s.Len, len(r))
		}
		all = append(all, piece{*s, head, tail})
	}
	return all
}

func of(dir uint8, all []piece) []piece {
	return slices.DeleteFunc(slices.Clone(all), func(p piece) bool { return p.Dir != dir })
}

// told holds what the records of one direction say against what was sent: no byte twice, each copied byte right, all of
// them accounted for up to the end. It returns the number of bytes that records tell of.
func told(t *testing.T, pieces []piece, sent []byte) (told uint32) {
	t.Helper()
	if len(pieces) == 0 {
		t.Fatal("no records")
	}
	first := pieces[0].Seq
	next := first
	for i := range pieces {
		p := &pieces[i]
		again := max(0, int32(next-p.Seq)) // TCP may join what it sends again with what is new
		if again > 0 && int32(p.end()-next) <= 0 {
			t.Fatalf("record %d tells of bytes %d to %d, the one before ended at %d", i, p.Seq-first, p.end()-first, next-first)
		}
		at := p.Seq - first
		copied(t, p, sent[at:at+p.Len])
		next, told = p.end(), told+p.Len-uint32(again)
	}
	if got := next - first; int(got) != len(sent) {
		t.Fatalf("records end at byte %d of %d", got, len(sent))
	}
	return told
}

// copied holds the copied bytes of a record against all of its bytes.
func copied(t *testing.T, p *piece, all []byte) {
	t.Helper()
	if string(p.head) != string(all[:len(p.head)]) {
		t.Fatalf("head %.40q, sent %.40q", p.head, all)
	}
	rest := len(all) - len(p.head)
	if n := len(p.tail); n != 0 && n != min(16, rest) && n != min(64, rest) || string(p.tail) != string(all[len(all)-n:]) {
		t.Fatalf("tail %q, sent ...%q", p.tail, all[max(0, len(all)-70):])
	}
}

// pair is a connection over TCP whose both ends are this process's.
type pair struct {
	client, server         *net.TCPConn
	clientPort, serverPort uint16
}

func port(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }

// listener listens before anything is loaded, so that its port can be in the scope.
func listener(t *testing.T, address string) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.(*net.TCPListener)
}

func connect(t *testing.T, ln *net.TCPListener, address string) pair {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return pair{c.(*net.TCPConn), s.(*net.TCPConn), port(c.LocalAddr()), port(ln.Addr())}
}

// watched is a loopback connection with nothing but it in the scope.
func watched(t *testing.T, change func(*Config)) (*watch, pair) {
	t.Helper()
	ln := listener(t, "127.0.0.1:0")
	w := load(t, func(c *Config) {
		c.Scope.Ports = []uint16{port(ln.Addr())}
		if change != nil {
			change(c)
		}
	})
	return w, connect(t, ln, ln.Addr().String())
}

func say(t *testing.T, from, to net.Conn, text []byte) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := from.Write(text); err != nil {
			t.Error(err)
		}
	})
	hear(t, to, text)
	wg.Wait()
}

func hear(t *testing.T, at net.Conn, text []byte) {
	t.Helper()
	got := make([]byte, len(text))
	_ = at.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(at, got); err != nil || string(got) != string(text) {
		t.Fatalf("heard something else than was said: %v", err)
	}
}

// other is another process: it does what it is told, a line at a time, and answers each line with one.
type other struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

// startOther starts it, in front of it what enters another namespace.
func startOther(t *testing.T, in ...string) *other {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(in), self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "SONDE_PROBES_OTHER=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	o := &other{t: t, cmd: cmd, in: stdin, out: bufio.NewScanner(stdout)}
	if o.do("pid") != fmt.Sprint(cmd.Process.Pid) {
		t.Fatal("the other process is not the one that was started")
	}
	return o
}

func (o *other) pid() uint32 { return uint32(o.cmd.Process.Pid) }

func (o *other) do(line string, args ...any) string {
	o.t.Helper()
	_, _ = fmt.Fprintf(o.in, line+"\n", args...)
	if !o.out.Scan() {
		o.t.Fatalf("the other process ended at %q", line)
	}
	return o.out.Text()
}

// beOther is the other process's main loop.
func beOther() {
	var conns []net.Conn
	var ln net.Listener
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		answer := "ok"
		switch words[0] {
		case "pid":
			answer = fmt.Sprint(os.Getpid())
		case "connect": // address
			c, err := net.Dial("tcp", words[1])
			if answer = fmt.Sprint(err); err == nil {
				conns = append(conns, c)
				answer = c.LocalAddr().String()
			}
		case "syn": // address; one SYN and its repetition, then it gives up
			d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1) })
			}}
			_, err := d.Dial("tcp", words[1])
			answer = fmt.Sprint(err)
		case "say":
			_, err := io.WriteString(conns[len(conns)-1], words[1]+" / HTTP/1.1\r\n\r\n")
			answer = fmt.Sprint(err)
		case "close":
			answer = fmt.Sprint(conns[len(conns)-1].Close())
		case "listen":
			var err error
			if ln, err = net.Listen("tcp", words[1]); err != nil {
				answer = err.Error()
				break
			}
			answer = ln.Addr().String()
		case "echo": // accepts a connection and sends back what it reads once
			c, err := ln.Accept()
			b := make([]byte, 4096)
			n := 0
			if err == nil {
				n, _ = c.Read(b)
				_, err = c.Write(b[:n])
				conns = append(conns, c)
			}
			answer = fmt.Sprint(err)
		}
		fmt.Println(answer)
	}
}
