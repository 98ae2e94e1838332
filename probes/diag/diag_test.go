// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"context"
	"encoding/binary"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// As many at once as to need every thread that is idle, the main thread too. The first
// test, because after a mistake nothing runs on the main thread any more.
func TestOwnThreadIsNeverTheMainThread(t *testing.T) {
	const many = 64
	var inside, done sync.WaitGroup
	inside.Add(many)
	for range many {
		done.Go(func() {
			if err := onOwnThread(func() error {
				if unix.Gettid() == unix.Getpid() {
					t.Error("on the main thread")
				}
				inside.Done()
				inside.Wait()
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}

// identity asks the kernel for a socket's cookie and inode by its descriptor.
func identity(t *testing.T, c interface{ File() (*os.File, error) }) (cookie uint64, inode uint32) {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cookie, err = unix.GetsockoptUint64(int(f.Fd()), unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return cookie, uint32(st.Ino)
}

func find(t *testing.T, sockets []Socket, c interface{ File() (*os.File, error) }) Socket {
	t.Helper()
	cookie, inode := identity(t, c)
	i := slices.IndexFunc(sockets, func(s Socket) bool { return s.Cookie == cookie })
	if i < 0 {
		t.Fatalf("no socket with cookie %d among %d", cookie, len(sockets))
	}
	if sockets[i].Inode != inode {
		t.Errorf("inode %d, want %d", sockets[i].Inode, inode)
	}
	if !slices.Equal(sockets[i].PIDs, []uint32{uint32(os.Getpid())}) {
		t.Errorf("held by %v, want by this process %d", sockets[i].PIDs, os.Getpid())
	}
	return sockets[i]
}

// pair opens a connection and passes payload each way.
func pair(t *testing.T, network, listen, dial string, bytes int) (l *net.TCPListener, client, server *net.TCPConn) {
	t.Helper()
	l, err := listenTCP(network, listen)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := net.Dial("tcp", net.JoinHostPort(dial, port))
	if err != nil {
		t.Fatal(err)
	}
	client = c.(*net.TCPConn)
	if server, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); client.Close(); server.Close() })
	payload := make([]byte, bytes)
	for _, way := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		if _, err := way[0].Write(payload); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way[1], payload); err != nil {
			t.Fatal(err)
		}
	}
	return l, client, server
}

// listenTCP does without MPTCP, which Go prefers: the descriptor would be of an MPTCP socket, with a cookie of its own.
func listenTCP(network, address string) (*net.TCPListener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func TestListenerOfMPTCPBelongsToItsProcess(t *testing.T) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sockets, _ := Sockets(context.Background(), Options{PIDs: true})
	_, inode := identity(t, l.(*net.TCPListener))
	i := slices.IndexFunc(sockets, func(s Socket) bool { return s.Local == addrOf(l.Addr()) && s.State == StateListen })
	if i < 0 || sockets[i].Inode != inode || !slices.Equal(sockets[i].PIDs, []uint32{uint32(os.Getpid())}) {
		t.Errorf("inode %d is not among %v", inode, sockets)
	}
}

func TestTCPSocketsOfThisProcessAreListed(t *testing.T) {
	tests := []struct {
		name, network, listen, dial string
		family                      uint8
	}{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1", unix.AF_INET},
		{"IPv6", "tcp6", "[::1]:0", "::1", unix.AF_INET6},
		{"dual-stack server, IPv4 client", "tcp", ":0", "127.0.0.1", unix.AF_INET6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, client, server := pair(t, tt.network, tt.listen, tt.dial, 1000)
			sockets, err := Sockets(context.Background(), Options{PIDs: true})
			if err != nil && os.Getuid() == 0 {
				t.Error(err)
			}
			a, b := addrOf(client.LocalAddr()), addrOf(server.LocalAddr())
			got := find(t, sockets, server)
			if got.Proto != TCP || got.Family != tt.family || got.State != StateEstablished || got.Local != b || got.Remote != a {
				t.Errorf("server %+v, want %v from %v", got, b, a)
			}
			if got.NetNS != SelfNetNS() || got.NetNS == 0 {
				t.Errorf("network namespace %d, want %d", got.NetNS, SelfNetNS())
			}
			// bytes_acked of the client counts its SYN as one.
			if c := find(t, sockets, client); c.BytesAcked != 1001 || c.BytesReceived != 1000 || c.SRTTMicros == 0 || c.Retransmits != 0 {
				t.Errorf("client %+v, want 1001 bytes acked, 1000 received", c)
			}
			if s := find(t, sockets, l); s.State != StateListen || s.Local.Port() != b.Port() || s.Remote.Port() != 0 || s.Remote.Addr().Is4In6() {
				t.Errorf("listener %+v", s)
			}
		})
	}
}

