// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// residentLimit is well above the budget of design.md section 6: it catches what grows without bound, not what is fat.
const residentLimit = 150 << 20

// undisturbed runs hostile traffic while a well-behaved client uses another server, whose requests must all be right and
// sonde small and alive. It returns the events of hostilePort.
func undisturbed(t *testing.T, l *lab, hostilePort int, hostile func()) []harness.Event {
	t.Helper()
	s := l.server(t, apps.Go, "127.0.0.1")
	ob := l.observe(t, s.Port, hostilePort)
	c := l.client(t, apps.GoClient, s)
	want := harness.Counts{}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { hostile(); close(done) })
	for ended := false; !ended; {
		send(t, c, plan("good"), want)
		select {
		case <-done:
			ended = true
		default:
		}
	}
	wg.Wait()
	_ = c.Close()
	ob.Await(want.Total(), func(e *harness.Event) bool { return e.Type == "request" && e.Server.Port == s.Port })
	rss, err := harness.ResidentBytes(ob.PID())
	if err != nil || rss > residentLimit {
		t.Errorf("sonde uses %d MB: %v", rss>>20, err)
	}
	t.Logf("sonde uses %d MB", rss>>20)
	var good, bad []harness.Event
	for _, e := range ob.end() {
		if e.Server.Port == s.Port || e.Type == "lost" {
			good = append(good, e)
		} else {
			bad = append(bad, e)
		}
	}
	compare(t, want, good)
	return bad
}

func TestGarbageIsNoRequest(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go echoForever(ln)
	random := rand.New(rand.NewPCG(1, 2))
	bad := undisturbed(t, l, ln.Addr().(*net.TCPAddr).Port, func() {
		for i := range 200 {
			sendGarbage(t, ln.Addr().String(), random, i)
		}
	})
	for i := range bad {
		// A whole request line was sent under this path; what came behind it ends it without an answer.
		e := &bad[i]
		if e.Type == "request" && (e.Attributes.Path != "/x" || e.Outcome != "incomplete") {
			t.Errorf("garbage became %q", e.String())
		}
	}
}

func echoForever(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
}

// sendGarbage sends random bytes, and every second time bytes that begin like HTTP and go on like nothing.
func sendGarbage(t *testing.T, addr string, random *rand.Rand, i int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for range 5 {
		b := make([]byte, random.IntN(5000))
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		if i%2 == 1 {
			b = append([]byte([]string{"GET ", "HTTP/1.1 ", "POST /x HTTP/9.9\r\n", "GETGETGET", "GET / HTTQ/1.1\r\n\r\n"}[i%5]), b...)
		}
		if len(b) == 0 {
			continue
		}
		_, _ = c.Write(b)
		_, _ = io.ReadFull(c, b)
	}
}

func TestMegabyteOfHeadersIsOneRequest(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Node, apps.Nginx} {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			status := 0
			bad := undisturbed(t, l, s.Port, func() {
				c := dial(t, s.Addr)
				defer c.Close()
				// The server answers and leaves long before the end, so the write may fail.
				_ = c.Write(0, "GET /any/huge HTTP/1.1\r\nHost: testbed\r\n", strings.Repeat("X-Filler: "+strings.Repeat("f", 1000)+"\r\n", 1000), "\r\n")
				status, _ = c.Read("GET")
			})
			roles := map[string]int{}
			for i := range bad {
				e := &bad[i]
				if e.Type != "request" {
					continue
				}
				t.Log(e)
				roles[e.Role]++
				if e.Attributes.Method != "GET" || e.Attributes.Path != "/any/huge" {
					t.Errorf("wrong request: %v", e)
				}
				if e.Attributes.Status != 0 && status != 0 && e.Attributes.Status != status {
					t.Errorf("status %d, the client got %d", e.Attributes.Status, status)
				}
			}
			if roles["client"] != 1 || roles["server"] != 1 {
				t.Errorf("one request was sent, reported %v", roles)
			}
		})
	}
}

