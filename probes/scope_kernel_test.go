// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/probes/event"
)

// strangers returns the segments of sockets other than those with this local or remote port.
func (w *watch) strangers(wanted uint16) (n int) {
	for _, r := range w.all {
		if s := event.As[event.Segment](r); r.Kind() == event.KindSegment && s.Tuple.LocalPort != wanted && s.Tuple.RemotePort != wanted {
			n++
		}
	}
	return n
}

func TestOnlyPortsInTheScopeAreSeen(t *testing.T) {
	aside := listener(t, "127.0.0.1:0")
	w, c := watched(t, nil)
	not := connect(t, aside, aside.Addr().String())
	for range 5 {
		say(t, not.client, not.server, []byte(request))
		say(t, c.client, c.server, []byte(request))
	}
	w.until("records of the port in the scope", func() bool { return len(w.segments(c.serverPort, c.clientPort)) == 5 })
	w.settle()
	if n := w.strangers(c.serverPort); n != 0 {
		t.Errorf("%d records of other ports", n)
	}
}

// talk lets the other process send a request on a new connection to ln and returns its port.
func talk(t *testing.T, o *other, ln *net.TCPListener) (from uint16, server net.Conn) {
	t.Helper()
	address := o.do("connect %s", ln.Addr())
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if answer := o.do("say GET"); answer != "<nil>" {
		t.Fatal(answer)
	}
	hear(t, server, []byte("GET / HTTP/1.1\r\n\r\n"))
	_, from, _ = splitPort(address)
	return from, server
}

func splitPort(address string) (host string, p uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	_, _ = fmt.Sscan(text, &p)
	return host, p, err
}

func TestOnlyProcessesInTheScopeAreSeen(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	in, out := startOther(t), startOther(t)
	w := load(t, func(c *Config) { c.Scope.PIDs = []uint32{in.pid()} })
	notWanted, _ := talk(t, out, ln)
	wanted, _ := talk(t, in, ln)
	w.until("record", func() bool { return len(w.segments(wanted, port(ln.Addr()))) > 0 })
	w.settle()
	if n := len(w.segments(notWanted, port(ln.Addr()))); n != 0 {
		t.Errorf("%d records of another process", n)
	}
	if n := len(w.segments(port(ln.Addr()), wanted)); n != 0 {
		t.Errorf("%d records of the other end, which is another process's", n)
	}
}

func TestListenerOfAProcessInTheScopeIsSeen(t *testing.T) {
	o := startOther(t)
	w := load(t, func(c *Config) { c.Scope.PIDs = []uint32{o.pid()} })
	serves(t, w, o, o.do("listen 127.0.0.1:0"))
}

// Who observes a server by its PID has a server that runs already.
func TestListenerThatAProcessInTheScopeHadBeforeIsSeen(t *testing.T) {
	o := startOther(t)
	address := o.do("listen 127.0.0.1:0")
	w := load(t, func(c *Config) { c.Scope.PIDs = []uint32{o.pid()} })
	serves(t, w, o, address)
}

// serves sends a request to the other process, which listens at address, and wants to see it there.
func serves(t *testing.T, w *watch, o *other, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte(request))
	if answer := o.do("echo"); answer != "<nil>" {
		t.Fatal(answer)
	}
	hear(t, c, []byte(request))
	_, p, _ := splitPort(address)
	w.until("request and answer at the server", func() bool { return len(w.segments(p, port(c.LocalAddr()))) == 2 })
}

func TestOnlyCgroupsInTheScopeAreSeen(t *testing.T) {
	root := detected().Cgroup2Root
	dir := filepath.Join(root, fmt.Sprintf("sonde-probes-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("no cgroup can be made: ", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	ln := listener(t, "127.0.0.1:0")
	in, out := startOther(t), startOther(t)
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, in.pid()), 0o600); err != nil {
		t.Skip("no process can be moved: ", err)
	}
	t.Cleanup(func() { // before the directory can go
		_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), fmt.Append(nil, in.pid()), 0o600)
	})
	id, err := CgroupID(root, filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	w := load(t, func(c *Config) { c.Scope.CgroupIDs = []uint64{id} })
	notWanted, _ := talk(t, out, ln)
	wanted, _ := talk(t, in, ln)
	w.until("record", func() bool { return len(w.segments(wanted, port(ln.Addr()))) > 0 })
	w.settle()
	if n := len(w.segments(notWanted, port(ln.Addr()))) + len(w.segments(port(ln.Addr()), wanted)); n != 0 {
		t.Errorf("%d records of another cgroup", n)
	}
}

