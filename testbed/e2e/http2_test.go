// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/testbed/apps"
	"sonde/testbed/apps/nginx"
	"sonde/testbed/e2e/harness"
)

// together puts a program on the first CPU that this one may use. On a loopback whose two ends run on two CPUs TCP puts segments
// out of order, and frames in large ones that come too early are not copied: that is for a test of its own.
func together(t *testing.T) []string {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !set.IsSet(first) {
		first++
	}
	return []string{"taskset", "-c", strconv.Itoa(first)}
}

// eachHTTP2Server runs a test for every server that speaks HTTP/2 without TLS, started through wrap. nginx takes no part over
// IPv6: it refuses what h2load calls an authority there.
func eachHTTP2Server(t *testing.T, wrap []string, test func(t *testing.T, l *lab, s *apps.Server)) {
	l := newLab(t)
	kit := l.Wrapped(wrap...)
	for _, host := range hosts {
		t.Run("go "+host, func(t *testing.T) {
			s, err := kit.StartH2C(host)
			test(t, l, started(t, s, err))
		})
	}
	t.Run("nginx", func(t *testing.T) {
		s, err := kit.StartNginx(nginx.Config{HTTP2: true}, "127.0.0.1")
		test(t, l, started(t, s, err))
	})
}

// loaded is what h2load says of a run.
var loaded = regexp.MustCompile(`requests: (\d+) total, \d+ started, (\d+) done`)

// h2load, started through wrap, sends n requests, which go round the paths on each connection. The test fails where one has no
// answer.
func h2load(t testing.TB, wrap []string, s *apps.Server, n, conns, streams int, paths []string, more ...string) {
	t.Helper()
	args := append(slices.Clone(wrap), "h2load", "-n", strconv.Itoa(n), "-c", strconv.Itoa(conns), "-m", strconv.Itoa(streams))
	args = append(args, more...)
	for _, p := range paths {
		args = append(args, s.URL()+p)
	}
	out := run(t, args[0], args[1:]...)
	want := fmt.Sprintf("%d total, %d done", n, n)
	if m := loaded.FindStringSubmatch(out); m == nil || m[1]+" total, "+m[2]+" done" != want {
		t.Fatalf("h2load: want %s\n%s", want, out)
	}
}

func TestEveryRequestOfHTTP2IsSeenAtBothEnds(t *testing.T) {
	wrap := together(t)
	eachHTTP2Server(t, wrap, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
		want := harness.Counts{}
		for _, conns := range []int{1, 10} {
			for _, streams := range []int{1, 8, 100} {
				own := fmt.Sprintf("/any/%d/%d", conns, streams)
				each := 1000 // a multiple of the connections: each goes round the paths by itself
				if streams == 1 {
					each = 100 // nginx waits for an acknowledgement in the middle of some answers
				}
				h2load(t, wrap, s, 4*each, conns, streams, []string{own, "/ok", "/status/404", "/bytes/1024"})
				want.Add("GET", own, 200, each)
				want.Add("GET", "/ok", 200, each)
				want.Add("GET", "/status/404", 404, each)
				want.Add("GET", "/bytes/1024", 200, each)
			}
		}
		named(t, ob.expect(want), s.Name())
	})
}

func TestLargeBodiesOfHTTP2AreCounted(t *testing.T) {
	const size = 1 << 20
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, bytes.Repeat([]byte("\x00\x00\x04\x01"), size/4), 0o644); err != nil { // looks like frames
		t.Fatal(err)
	}
	wrap := together(t)
	eachHTTP2Server(t, wrap, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observe(t, s.Port)
		h2load(t, wrap, s, 100, 2, 8, []string{fmt.Sprintf("/bytes/%d", size)})
		h2load(t, wrap, s, 40, 2, 4, []string{"/echo"}, "-d", body)
		want := harness.Counts{}
		want.Add("GET", fmt.Sprintf("/bytes/%d", size), 200, 100)
		want.Add("POST", "/echo", 200, 40)
		for _, e := range ob.expect(want) {
			if e.Type != "request" {
				continue
			}
			n := e.ResponseBytes
			if e.Attributes.Method == "POST" {
				n = e.RequestBytes
			}
			if n < size || n > size+size/50 { // nine bytes for each frame, which may be as small as what a window leaves
				t.Errorf("%d bytes of %d: %v", n, size, &e)
			}
		}
	})
}

// TestSegmentsOutOfOrderHideFramesButChangeNothing uses both CPUs at the pace of memory. What TCP reorders may hide the end of an
// answer at the end that receives it: then the request is incomplete, never another one's answer, and there are few of them.
func TestSegmentsOutOfOrderHideFramesButChangeNothing(t *testing.T) {
	const n = 600
	path := fmt.Sprintf("/bytes/%d", 1<<20)
	eachHTTP2Server(t, nil, func(t *testing.T, l *lab, s *apps.Server) {
		ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
		h2load(t, nil, s, n, 4, 8, []string{path, "/status/404"})
		got := harness.CountBy(ob.finish(2*n), "http.request.method")
		t.Logf("%v", got)
		for _, role := range []string{"client", "server"} {
			hidden := got[role+" incomplete/lost"] + got[role+" incomplete/status_unknown"]
			other := got[role+" ok"] + got[role+" error"]
			if hidden+other != n || hidden > n/10 {
				t.Errorf("%s: of %d requests %d are complete and %d lost: %v", role, n, other, hidden, got)
			}
		}
	})
}