func addrOf(a net.Addr) netip.AddrPort {
	ap := netip.MustParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func TestUDPSocketsAreListedWhenAskedFor(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sockets, err := Sockets(context.Background(), Options{UDP: true, PIDs: true})
	if err != nil && os.Getuid() == 0 {
		t.Error(err)
	}
	if s := find(t, sockets, server); s.Proto != UDP || s.State != StateClose || s.Local != addrOf(server.LocalAddr()) {
		t.Errorf("server %+v", s)
	}
	if s := find(t, sockets, client); s.State != StateEstablished || s.Remote != addrOf(server.LocalAddr()) {
		t.Errorf("client %+v", s)
	}
	sockets, _ = Sockets(context.Background(), Options{})
	if slices.ContainsFunc(sockets, func(s Socket) bool { return s.Proto == UDP || s.PIDs != nil }) {
		t.Error("UDP or processes are listed though nobody asked")
	}
}

func TestSocketInTimeWaitIsNotListed(t *testing.T) {
	_, client, server := pair(t, "tcp4", "127.0.0.1:0", "127.0.0.1", 10)
	local, remote := addrOf(client.LocalAddr()), addrOf(server.LocalAddr())
	client.Close() // the first to close waits
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	server.Close()
	sockets, _ := Sockets(context.Background(), Options{})
	if slices.ContainsFunc(sockets, func(s Socket) bool { return s.Local == local && s.Remote == remote }) {
		t.Error("listed")
	}
}

func TestSocketsStopWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Sockets(ctx, Options{PIDs: true}); err == nil && len(must(Namespaces())) > 1 {
		t.Error("no error")
	}
	if err := owners(ctx, []Socket{{Inode: 1}}); err != context.Canceled {
		t.Errorf("owners: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestThisThreadStaysInItsNamespace(t *testing.T) {
	before := must(os.Readlink("/proc/self/ns/net"))
	for range 20 {
		if _, err := Sockets(context.Background(), Options{}); err != nil && os.Getuid() == 0 {
			t.Fatal(err)
		}
	}
	tasks := must(os.ReadDir("/proc/self/task"))
	for _, task := range tasks {
		if ns, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net"); err == nil && ns != before {
			t.Errorf("thread %s is left in %s", task.Name(), ns)
		}
	}
}

func TestNamesInProc(t *testing.T) {
	for name, want := range map[string]uint32{"net:[4026531840]": 4026531840, "net:[x]": 0, "mnt:[1]": 0, "": 0} {
		if got, ok := parseNetNS(name); got != want || ok != (want != 0) {
			t.Errorf("parseNetNS(%q) = %d, %v", name, got, ok)
		}
	}
	for name, want := range map[string]uint32{"socket:[77]": 77, "socket:[4294967296]": 0, "pipe:[77]": 0, "/dev/null": 0} {
		if got, ok := parseSocket(name); ok != (want != 0) || (ok && got != want) {
			t.Errorf("parseSocket(%q) = %d, %v", name, got, ok)
		}
	}
}

// answer is a struct inet_diag_msg with the attributes behind it.
func answer(family uint8, attrs ...[]byte) []byte {
	b := make([]byte, messageSize)
	b[0], b[1] = family, byte(StateEstablished)
	binary.BigEndian.PutUint16(b[4:], 80)
	binary.BigEndian.PutUint16(b[6:], 4000)
	copy(b[8:], []byte{10, 0, 0, 1})
	copy(b[24:], []byte{10, 0, 0, 2})
	binary.NativeEndian.PutUint32(b[44:], 5)
	binary.NativeEndian.PutUint32(b[48:], 1)
	binary.NativeEndian.PutUint32(b[68:], 99)
	for _, a := range attrs {
		b = append(b, a...)
	}
	return b
}

func attr(kind uint16, payload []byte) []byte {
	b := make([]byte, 4, 4+len(payload)+3)
	binary.NativeEndian.PutUint16(b, uint16(4+len(payload)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	b = append(b, payload...)
	return append(b, make([]byte, -len(payload)&3)...)
}

func TestAnswersOfTheKernelAreRead(t *testing.T) {
	info := make([]byte, 240)
	binary.NativeEndian.PutUint32(info[68:], 1234)
	binary.NativeEndian.PutUint32(info[100:], 7)
	binary.NativeEndian.PutUint64(info[120:], 1<<40)
	binary.NativeEndian.PutUint64(info[128:], 42)
	base := Socket{Family: unix.AF_INET, State: StateEstablished, Local: netip.MustParseAddrPort("10.0.0.1:80"),
		Remote: netip.MustParseAddrPort("10.0.0.2:4000"), Cookie: 1<<32 | 5, Inode: 99}
	whole, old := base, base
	whole.SRTTMicros, whole.Retransmits, whole.BytesAcked, whole.BytesReceived = 1234, 7, 1<<40, 42
	old.SRTTMicros, old.Retransmits = 1234, 7
	tests := []struct {
		name string
		msg  []byte
		want Socket
		err  error
	}{
		{"no attributes", answer(unix.AF_INET), base, nil},
		{"tcp_info behind another attribute", answer(unix.AF_INET, attr(8, []byte{1}), attr(attrTCPInfo, info)), whole, nil},
		{"a shorter tcp_info of an old kernel", answer(unix.AF_INET, attr(attrTCPInfo, info[:104])), old, nil},
		{"cut message", answer(unix.AF_INET)[:70], Socket{}, errMalformed},
		{"attribute longer than the message", answer(unix.AF_INET, attr(attrTCPInfo, info)[:100]), base, errMalformed},
		{"attribute shorter than its head", answer(unix.AF_INET, []byte{1, 0, 0, 0}), base, errMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parse(tt.msg); got.String() != tt.want.String() || err != tt.err {
				t.Errorf("got  %v %v\nwant %v %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func FuzzParseReadsOnlyItsMessage(f *testing.F) {
	f.Add(answer(unix.AF_INET, attr(attrTCPInfo, make([]byte, 240))))
	f.Add(answer(unix.AF_INET6, attr(8, []byte{1, 2, 3})))
	f.Fuzz(func(t *testing.T, msg []byte) {
		whole, err := parse(msg)
		if (len(msg) < messageSize) && err == nil {
			t.Error("a short message is accepted")
		}
		// What follows in memory must not matter.
		again, err2 := parse(append(slices.Clip(slices.Clone(msg)), 0xff)[:len(msg)])
		if whole.String() != again.String() || err != err2 {
			t.Errorf("%v %v, then %v %v", whole, err, again, err2)
		}
		if whole.Local.Addr().Is4In6() || whole.Remote.Addr().Is4In6() {
			t.Errorf("mapped address in %v", whole)
		}
	})
}

// 500 processes with 20 descriptors each, as on a node that is full: what listing costs, and what of it the holders.
func BenchmarkSocketsAmong500Processes(b *testing.B) {
	const processes, descriptors = 500, 20
	sleep := "/bin/sleep"
	files := make([]*os.File, descriptors)
	for i := range files {
		files[i] = must(must(listenTCP("tcp4", "127.0.0.1:0")).File())
		defer files[i].Close()
	}
	for range processes {
		p, err := os.StartProcess(sleep, []string{"sleep", "300"}, &os.ProcAttr{Files: files})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = p.Kill(); _, _ = p.Wait() }()
	}
	for name, opts := range map[string]Options{"sockets": {}, "sockets+pids": {PIDs: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sockets(b.Context(), opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestPathThatMeansAnotherNamespaceIsNotEntered(t *testing.T) {
	if err := onOwnThread(func() error { return enter(NetNS{SelfNetNS() + 1, "/proc/self/ns/net"}) }); err != fs.ErrNotExist {
		t.Errorf("got %v", err)
	}
}