// The scrape of sonde's metrics must not appear at sonde's end, or it would observe itself without end.
func TestOwnListenerIsNeverSeen(t *testing.T) {
	// Go listens with MPTCP where the kernel has it. Such a listener has TCP sockets behind it that inherit no mark.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	plain, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Close() })
	ln := plain.(*net.TCPListener)
	o := startOther(t)
	own := port(ln.Addr())
	w := load(t, func(*Config) {})
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = w.set.Ignore(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	var from uint16
	for range 3 {
		var s net.Conn
		from, s = talk(t, o, ln)
		_, _ = s.Write(answer(10))
		_ = s.Close()
	}
	w.until("client's end", func() bool { return len(w.segments(from, own)) > 0 })
	w.settle()
	for _, r := range w.all {
		if tuple := tupleOf(r); tuple != nil && tuple.LocalPort == own && r.Kind() == event.KindSegment {
			t.Error("bytes of sonde's own port were copied") // that there are connections is told, agent/conn drops them
		}
	}
}

func tupleOf(r event.Record) *event.Tuple {
	switch r.Kind() {
	case event.KindSegment:
		return &event.As[event.Segment](r).Tuple
	case event.KindEstablished:
		return &event.As[event.Established](r).Tuple
	case event.KindClose:
		return &event.As[event.Close](r).Tuple
	case event.KindConnect, event.KindActor:
		return &event.As[event.Actor](r).Tuple
	}
	return nil
}

// sockOf returns the socket that a record is about, the second field of its header.
func sockOf(r event.Record) uint64 { return binary.NativeEndian.Uint64(r[8:]) }

// life returns the kinds of the records of the first socket that the process with this PID connected.
func (w *watch) life(pid uint32) (kinds string, end *event.Close) {
	var sock uint64
	for _, r := range w.all {
		if e := event.As[event.Actor](r); r.Kind() == event.KindConnect && uint32(e.Actor.PidTgid>>32) == pid {
			sock = e.Hdr.Sock
		}
		if sock == 0 || sockOf(r) != sock {
			continue
		}
		kinds += map[event.Kind]string{event.KindConnect: "connect ", event.KindEstablished: "established ",
			event.KindActor: "actor ", event.KindSegment: "segment ", event.KindClose: "close "}[r.Kind()]
		if r.Kind() == event.KindClose {
			return kinds, event.As[event.Close](r)
		}
	}
	return kinds, nil
}

func TestLifeOfAConnectionIsToldInOrder(t *testing.T) {
	ln := listener(t, "127.0.0.1:0")
	o := startOther(t)
	w := load(t, nil)
	_, s := talk(t, o, ln)
	o.do("close")
	_ = s.Close()
	w.until("close", func() bool { _, end := w.life(o.pid()); return end != nil })
	kinds, end := w.life(o.pid())
	if !strings.HasPrefix(kinds, "connect established segment ") {
		t.Errorf("records: %s", kinds)
	}
	if end.Err != 0 || end.BytesAcked < 18 {
		t.Errorf("error %d, %d bytes acknowledged", end.Err, end.BytesAcked)
	}
}

func TestRefusedConnectIsTold(t *testing.T) {
	o := startOther(t)
	w := load(t, nil)
	o.do("connect 127.0.0.1:1")
	w.until("close", func() bool { _, end := w.life(o.pid()); return end != nil })
	kinds, end := w.life(o.pid())
	if kinds != "connect close " || syscall.Errno(end.Err) != syscall.ECONNREFUSED || end.Oldstate != 2 {
		t.Errorf("records %s, error %d, state %d", kinds, end.Err, end.Oldstate)
	}
}

// A listener whose queue is full drops the SYN, as a firewall does.
func TestConnectThatTimesOutIsTold(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 2 {
		if c, err := net.DialTimeout("tcp", address, 200*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	o := startOther(t)
	to := uint16(name.(*unix.SockaddrInet4).Port)
	w := load(t, func(c *Config) { c.Scope.Ports = []uint16{to} }) // what others do meanwhile would fill the ring
	if answer := o.do("syn %s", address); !strings.Contains(answer, "timed out") {
		t.Skip("connect ended with ", answer)
	}
	w.until("close", func() bool { _, end := w.life(o.pid()); return end != nil })
	kinds, end := w.life(o.pid())
	if kinds != "connect close " || syscall.Errno(end.Err) != syscall.ETIMEDOUT || end.Oldstate != 2 {
		t.Errorf("records %s, error %d, state %d", kinds, end.Err, end.Oldstate)
	}
}

func TestUDPSocketsAreCounted(t *testing.T) {
	a, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := net.Dial("udp", a.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w := load(t, nil)
	for range 7 {
		_, _ = b.Write(make([]byte, 100))
	}
	for range 3 {
		_, _ = a.WriteTo(make([]byte, 50), b.LocalAddr())
	}
	want := map[uint16][4]uint64{ // packets and bytes with 28 bytes of headers, sent and received
		port(b.LocalAddr()): {7, 3, 7 * 128, 3 * 78}, port(a.LocalAddr()): {3, 7, 3 * 78, 7 * 128},
	}
	w.set.Flows(1, func(f *event.Flow) {
		if counts, ok := want[f.Key.LocalPort]; ok && f.Key.Ifindex == 0 && f.Key.Proto == unix.IPPROTO_UDP {
			delete(want, f.Key.LocalPort)
			if got := [4]uint64{f.Value.Packets[0], f.Value.Packets[1], f.Value.Bytes[0], f.Value.Bytes[1]}; got != counts {
				t.Errorf("port %d: %v, want %v", f.Key.LocalPort, got, counts)
			}
		}
	})
	if len(want) > 0 {
		t.Errorf("no flow of ports %v", want)
	}
}

func TestDropsAreNamed(t *testing.T) {
	w := load(t, nil)
	w.set.Drops(1, func(*event.Drops) {})
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 10 {
		_, _ = c.Write([]byte("nobody listens"))
	}
	got := map[string]uint64{}
	w.set.Drops(2, func(d *event.Drops) { got[event.DropName(d)] += d.Packets })
	if detected().Tracepoints["kfree_skb"].Args < 3 {
		t.Skipf("this kernel does not say why: %v", got)
	}
	if got["no_socket"] == 0 {
		t.Errorf("drops %v, want some of no_socket", got)
	}
}

// A receiver that does not read drops what finds no room in its buffer: the kernel says of whom it was.
func TestDropsAreToldByFlow(t *testing.T) {
	w := load(t, nil)
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		receiver, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Skip(err)
		}
		defer receiver.Close()
		if err := receiver.(*net.UDPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		sender, err := net.Dial("udp", receiver.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer sender.Close()
		const n = 200
		for range n {
			_, _ = sender.Write(make([]byte, 1000))
		}
		arrived := uint64(0)
		_ = receiver.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for buf := make([]byte, 2000); ; arrived++ {
			if _, _, err := receiver.ReadFrom(buf); err != nil {
				break
			}
		}
		dropped := uint64(0)
		w.set.FlowDrops(1, func(d *event.FlowDrops) {
			if d.Key.LocalPort == port(sender.LocalAddr()) && d.Key.RemotePort == port(receiver.LocalAddr()) && d.Key.Proto == unix.IPPROTO_UDP {
				dropped += d.Packets
				if got := netip.AddrFrom16(d.Key.Remote).Unmap(); got != receiver.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap() {
					t.Errorf("dropped on the way to %v, want %v", got, receiver.LocalAddr())
				}
			}
		})
		if arrived == n || dropped != n-arrived {
			t.Errorf("%s: %d of %d arrived, %d are told as dropped", address, arrived, n, dropped)
		}
	}
}

// wire makes a pair of interfaces, 10.234.7.1 here and 10.234.7.2 in a namespace of its own.
func wire(t *testing.T) (ns, near string) {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no ", tool)
		}
	}
	ns, near = fmt.Sprintf("sonde-probes-%d", os.Getpid()), "spn0"
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	for _, line := range []string{
		"ip netns add " + ns,
		"ip link add " + near + " type veth peer name spf0 netns " + ns,
		"ip addr add 10.234.7.1/24 dev " + near, "ip link set " + near + " up",
		"ip -n " + ns + " addr add 10.234.7.2/24 dev spf0", "ip -n " + ns + " link set spf0 up",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Skipf("%s: %v\n%s", line, err, out)
		}
	}
	return ns, near
}

// The wire loses packets.
func TestLossAndReorderingOnTheNetworkLoseNoByte(t *testing.T) {
	ns, near := wire(t)
	ln := listener(t, "10.234.7.1:0")
	w := load(t, func(c *Config) {
		c.Scope.Ports, c.PacketFlows, c.Interfaces = []uint16{port(ln.Addr())}, true, []string{near}
		c.BudgetResponse = 16 << 10
	})
	o := startOther(t, "nsenter", "--net=/run/netns/"+ns)
	c := acceptFrom(t, o, ln)
	lossy := fmt.Sprintf("add table inet t; add chain inet t out { type filter hook input priority 0; }; "+
		"add rule inet t out tcp sport %d numgen random mod 100 < 20 drop", port(ln.Addr()))
	first := answer(100)
	_, _ = c.Write(first) // before the loss begins: the direction is known
	w.until("first record at the receiver", func() bool {
		_, p, _ := splitPort(c.RemoteAddr().String())
		return len(w.segments(p, port(ln.Addr()))) > 0
	})
	if out, err := exec.Command("nsenter", "--net=/run/netns/"+ns, "nft", lossy).CombinedOutput(); err != nil {
		t.Skipf("nft: %v\n%s", err, out)
	}
	text := answer(11_000) // what is sent here is received there through the loss
	go func() {
		for at := 0; at < len(text); at += 100 {
			_, _ = c.Write(text[at:min(at+100, len(text))])
		}
	}()
	w.until("retransmission", func() bool { return w.set.Counter(event.CounterRetransmitted) > 0 })
	_, far16, _ := splitPort(c.RemoteAddr().String())
	covered := make([]bool, len(text))
	var flags uint8
	w.until("every byte at the receiver", func() bool {
		received := of(event.DirReceived, w.segments(far16, port(ln.Addr())))
		sent := of(event.DirSent, w.segments(port(ln.Addr()), far16))
		if len(received) == 0 || len(sent) == 0 {
			return false
		}
		for _, p := range received {
			if p.Seq == sent[0].Seq { // the first answer
				continue
			}
			at := p.Seq - sent[0].Seq - uint32(len(first))
			copied := len(p.head)
			if string(p.head) != string(text[at:int(at)+copied]) {
				t.Fatalf("byte %d: head %.40q, sent %.40q", at, p.head, text[at:])
			}
			flags |= p.Hdr.Flags
			for i := range p.Len {
				covered[at+i] = true
			}
		}
		missing := strings.Count(fmt.Sprint(covered), "false")
		return missing == 0
	})
	if flags&event.SegmentAhead == 0 || flags&event.SegmentLate == 0 {
		t.Errorf("flags %#x: nothing was marked as ahead or late", flags)
	}
	packets := uint64(0)
	w.set.Flows(1, func(f *event.Flow) {
		if f.Key.Ifindex != 0 && f.Key.LocalPort == port(ln.Addr()) {
			packets += f.Value.Packets[event.DirSent]
		}
	})
	if detected().TCX == nil && packets < 10 {
		t.Errorf("%d packets counted at %s, want some", packets, near)
	}
}

func acceptFrom(t *testing.T, o *other, ln *net.TCPListener) net.Conn {
	t.Helper()
	if answer := o.do("connect %s", ln.Addr()); !strings.Contains(answer, ":") || strings.Contains(answer, "dial") {
		t.Fatal(answer)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