// TestRequestsOfOlderHTTP2Connections joins busy connections in the middle, where frames have to be found first and tables of
// fields are not known. Nothing may be wrong.
func TestRequestsOfOlderHTTP2ConnectionsAreRightOrUnknown(t *testing.T) {
	statuses := map[string]int{"/ok": 200, "/status/404": 404, "/bytes/10000": 200, "": 0}
	eachHTTP2Server(t, nil, func(t *testing.T, l *lab, s *apps.Server) {
		load := exec.Command("h2load", "-D", "120", "-c", "4", "-m", "16", s.URL()+"/ok", s.URL()+"/status/404", s.URL()+"/bytes/10000")
		if err := load.Start(); err != nil {
			t.Fatal(err)
		}
		stop := sync.OnceFunc(func() { _ = load.Process.Kill(); _ = load.Wait() })
		defer stop()
		time.Sleep(200 * time.Millisecond)
		ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, s.Port)
		time.Sleep(400 * time.Millisecond)
		stop()
		time.Sleep(500 * time.Millisecond)
		got := harness.Tally{}
		wrong := 0
		for _, e := range ob.end() {
			if e.Type != "request" {
				continue
			}
			a := &e.Attributes
			got[e.Role+" "+e.Outcome]++
			status, known := statuses[a.Path]
			if !known || a.Status != 0 && status != 0 && a.Status != status || a.Method != "" && a.Method != "GET" || a.Status == 0 && e.Outcome != "incomplete" {
				if wrong++; wrong < 10 {
					t.Errorf("never sent: %v", &e)
				}
			}
		}
		t.Logf("%v", got)
		for _, role := range []string{"client", "server"} {
			if n := got[role+" ok"]; n < 100 {
				t.Errorf("%s: %d complete requests", role, n)
			}
		}
	})
}

// h2spec builds the conformance test of that name, which sends every server what no client should.
func (l *lab) h2spec(t *testing.T) string {
	t.Helper()
	bin := l.Path("h2spec")
	cmd := exec.Command("go", "install", "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")
	cmd.Env = append(os.Environ(), "GOBIN="+filepath.Dir(bin), "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("h2spec cannot be had: %v\n%s", err, out)
	}
	return bin
}

// spareLimit is what sonde may use while one client is hostile.
const spareLimit = 100 << 20

func TestHostileHTTP2DisturbsNobody(t *testing.T) {
	l := newLab(t)
	bin := l.h2spec(t)
	s, err := l.StartH2C("127.0.0.1")
	started(t, s, err)
	ob := l.observe(t, s.Port)
	want := harness.Counts{}
	done := make(chan string, 1)
	go func() { // ends with an error where the server does not do what it should, which is not the question here
		out, _ := exec.Command(bin, "-p", strconv.Itoa(s.Port), "-o", "1", "-P", "/any/hostile").CombinedOutput()
		done <- string(out)
	}()
	said := ""
	for said == "" {
		h2load(t, nil, s, 400, 4, 10, []string{"/any/good", "/status/404"})
		want.Add("GET", "/any/good", 200, 200)
		want.Add("GET", "/status/404", 404, 200)
		select {
		case said = <-done:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if !strings.Contains(said, "145 tests") {
		t.Errorf("h2spec did not run its 145 tests: %.500s", said)
	}
	ob.Await(want.Total(), func(e *harness.Event) bool { return e.Type == "request" && want[kindOf(e)] > 0 })
	rss, err := harness.ResidentBytes(ob.PID())
	if err != nil || rss > spareLimit || !ob.Alive() {
		t.Errorf("sonde uses %d MB: %v", rss>>20, err)
	}
	t.Logf("%d good requests at each end, sonde uses %d MB", want.Total()/2, rss>>20)
	compareOwn(t, want, ob.end())
}

func kindOf(e *harness.Event) harness.Kind {
	return harness.Kind{Role: e.Role, Method: e.Attributes.Method, Path: e.Attributes.Path, Status: e.Attributes.Status, Outcome: e.Outcome}
}

// compareOwn compares the requests whose paths only the good client asked for. Of the hostile ones it holds that none has a
// path that was not sent.
func compareOwn(t *testing.T, want harness.Counts, events []harness.Event) {
	t.Helper()
	paths := map[string]bool{}
	for k := range want {
		paths[k.Path] = true
	}
	var own []harness.Event
	hostile := harness.Tally{}
	for i := range events {
		e := &events[i]
		switch {
		case e.Type == "lost" || paths[e.Attributes.Path]:
			own = append(own, *e)
		case e.Type == "request":
			hostile[fmt.Sprint(e.Attributes.Path, " ", e.Attributes.Status, " ", e.Outcome, " ", e.Reason)]++
			if p := e.Attributes.Path; p != "" && p != "/" && p != "/any/hostile" && e.Attributes.Status == http.StatusOK {
				t.Errorf("never sent: %v", e)
			}
		}
	}
	t.Logf("hostile: %v", hostile)
	compare(t, want, own)
}
