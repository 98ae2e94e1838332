// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/testbed/apps"
	"sonde/testbed/apps/nginx"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// tolerance is how far sonde and the client may differ on one request.
const tolerance = 2 * time.Millisecond

func TestDurationsAgreeWithAServerThatSleeps(t *testing.T) {
	l := newLab(t)
	for _, kind := range apps.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			ob := l.observe(t, s.Port)
			c := dialStamped(t, s.Addr)
			measured := make([]time.Duration, 40)
			for i := range measured {
				end := "ok\n"
				if kind == apps.Nginx {
					end = "0\r\n\r\n" // the echo module sends chunks
				}
				measured[i] = c.exchange(t, rawclient.Request("GET", "/sleep/50"), end)
			}
			events := ob.finish(2 * len(measured))
			for _, role := range []string{"client", "server"} {
				compareDurations(t, role, measured, inOrder(events, role))
			}
		})
	}
}

// inOrder returns the durations of the requests of one role by the time of their first byte.
func inOrder(events []harness.Event, role string) []time.Duration {
	var part []harness.Event
	for _, e := range events {
		if e.Type == "request" && e.Role == role {
			part = append(part, e)
		}
	}
	slices.SortFunc(part, func(a, b harness.Event) int { return a.Time.Compare(b.Time) })
	var ds []time.Duration
	for _, e := range part {
		ds = append(ds, e.Duration())
	}
	return ds
}

func compareDurations(t *testing.T, role string, client, sonde []time.Duration) {
	t.Helper()
	if len(client) != len(sonde) {
		t.Errorf("%s: %d durations, want %d", role, len(sonde), len(client))
		return
	}
	var diffs []time.Duration
	for i := range client {
		d := client[i] - sonde[i]
		diffs = append(diffs, d)
		if d > tolerance || d < -tolerance {
			t.Errorf("%s request %d: client measured %v, sonde %v", role, i, client[i], sonde[i])
		}
	}
	slices.Sort(diffs)
	slices.Sort(sonde)
	q := func(ds []time.Duration, n int) time.Duration { return ds[min(len(ds)-1, len(ds)*n/100)] }
	t.Logf("%s: sonde min %v median %v p90 %v max %v; client - sonde min %v median %v p90 %v max %v", role,
		q(sonde, 0), q(sonde, 50), q(sonde, 90), q(sonde, 100), q(diffs, 0), q(diffs, 50), q(diffs, 90), q(diffs, 100))
	if q(sonde, 50) < 50*time.Millisecond || q(sonde, 50) > 52*time.Millisecond {
		t.Errorf("%s: the median of a 50 ms handler is %v", role, q(sonde, 50))
	}
}

// stamped is a connection whose answers carry the time at which the kernel received them. On a busy machine a client reads its own
// clock some milliseconds after its answer came; the kernel's stamp is the client's view without that noise.
type stamped struct{ fd int }

func dialStamped(t *testing.T, addr string) stamped {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	err = errors.Join(unix.Connect(fd, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err != nil {
		t.Fatal(err)
	}
	return stamped{fd}
}

// exchange sends a request and returns the time from the write to the arrival of the last byte of the answer, which ends with end.
func (s stamped) exchange(t *testing.T, request, end string) time.Duration {
	t.Helper()
	begun := time.Now()
	if _, err := unix.Write(s.fd, []byte(request)); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	buf, control := make([]byte, 4096), make([]byte, 128)
	for {
		n, oobn, _, _, err := unix.Recvmsg(s.fd, buf, control, 0)
		if err != nil || n == 0 {
			t.Fatalf("read: %d bytes, %v", n, err)
		}
		if answer = append(answer, buf[:n]...); strings.HasSuffix(string(answer), end) {
			return arrival(t, control[:oobn]).Sub(begun)
		}
	}
}

func arrival(t *testing.T, control []byte) time.Time {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 || messages[0].Header.Type != unix.SCM_TIMESTAMPNS {
		t.Fatalf("no time stamp in %v: %v", messages, err)
	}
	d := messages[0].Data
	return time.Unix(int64(binary.NativeEndian.Uint64(d)), int64(binary.NativeEndian.Uint64(d[8:])))
}

// TestSlowDownloadLastsAsLongAsItsReader reads 200 MB, which nginx sends by sendfile, over about a second and a half. The reader's
// receive buffer is small: bytes that wait in a large one have arrived and are not read, and the two durations are then different
// things.
func TestSlowDownloadLastsAsLongAsItsReader(t *testing.T) {
	l := newLab(t)
	const size = 200 << 20
	s, err := l.StartNginx(nginx.Config{BigFile: size}, "127.0.0.1")
	started(t, s, err)
	ob := l.observe(t, s.Port)
	total, took := readSlowly(t, s.Addr, size)
	if total < size {
		t.Fatalf("read %d of %d bytes", total, size)
	}
	want := harness.Counts{}
	want.Add("GET", "/big", 200, 1)
	for _, e := range ob.expect(want) {
		if e.Type != "request" {
			continue
		}
		ratio := float64(e.Duration()) / float64(took)
		t.Logf("%s: sonde %v, reader %v, ratio %.3f, %d of %d bytes", e.Role, e.Duration(), took, ratio, e.ResponseBytes, total)
		if ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s: sonde says %v, the reader needed %v", e.Role, e.Duration(), took)
		}
		if e.ResponseBytes != uint64(total) {
			t.Errorf("%s: %d bytes, the reader got %d", e.Role, e.ResponseBytes, total)
		}
	}
}

// readSlowly fetches /big at a pace that makes it last a second and a half, and returns the bytes of the whole answer.
func readSlowly(t *testing.T, addr string, size int) (int, time.Duration) {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20) })
	}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begun := time.Now()
	if _, err := io.WriteString(c, rawclient.Request("GET", "/big", "Connection: close")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	total := 0
	for {
		n, err := io.ReadFull(c, buf)
		total += n
		if err != nil {
			return total, time.Since(begun)
		}
		time.Sleep(time.Until(begun.Add(time.Duration(float64(total) / float64(size) * 1.5 * float64(time.Second)))))
	}
}
