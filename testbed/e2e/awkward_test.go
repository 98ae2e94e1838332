// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/rawclient"
	"sonde/testbed/e2e/harness"
)

// awkward is 50 exchanges of one kind. perform sends them and adds what it sent to want.
type awkward struct {
	name    string
	perform func(t *testing.T, addr string, want harness.Counts)
}

const (
	exchanges = 50
	gap       = 10 * time.Millisecond
)

func dial(t *testing.T, addr string) *rawclient.Conn {
	t.Helper()
	c, err := rawclient.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answered reads one answer and counts the exchange.
func answered(t *testing.T, c *rawclient.Conn, want harness.Counts, method, path string, status int) {
	t.Helper()
	got, err := c.Read(method)
	if err != nil || got != status {
		t.Fatalf("%s %.40s: status %d, want %d: %v", method, path, got, status, err)
	}
	want.Add(method, path, status, 1)
}

// onOneConnection makes a case of an exchange that is repeated on one keep-alive connection.
func onOneConnection(name string, exchange func(t *testing.T, c *rawclient.Conn, want harness.Counts, i int)) awkward {
	return awkward{name, func(t *testing.T, addr string, want harness.Counts) {
		c := dial(t, addr)
		defer c.Close()
		for i := range exchanges {
			exchange(t, c, want, i)
		}
	}}
}

func write(t *testing.T, c *rawclient.Conn, gap time.Duration, pieces ...string) {
	t.Helper()
	if err := c.Write(gap, pieces...); err != nil {
		t.Fatal(err)
	}
}

// splitAt cuts the head of GET /any/split after n bytes.
func splitAt(n int) func(*testing.T, *rawclient.Conn, harness.Counts, int) {
	return func(t *testing.T, c *rawclient.Conn, want harness.Counts, _ int) {
		r := rawclient.Request("GET", "/any/split")
		write(t, c, gap, r[:n], r[n:])
		answered(t, c, want, "GET", "/any/split", 200)
	}
}

func postPieces(cut func(head, body string) []string) func(*testing.T, *rawclient.Conn, harness.Counts, int) {
	return func(t *testing.T, c *rawclient.Conn, want harness.Counts, _ int) {
		head, body := rawclient.Post("/echo", 3000)
		write(t, c, 2*time.Millisecond, cut(head, body)...)
		answered(t, c, want, "POST", "/echo", 200)
	}
}

func pipelined(t *testing.T, addr string, want harness.Counts) {
	c := dial(t, addr)
	defer c.Close()
	for i := range exchanges / 5 {
		var all strings.Builder
		for j := range 5 {
			all.WriteString(rawclient.Request("GET", fmt.Sprintf("/any/pipe/%d/%d", i, j)))
		}
		write(t, c, 0, all.String())
		for j := range 5 {
			answered(t, c, want, "GET", fmt.Sprintf("/any/pipe/%d/%d", i, j), 200)
		}
	}
}

// firstByteAlone sends the first byte of each request together with the one before.
func firstByteAlone(t *testing.T, addr string, want harness.Counts) {
	c := dial(t, addr)
	defer c.Close()
	write(t, c, 0, "G")
	for i := range exchanges {
		path := fmt.Sprintf("/any/first/%d", i)
		next := "G"
		if i == exchanges-1 {
			next = ""
		}
		time.Sleep(2 * time.Millisecond)
		write(t, c, 0, rawclient.Request("GET", path)[1:]+next)
		answered(t, c, want, "GET", path, 200)
	}
}

func connectionEach(t *testing.T, addr string, want harness.Counts) {
	for i := range exchanges {
		c := dial(t, addr)
		path := fmt.Sprintf("/any/new/%d", i)
		write(t, c, 0, rawclient.Request("GET", path))
		answered(t, c, want, "GET", path, 200)
		_ = c.Close()
	}
}

func optionsAndHead(t *testing.T, c *rawclient.Conn, want harness.Counts, i int) {
	method := []string{"OPTIONS", "HEAD"}[i%2]
	write(t, c, 0, rawclient.Request(method, "/ok"))
	answered(t, c, want, method, "/ok", 200)
}

func optionsAndHeadInOneWrite(t *testing.T, addr string, want harness.Counts) {
	c := dial(t, addr)
	defer c.Close()
	for range exchanges / 2 {
		write(t, c, 0, rawclient.Request("OPTIONS", "/ok")+rawclient.Request("HEAD", "/ok"))
		answered(t, c, want, "OPTIONS", "/ok", 200)
		answered(t, c, want, "HEAD", "/ok", 200)
	}
}

func longPath(t *testing.T, c *rawclient.Conn, want harness.Counts, i int) {
	path := fmt.Sprintf("/any/%d/%s", i, strings.Repeat("long/", 400))
	write(t, c, 0, rawclient.Request("GET", path, "X-After: path"))
	answered(t, c, want, "GET", path, 200)
}

func failing(t *testing.T, c *rawclient.Conn, want harness.Counts, i int) {
	status := []int{404, 500}[i%2]
	path := fmt.Sprintf("/status/%d", status)
	write(t, c, 0, rawclient.Request("GET", path))
	answered(t, c, want, "GET", path, status)
}

func slow(t *testing.T, c *rawclient.Conn, want harness.Counts, _ int) {
	write(t, c, 0, rawclient.Request("GET", "/sleep/20"))
	answered(t, c, want, "GET", "/sleep/20", 200)
}

// expectContinue waits for the interim answer before the body, which is not an answer of its own (RFC 9110 15.2.1).
func expectContinue(t *testing.T, c *rawclient.Conn, want harness.Counts, _ int) {
	_, body := rawclient.Post("/echo", 500)
	write(t, c, 0, rawclient.Request("POST", "/echo", "Content-Length: 500", "Expect: 100-continue"))
	if got, err := c.Read("POST"); err != nil || got != 100 {
		t.Fatalf("interim answer: status %d: %v", got, err)
	}
	write(t, c, 0, body)
	answered(t, c, want, "POST", "/echo", 200)
}

var awkwardCases = []awkward{
	{"pipelined 5 per write", pipelined},
	onOneConnection("head split inside the method", splitAt(2)),
	onOneConnection("head split inside the path", splitAt(8)),
	onOneConnection("head split before the empty line", splitAt(len(rawclient.Request("GET", "/any/split"))-2)),
	{"first byte of the next request alone", firstByteAlone},
	onOneConnection("POST in one write", postPieces(func(head, body string) []string { return []string{head + body} })),
	onOneConnection("POST with head and body apart", postPieces(func(head, body string) []string { return []string{head, body} })),
	onOneConnection("POST with the body in several writes", postPieces(func(head, body string) []string {
		return []string{head + body[:10], body[10:1000], body[1000:2900], body[2900:]}
	})),
	onOneConnection("POST waits for 100", expectContinue),
	onOneConnection("OPTIONS and HEAD back to back", optionsAndHead),
	{"OPTIONS and HEAD in one write", optionsAndHeadInOneWrite},
	{"a new connection per request", connectionEach},
	onOneConnection("2 kB paths", longPath),
	onOneConnection("404 and 500 mixed", failing),
	onOneConnection("20 ms handlers", slow),
}

func TestAwkwardExchangesAreAllRight(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Node, apps.Nginx} {
		s := l.server(t, kind, "127.0.0.1")
		for _, c := range awkwardCases {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				ob := l.observe(t, s.Port)
				want := harness.Counts{}
				c.perform(t, s.Addr, want)
				ob.expect(want)
			})
		}
	}
}