// TestTenThousandConnectionsASecond opens and closes them for three seconds. Several addresses, because each pair of addresses
// has only 28,000 ports and a closed connection keeps its port for a minute.
func TestTenThousandConnectionsASecondDisturbNothing(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	port := ln.Addr().(*net.TCPAddr).Port
	const rate, seconds = 10_000, 3
	begun := time.Now()
	var opened atomic.Int64
	bad := undisturbed(t, l, port, func() {
		begun = time.Now()
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() { openAndClose(worker, 4, port, rate*seconds, rate, begun, &opened) })
		}
		wg.Wait()
		t.Logf("%d connections in %v", opened.Load(), time.Since(begun))
	})
	flows := map[string]int{}
	for i := range bad {
		if e := &bad[i]; e.Type == "flow" && e.View == "socket" {
			flows[e.Role+" "+e.State]++
		}
		if bad[i].Type == "request" {
			t.Errorf("a request where none was sent: %v", &bad[i])
		}
	}
	t.Logf("flows %v", flows)
	for _, role := range []string{"client", "server"} {
		n := 0
		for k, v := range flows {
			if strings.HasPrefix(k, role) {
				n += v
			}
		}
		if n != int(opened.Load()) {
			t.Errorf("%s: %d flows of %d connections", role, n, opened.Load())
		}
	}
}

func openAndClose(worker, workers, port, n, rate int, begun time.Time, opened *atomic.Int64) {
	limit := begun.Add(15 * time.Second)
	for i := worker; i < n && time.Now().Before(limit); i += workers {
		if i%50 == worker {
			time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.%d:%d", 2+i%8, port))
		if err != nil {
			continue
		}
		opened.Add(1)
		_ = c.Close()
	}
}

func TestProcessThatExitsMidRequestLeavesItIncomplete(t *testing.T) {
	l := newLab(t)
	for _, dies := range []string{"client", "server"} {
		t.Run(dies, func(t *testing.T) {
			const n = 5
			s := l.server(t, apps.Go, "127.0.0.1")
			bad := undisturbed(t, l, s.Port, func() { exitMidRequest(t, l, s, dies, n) })
			got := map[string]int{}
			for i := range bad {
				if e := &bad[i]; e.Type == "request" {
					got[e.Role+" "+e.Attributes.Path+" "+e.Outcome]++
				}
			}
			if got["client /sleep/3000 incomplete"] != n || got["server /sleep/3000 incomplete"] != n || len(got) != 2 {
				t.Errorf("%d requests were cut off, reported %v", n, got)
			}
		})
	}
}

// exitMidRequest begins n requests from n processes and kills either all of those or the server.
func exitMidRequest(t *testing.T, l *lab, s *apps.Server, dies string, n int) {
	var wg sync.WaitGroup
	for range n {
		c, err := l.StartClient(apps.PythonClient, s.URL())
		if err != nil {
			t.Error(err)
			return
		}
		wg.Go(func() { _, _ = c.Do("GET", "/sleep/3000", 0) })
		if dies == "client" {
			time.Sleep(time.Second) // the interpreter starts and sends, on a busy machine too
			c.Kill()
		}
	}
	if dies == "server" {
		time.Sleep(500 * time.Millisecond)
		s.Kill()
	} else {
		time.Sleep(3200 * time.Millisecond)
	}
	wg.Wait()
}

// TestGarbageToAServerIsNothingWorse sends garbage to a real server, which answers 400: sonde may report that answer or not, but
// nothing that was not there, and the requests before it are right.
func TestGarbageToAServerIsNothingWorse(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Node, apps.Nginx} {
		t.Run(string(kind), func(t *testing.T) {
			s := l.server(t, kind, "127.0.0.1")
			bad := undisturbed(t, l, s.Port, func() {
				for i := range 20 {
					c := dial(t, s.Addr)
					path := fmt.Sprintf("/any/before/%d", i)
					if _, err := c.Exchange("GET", 0, rawclient.Request("GET", path)); err != nil {
						t.Error(err)
					}
					_ = c.Write(0, "\x16\x03\x01\x02\x00\x01\x00\xff garbage \x00\r\n\r\n")
					_, _ = c.Read("GET")
					_ = c.Close()
				}
			})
			right := map[string]int{}
			for i := range bad {
				e := &bad[i]
				switch {
				case e.Type != "request":
				case strings.HasPrefix(e.Attributes.Path, "/any/before/") && e.Attributes.Status == 200 && e.Outcome == "ok":
					right[e.Role]++
				case e.Attributes.Status == 400 && e.Attributes.Path == "":
				default:
					t.Errorf("never sent: %v", e)
				}
			}
			if right["client"] != 20 || right["server"] != 20 {
				t.Errorf("20 requests before the garbage, reported %v", right)
			}
		})
	}
}
