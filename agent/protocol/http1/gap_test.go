// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/protocol"
)

func TestSkippedBytesAreCounted(t *testing.T) {
	length1000 := "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" // 41 bytes
	runExchangeTests(t, []exchangeTest{
		{name: "in a body", steps: []step{req(getA), resp(length1000), respSkip(1000), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/1041\nGET /b 200 ok 19/38"},
		{name: "in the middle of a body", steps: []step{req(getA), resp(length1000 + "xx"), respSkip(990), resp("yyyyyyyy" + okNil), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/1041\nGET /b 200 ok 19/38"},
		{name: "in a request body", steps: []step{req("PUT /a HTTP/1.1\r\nContent-Length: 100\r\n\r\n"), reqSkip(60), reqSkip(40), resp(okNil), req(getB), resp(okHi)},
			want: "PUT /a 200 ok 140/38\nGET /b 200 ok 19/40"},
		{name: "in a chunk", steps: []step{req(getA), resp(chunk + "3e8\r\nxx"), respSkip(990), resp("yyyyyyyy\r\n0\r\n\r\n"), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/1059\nGET /b 200 ok 19/38"},
		{name: "to the end of a chunk", steps: []step{req(getA + getB), resp(chunk + "a\r\n"), respSkip(10), resp("\r\n0\r\n\r\n" + okNil)},
			want: "GET /a 200 ok 19/67\nGET /b 200 ok 19/38"},
		{name: "to the end of a chunk's line", steps: []step{req(getA + getB), resp(chunk + "a\r\n"), respSkip(12), resp("0\r\n\r\n" + okNil)},
			want: "GET /a 200 ok 19/67\nGET /b 200 ok 19/38"},
	})
}

func TestLostFramingEndsByEvidence(t *testing.T) {
	runExchangeTests(t, []exchangeTest{
		{name: "last chunk at the end of a segment", steps: []step{req(getA), resp(chunk + "3\r\n"), respSkip(100), resp("0123456\r\n0\r\n\r\n")},
			want: "GET /a 200 ok 19/164"},
		{name: "last chunk alone behind a gap", steps: []step{req(getA), resp(chunk), respSkip(100), resp("0\r\n\r\n")}, want: "GET /a 200 ok 19/152"},
		{name: "last chunk in a segment of its own", steps: []step{req(getA), resp(chunk), respSkip(100), resp("0123456789abcd\r\n"), resp("0\r\n\r\n")},
			want: "GET /a 200 ok 19/168"},
		{name: "a zero that is none", steps: []step{req(getA), resp(chunk), respSkip(100), resp("10\r\n\r\n"), resp("xx")}, want: ""},
		{name: "a last chunk that may be that of another answer", steps: []step{req(getA + getB), resp(okHi + okHi), req(getA + getB + getC), resp(chunk), respSkip(100), resp("0123456\r\n0\r\n\r\n"), resp(no404), req(getA), resp(okNil)},
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/40\nGET /a 200 ok 19/201\nGET /b 0 incomplete lost 19/0\nGET /c 0 incomplete lost 19/0\nGET /a 200 ok 19/38"},
		{name: "a last chunk that may be that of another request",
			steps: []step{req(getA + getB), resp(okHi + okHi), req("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), reqSkip(100), req("0123456\r\n0\r\n\r\n"), req(getC), resp(okHi + no404 + okNil), req(getB), resp(okNil)},
			want:  "GET /a 200 ok 19/40\nGET /b 200 ok 19/40\nPUT /a 200 ok 180/40\nGET /b 200 ok 19/38"},
		{name: "upload in a batch whose answers cannot be told apart",
			steps: []step{req(getA + getB), resp(okHi + okHi), req(getA + "PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), reqSkip(100), resp(chunk), respSkip(100), req(getC), resp(okNil)},
			want:  "GET /a 200 ok 19/40\nGET /b 200 ok 19/40\nGET /a 200 ok 19/147\nPUT /b 0 incomplete lost 147/0\nGET /c 200 ok 19/38"},
		{name: "the end of the connection behind a batch", steps: []step{req(getA + getB), resp(chunk), respSkip(100)}, close: "connection_closed",
			want: "GET /a 200 ok 19/147\nGET /b 0 incomplete lost 19/0"},
		{name: "the next request", steps: []step{req(getA), resp(chunk), respSkip(100), resp("0123456789abcdef"), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/163\nGET /b 200 ok 19/38"},
		{name: "the end of the direction", steps: []step{req(getA), resp(chunk), respSkip(100), respEOF()}, want: "GET /a 200 ok 19/147"},
		{name: "the end of the connection", steps: []step{req(getA), resp(chunk), respSkip(100)}, close: "connection_closed", want: "GET /a 200 ok 19/147"},
		{name: "a reset", steps: []step{req(getA), resp(chunk), respSkip(100)}, close: "connection_reset", want: "GET /a 200 incomplete connection_reset 19/147"},
		{name: "the rest of an upload is not the next request",
			steps: []step{req("PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), resp(chunk), respSkip(100), req("cd"), respSkip(10), resp("\r\n0\r\n\r\n"), req(getB), resp(okNil)},
			want:  "PUT /a 200 ok 42/164\nGET /b 200 ok 19/38"},
		{name: "chunked upload ends with its last chunk", steps: []step{req("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), reqSkip(100), req("0123456\r\n0\r\n\r\n"), resp(okNil), req(getB), resp(okHi)},
			want: "PUT /a 200 ok 161/38\nGET /b 200 ok 19/40"},
		{name: "chunked upload ends with the answer", steps: []step{req("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), reqSkip(100), resp(okNil), req(getB), resp(okHi)},
			want: "PUT /a 200 ok 147/38\nGET /b 200 ok 19/40"},
	})
}

func TestTruncatedHeadKeepsWhatWasSeen(t *testing.T) {
	long := "GET /long?q HTTP/1.1\r\nHost: h\r\nCookie: " + strings.Repeat("c", 100) // 139 bytes
	runExchangeTests(t, []exchangeTest{
		{name: "request", steps: []step{req(long), reqSkip(5000), resp(okNil), req(getB), resp(okHi)},
			want: "GET /long 200 ok 5139/38 cut\nGET /b 200 ok 19/40"},
		{name: "request, in its method", steps: []step{req("GE"), reqSkip(50), resp(okNil), req(getB), resp(okHi)}, want: "GET /b 200 ok 19/40"},
		{name: "request, in its path", steps: []step{req("GET /lo"), reqSkip(50), resp(okNil), req(getB), resp(okHi)},
			want: "GET  200 ok 57/38 cut\nGET /b 200 ok 19/40"},
		{name: "request, in its query", steps: []step{req("GET /lo?x"), reqSkip(50), resp(okNil)}, want: "GET /lo 200 ok 59/38 cut"},
		{name: "request, in its version", steps: []step{req("GET /lo HTTP/"), reqSkip(50), resp(okNil)}, want: "GET /lo 200 ok 63/38 cut"},
		{name: "request whose body waits", steps: []step{req("POST /a HTTP/1.1\r\nX"), reqSkip(100), resp("HTTP/1.1 100 Go\r\n\r\n"), req(getC), resp(okNil), req(getB), resp(okHi)},
			want: "POST /a 200 ok 138/57 cut\nGET /b 200 ok 19/40"},
		{name: "response", steps: []step{req(getA), resp("HTTP/1.1 404 None\r\nSet-Cookie: x"), respSkip(5000), req(getB), resp(okHi)},
			want: "GET /a 404 ok 19/5032 cut\nGET /b 200 ok 19/40"},
		{name: "response, in its reason", steps: []step{req(getA), resp("HTTP/1.1 404 No"), respSkip(50), respEOF()}, want: "GET /a 404 ok 19/65 cut"},
		{name: "response, in its status", steps: []step{req(getA), resp("HTTP/1.1 40"), respSkip(50), req(getB), resp(okHi)},
			want: "GET /a 0 incomplete lost 19/0\nGET /b 200 ok 19/40"},
		{name: "chunked response ends with its last chunk", steps: []step{req(getA), resp(chunk[:len(chunk)-2] + "X: "), respSkip(50), resp("0123456789\r\n0\r\n\r\n"), req(getB), resp(okHi)},
			want: "GET /a 200 ok 19/115 cut\nGET /b 200 ok 19/40"},
		{name: "response without a coding goes on behind what looks like a last chunk", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\nX: "), respSkip(50), resp("0123456789\r\n0\r\n\r\n")}, want: ""},
		{name: "response to HEAD", steps: []step{req("HEAD /a HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 200 None\r\nSet-Cookie: x"), respSkip(5000), req(getB), resp(okHi)},
			want: "HEAD /a 200 ok 20/5032 cut\nGET /b 200 ok 19/40"},
		{name: "response at the end of the connection", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\nX")}, close: "connection_reset",
			want: "GET /a 200 incomplete connection_reset 19/18 cut"},
		{name: "head of 1 MB", steps: []step{req(long + strings.Repeat("c", 1<<20) + "\r\n\r\n"), resp(okNil), req(getB), resp(okHi)},
			want: "GET /long 200 ok 1048719/38 cut\nGET /b 200 ok 19/40"},
		{name: "request line of 1 MB", steps: []step{req("GET /?" + strings.Repeat("c", 1<<20) + " HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 414 Long\r\nContent-Length: 0\r\n\r\n")},
			want: "GET / 414 ok 1048595/40 cut"},
	})
}

func TestNoAnswerIsGivenToAnotherRequest(t *testing.T) {
	runExchangeTests(t, []exchangeTest{
		{name: "lost answer", steps: []step{req(getA), respSkip(40), req(getB), resp(okHi)},
			want: "GET /a 0 incomplete lost 19/0\nGET /b 200 ok 19/40"},
		{name: "lost answer with a piece of its body", steps: []step{req(getA), respSkip(40), resp("body"), req(getB), resp(okHi)},
			want: "GET /a 0 incomplete lost 19/0\nGET /b 200 ok 19/40"},
		{name: "answer behind a gap is nobody's", steps: []step{req(getA), respSkip(40), resp(okHi), req(getB), resp(okNil)},
			want: "GET /a 0 incomplete lost 19/0\nGET /b 200 ok 19/38"},
		{name: "gap over the end of a body", steps: []step{req(getA), resp(okHi[:len(okHi)-2]), respSkip(50), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/38"},
		{name: "gap over answer, request and answer", steps: []step{req(getA), resp(okHi[:len(okHi)-2]), reqSkip(19), respSkip(50), resp(okNil), req(getC), resp(no404)},
			want: "GET /a 200 ok 19/40\nGET /c 404 ok 19/40"},
		{name: "lost request", steps: []step{req(getA), resp(okHi), reqSkip(19), resp(no404), req(getC), resp(okNil)},
			want: "GET /a 200 ok 19/40\nGET /c 200 ok 19/38"},
		{name: "lost request behind a request", steps: []step{req(getA), reqSkip(19), resp(okHi + no404), req(getC), resp(okNil)},
			want: "GET /a 200 ok 19/40\nGET /c 200 ok 19/38"},
		{name: "request behind a lost one in its turn", steps: []step{reqSkip(19), req(getB), resp(okHi + no404), req(getC), resp(okNil)},
			want: "GET /c 200 ok 19/38"},
		{name: "batch lost before any batch was answered", steps: []step{req(getA + getB), respSkip(40), req(getC), resp(no404)}, close: "connection_closed",
			want: "GET /a 0 incomplete lost 19/0\nGET /b 0 incomplete lost 19/0\nGET /c 0 incomplete lost 19/0"},
		{name: "first batch of which an answer has no end", steps: []step{req(getA + getB), resp(chunk), respSkip(100), req(getC), resp(no404)}, close: "connection_closed",
			want: "GET /a 200 ok 19/147\nGET /b 0 incomplete lost 19/0\nGET /c 0 incomplete lost 19/0"},
		{name: "batch lost behind a batch", steps: []step{req(getA + getB), resp(okHi + okHi), req(getA + getB), respSkip(40), resp(okHi), req(getC), resp(no404)},
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/40\nGET /a 0 incomplete lost 19/0\nGET /b 0 incomplete lost 19/0\nGET /c 404 ok 19/40"},
		{name: "client that does not wait", steps: []step{req(getA), req(getB), resp(okHi), req(getC), resp(no404[:9]), respSkip(31), req(getA), resp(okNil), req(getB), resp(okNil)}, close: "connection_closed",
			want: "GET /a 200 ok 19/40\nGET /b 0 incomplete lost 19/0\nGET /c 0 incomplete lost 19/0\nGET /a 0 incomplete lost 19/0\nGET /b 0 incomplete lost 19/0"},
		{name: "client that does not wait, lost request", steps: []step{req(getA + getB), resp(okHi), req(getC), reqSkip(19), resp(okNil + no404 + no404), req(getA), resp(okNil)}, close: "connection_closed",
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/38\nGET /c 404 ok 19/40\nGET /a 0 incomplete lost 19/0"},
		{name: "interim answer lost with the final one to come", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n"), respSkip(25), req("xx"), resp(okHi), req(getB), resp(okNil)},
			want: "POST /a 0 incomplete lost 39/0\nGET /b 200 ok 19/38"},
	})
}

func TestConnectionIsJoinedInTheMiddle(t *testing.T) {
	tests := []exchangeTest{
		{name: "in a response", steps: []step{resp("nd of a body"), req(getA), resp(okHi)}, want: "GET /a 200 ok 19/40"},
		{name: "at a response", steps: []step{resp(okHi), req(getA), resp(no404)}, want: "GET /a 404 ok 19/40"},
		{name: "in a request", steps: []step{req("Host: h\r\n\r\n"), resp(okHi), req(getA), resp(no404)}, want: "GET /a 404 ok 19/40"},
		{name: "in a request, answered with 400", steps: []step{req("ET / HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 400 Bad\r\n\r\n")}, want: ""},
		{name: "in a response that shows a request", steps: []step{resp(getC), req(getA), resp(okHi), req(getB), resp(okHi)},
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/40"},
		{name: "at a gap", steps: []step{reqSkip(10), respSkip(10), req(getA), resp(okHi)}, want: "GET /a 200 ok 19/40"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(true)
			o.conn.Joined()
			if got := o.run(test.steps...).lines(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestPipelineIsBounded(t *testing.T) {
	var all, answers strings.Builder
	for i := range MaxQueue + 2 {
		fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\n\r\n", i)
		fmt.Fprintf(&answers, "HTTP/1.1 %d X\r\nContent-Length: 1\r\n\r\nx", 400+i)
	}
	o := observe(true).run(req(all.String()))
	if got := o.conn.Pending(); got != MaxQueue {
		t.Fatalf("%d requests wait", got)
	}
	o.run(resp(answers.String()))
	for i, r := range o.got {
		reason, status := "", 400+i
		if i < 2 {
			reason, status = "pipeline_limit", 0
		}
		if r.HTTP.Path != fmt.Sprintf("/%d", i) || r.Reason != reason || r.HTTP.Status != status {
			t.Errorf("request %d: %s", i, line(&r))
		}
	}
	if len(o.got) != MaxQueue+2 || o.conn.Pending() != 0 {
		t.Errorf("%d reported, %d wait", len(o.got), o.conn.Pending())
	}
}

func TestEndOfConnection(t *testing.T) {
	runExchangeTests(t, []exchangeTest{
		{name: "no answer", steps: []step{req(getA + getB)}, close: "agent_stopped",
			want: "GET /a 0 incomplete agent_stopped 19/0\nGET /b 0 incomplete agent_stopped 19/0"},
		{name: "client left before the answer", steps: []step{req(getA), reqEOF()}, close: "connection_closed", want: "GET /a 0 incomplete client_closed 19/0"},
		{name: "client side: it left itself", steps: []step{req(getA), reqEOF()}, close: "connection_closed", role: "client", want: "GET /a 0 incomplete connection_closed 19/0"},
		{name: "client side: it left and had its answer", steps: []step{req(getA), reqEOF(), resp(okHi)}, role: "client", want: "GET /a 200 ok 19/40"},
		{name: "answer cut short", steps: []step{req(getA), resp(okHi[:39])}, close: "connection_reset", want: "GET /a 200 incomplete connection_reset 19/39"},
		{name: "answer cut short in order", steps: []step{req(getA), resp(okHi[:39]), respEOF()}, close: "connection_closed", want: "GET /a 200 incomplete connection_closed 19/39"},
		{name: "chunked answer cut short", steps: []step{req(getA), resp(chunk + "5\r\nabc"), respEOF()}, close: "connection_closed", want: "GET /a 200 incomplete connection_closed 19/53"},
		{name: "body that the close ends", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\n\r\nx")}, close: "connection_closed", want: "GET /a 200 ok 19/20"},
		{name: "body that a reset ends", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\n\r\nx")}, close: "connection_reset", want: "GET /a 200 incomplete connection_reset 19/20"},
		{name: "body that a timeout ends", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\n\r\nx")}, close: "timeout", want: "GET /a 200 incomplete timeout 19/20"},
		{name: "body that the end of the observation cuts", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\n\r\nx")}, close: "agent_stopped", want: "GET /a 200 incomplete agent_stopped 19/20"},
		{name: "body that ended before a reset", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\n\r\nx"), respEOF()}, close: "connection_reset", want: "GET /a 200 ok 19/20"},
		{name: "request cut in its body", steps: []step{req("PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")}, close: "connection_reset", want: "PUT /a 0 incomplete connection_reset 41/0"},
		{name: "request cut in its head", steps: []step{req("PUT /a HTTP/1.1\r\nContent-"), reqEOF()}, close: "connection_closed", want: "PUT /a 0 incomplete client_closed 25/0 cut"},
		{name: "request cut in its first line", steps: []step{req("PUT /a HT")}, close: "connection_closed", want: ""},
	})
}

func TestAnswerIsHeldUntilTheClientHasIt(t *testing.T) {
	const end = uint64(len(okHi))
	tests := []struct {
		name  string
		close protocol.Close
		want  string
	}{
		{"acknowledged", protocol.Close{SentAcked: end, AckedKnown: true, Reason: "connection_closed"}, "GET /a 200 ok 19/40"},
		{"acknowledged before a reset", protocol.Close{SentAcked: end, AckedKnown: true, Reason: "connection_reset"}, "GET /a 200 ok 19/40"},
		{"not acknowledged", protocol.Close{SentAcked: end - 1, AckedKnown: true, Reason: "connection_closed"}, "GET /a 200 incomplete client_closed 19/40"},
		{"not known", protocol.Close{Reason: "connection_reset"}, "GET /a 200 ok 19/40"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(true).run(req(getA), reqEOF(), resp(okHi))
			if len(o.got) != 0 || o.conn.Pending() != 1 {
				t.Fatalf("reported before the end: %s", o.lines())
			}
			test.close.Time = 9 * time.Second
			o.conn.Close(test.close)
			if got := o.lines(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := o.got[0].End; got != 3*time.Second {
				t.Errorf("ended at %v", got)
			}
		})
	}
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	o := observe(true)
	for range 3 {
		for _, b := range []byte(getA) {
			o.run(req(string(b)))
		}
		for _, b := range []byte(okHi) {
			o.run(resp(string(b)))
		}
	}
	if len(o.got) != 3 || o.conn.side[0].buf != nil || o.conn.side[1].buf != nil || len(o.shared.buffers) != 1 {
		t.Errorf("%d reported, %d buffers in the pool", len(o.got), len(o.shared.buffers))
	}
	for i := range 3 * MaxField {
		if got := o.shared.intern([]byte(body(i)), 2*MaxField); got != body(min(i, 2*MaxField)) {
			t.Errorf("%d bytes of %d", len(got), i)
		}
	}
	for _, set := range o.shared.table {
		for _, kept := range set {
			if len(kept) > MaxField {
				t.Errorf("the table keeps %d bytes", len(kept))
			}
		}
	}
}

func TestReleasedParserIsAsNew(t *testing.T) {
	o := observe(true)
	for _, steps := range [][]step{
		{req(getA + "GET /half")}, {req("\x00"), resp("HTTP/1.1 200 O")}, {req(getA), reqEOF(), resp(okHi)}, {req(getA), resp(okHi[:39])},
		{req("CONNECT a:1 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 200 OK\r\n\r\n")}, {reqSkip(1), respSkip(1)},
	} {
		o.run(steps...)
		o.conn.Release()
		if o.conn = o.shared.New(); o.conn.Pending() != 0 {
			t.Fatal("a new parser has requests")
		}
		o.got = nil
		o.run(req(getB), resp(no404))
		if got := o.lines(); got != "GET /b 404 ok 19/40" {
			t.Errorf("after %v: %s", steps, got)
		}
		o.conn.Release()
		o.conn = o.shared.New()
		o.got = nil
	}
}