func TestClientThatLeavesBeforeTheAnswerIsIncomplete(t *testing.T) {
	l := newLab(t)
	for _, kind := range []apps.Kind{apps.Go, apps.Node, apps.Nginx} {
		s := l.server(t, kind, "127.0.0.1")
		for name, leave := range map[string]func(*rawclient.Conn) error{"by FIN": (*rawclient.Conn).Close, "by RST": (*rawclient.Conn).Abort} {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				ob := l.observe(t, s.Port)
				for range exchanges {
					c := dial(t, s.Addr)
					write(t, c, 0, rawclient.Request("GET", "/sleep/200"))
					time.Sleep(20 * time.Millisecond)
					if err := leave(c); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(400 * time.Millisecond) // the last handlers wake up and answer nobody
				checkAbandoned(t, ob.finish(2*exchanges))
			})
		}
	}
}

// checkAbandoned ignores the status: a server may have written an answer that nobody took, and either view of that is true.
func checkAbandoned(t *testing.T, events []harness.Event) {
	got := map[string]int{}
	for i := range events {
		e := &events[i]
		if e.Type == "request" {
			got[fmt.Sprintf("%s %s %s %s", e.Role, e.Attributes.Method, e.Attributes.Path, e.Outcome)]++
		}
		if e.Type == "request" && e.Outcome == "incomplete" && e.Reason == "" {
			t.Errorf("no reason: %v", e)
		}
	}
	for _, role := range []string{"client", "server"} {
		if n := got[role+" GET /sleep/200 incomplete"]; n != exchanges {
			t.Errorf("%s: %d incomplete, want %d; all: %v", role, n, exchanges, got)
		}
	}
	if len(got) > 2 {
		t.Errorf("other requests than the abandoned ones: %v", got)
	}
}
