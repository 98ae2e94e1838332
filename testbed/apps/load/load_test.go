// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// tally counts what reached the server, the other side of the client's own count.
type tally struct {
	mu     sync.Mutex
	served map[string]int
}

func (s *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	code := 200
	_, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &code)
	s.mu.Lock()
	s.served[fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, code)]++
	s.mu.Unlock()
	w.WriteHeader(code)
	if code == 200 {
		_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		w.(http.Flusher).Flush() // forces chunked coding
		_, _ = io.WriteString(w, "end")
	}
}

func TestRunCountsWhatTheServerServed(t *testing.T) {
	s := &tally{served: map[string]int{}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	mix := []Exchange{{"GET", "/ok", 0}, {"HEAD", "/ok", 0}, {"POST", "/echo", 3000}, {"GET", "/status/404", 0}, {"GET", "/status/204", 0}}
	got, err := Run(Config{Addr: srv.Listener.Addr().String(), Conns: 7, Requests: 1003, Mix: mix})
	if err != nil {
		t.Fatal(err)
	}
	if got.Total != 1003 || fmt.Sprint(got.Sent) != fmt.Sprint(s.served) {
		t.Errorf("client counted %d: %v\nserver counted %v", got.Total, got.Sent, s.served)
	}
}

func TestRunAtFixedRateCountsLatencyFromTheDueTime(t *testing.T) {
	stall := 100 * time.Millisecond
	first := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if first {
			first = false
			time.Sleep(stall)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer srv.Close()
	got, err := Run(Config{Addr: srv.Listener.Addr().String(), Conns: 1, Requests: 40, Rate: 1000, Mix: []Exchange{{"GET", "/", 0}}})
	if err != nil {
		t.Fatal(err)
	}
	// All 40 were due within the stall, so the median request waited for most of it although its own exchange was short.
	if got.P50 < stall/2 {
		t.Errorf("median latency %v does not show the stall of %v", got.P50, stall)
	}
}

func TestResponseEndsWhereverTheBytesAreSplit(t *testing.T) {
	for name, wire := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
		"empty":   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\nhello world\r\n0\r\n\r\n",
		"204":     "HTTP/1.1 204 No Content\r\n\r\n",
	} {
		for size := 1; size <= len(wire); size++ {
			var r response
			for at := 0; at < len(wire); at += size {
				end := min(len(wire), at+size)
				done, err := r.feed([]byte(wire[at:end]), "GET")
				if err != nil || done != (end == len(wire)) {
					t.Fatalf("%s in pieces of %d: done %v at %d of %d: %v", name, size, done, end, len(wire), err)
				}
			}
		}
	}
}
