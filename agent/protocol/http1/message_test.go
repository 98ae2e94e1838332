// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	getA  = "GET /a HTTP/1.1\r\n\r\n" // 19 bytes
	getB  = "GET /b HTTP/1.1\r\n\r\n"
	getC  = "GET /c HTTP/1.1\r\n\r\n"
	okNil = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"          // 38 bytes
	okHi  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"        // 40 bytes
	no404 = "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n"        // 40 bytes
	chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" // 47 bytes
)

func TestMessagesAreFramedByTheirHeads(t *testing.T) {
	runExchangeTests(t, []exchangeTest{
		{name: "keep-alive", steps: []step{req(getA), resp(okHi), req(getB), resp(no404)},
			want: "GET /a 200 ok 19/40\nGET /b 404 ok 19/40"},
		{name: "pipelined requests get their answers in order", steps: []step{req(getA + getB + getC), resp(okHi + no404 + okNil)},
			want: "GET /a 200 ok 19/40\nGET /b 404 ok 19/40\nGET /c 200 ok 19/38"},
		{name: "content length", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + getB), resp(okHi + okNil)},
			want: "POST /a 200 ok 42/40\nGET /b 200 ok 19/38"},
		{name: "equal content lengths are one", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3, 3\r\n\r\nabc" + getB), resp(okHi + okNil)},
			want: "POST /a 200 ok 64/40\nGET /b 200 ok 19/38"},
		{name: "different content lengths lose the end until the answer", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), resp("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"), req(getB), resp(okNil)},
			want: "POST /a 400 ok 61/39\nGET /b 200 ok 19/38"},
		{name: "a length that is none loses the end until the answer", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc"), resp(no404), req(getB), resp(okNil)},
			want: "POST /a 404 ok 43/40\nGET /b 200 ok 19/38"},
		{name: "a length that is none and a request behind it", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + getB), resp(no404), resp(okNil), req(getA), resp(okNil)},
			want: "POST /a 404 ok 40/40\nGET /b 200 ok 19/38\nGET /a 200 ok 19/38"},
		{name: "a length that is none and a request behind it, refused", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + getB), resp(no404)}, close: "connection_closed",
			want: "POST /a 404 ok 40/40\nGET /b 0 incomplete connection_closed 19/0"},
		{name: "chunked with extensions and trailers", steps: []step{req(getA), resp(chunk + "3;a=b\r\nabc\r\nA ; c\r\n0123456789\r\n0\r\nX: y\r\nZ: \r\n\r\n" + okNil[:0]), req(getB), resp(okNil)},
			want: "GET /a 200 ok 19/94\nGET /b 200 ok 19/38"},
		{name: "chunked request", steps: []step{req("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + getB), resp(okNil + okHi)},
			want: "POST /a 200 ok 59/38\nGET /b 200 ok 19/40"},
		{name: "chunked wins over content length", steps: []step{req(getA + getB), resp("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + okHi)},
			want: "GET /a 200 ok 19/83\nGET /b 200 ok 19/40"},
		{name: "transfer codings in several lines are one list", steps: []step{req(getA + getB), resp("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\ntransfer-ENCODING: Chunked\r\n\r\n0\r\n\r\n" + okHi)},
			want: "GET /a 200 ok 19/77\nGET /b 200 ok 19/40"},
		{name: "bare line feeds", steps: []step{req("POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n" + getB), resp("HTTP/1.1 200\nContent-Length: 2\n\nhi" + okHi)},
			want: "POST /a 200 ok 53/34\nGET /b 200 ok 19/40"},
		{name: "empty lines before a request", steps: []step{req("\r\n\n\r\n" + getA + "\r\n"), resp(okHi), req("\r\n" + getB), resp(okHi)},
			want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/40"},
		{name: "folded lines", steps: []step{req("POST /a HTTP/1.1\r\n ignored\r\nTransfer-Encoding:\r\n\t chunked\r\nX: y\r\n z\r\n\r\n0\r\n\r\n" + getB), resp(okNil + okHi)},
			want: "POST /a 200 ok 76/38\nGET /b 200 ok 19/40"},
		{name: "no body after HEAD, 204 and 304", steps: []step{req("HEAD /a HTTP/1.1\r\n\r\n" + getB + getC + getA),
			resp("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + "HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n" + "HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n" + okHi)},
			want: "HEAD /a 200 ok 20/39\nGET /b 204 ok 19/38\nGET /c 304 ok 19/48\nGET /a 200 ok 19/40"},
		{name: "HEAD with a chunked answer", steps: []step{req("HEAD /a HTTP/1.1\r\n\r\n"), resp(chunk), req(getB), resp(okHi)},
			want: "HEAD /a 200 ok 20/47\nGET /b 200 ok 19/40"},
		{name: "interim answers count to the final one", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), resp("HTTP/1.1 100 Continue\r\n\r\n"), req("abc"), resp("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), resp(okHi)},
			want: "POST /a 200 ok 64/102"},
		{name: "the body that was to wait for 100 is not sent", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 30\r\n\r\n"), resp(no404), req(getB), resp(okHi)},
			want: "POST /a 404 ok 62/40\nGET /b 200 ok 19/40"},
		{name: "a body that was not to wait is a body", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 19\r\n\r\n"), resp(no404), req(getC), req(getB), resp(okHi)},
			want: "POST /a 404 ok 40/40\nGET /b 200 ok 19/40"},
		{name: "a body that was waited for is a body", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n"), resp("HTTP/1.1 100 Go\r\n\r\n" + no404), req(getC), req(getB), resp(okHi)},
			want: "POST /a 404 ok 62/59\nGET /b 200 ok 19/40"},
		{name: "an empty line may be the beginning of a body", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 21\r\n\r\n"), resp(no404), req("\r\n" + getC), req(getB), resp(okHi)},
			want: "POST /a 404 ok 62/40\nGET /b 200 ok 19/40"},
		{name: "a body that has begun is a body", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\nx"), resp(no404), req(getC), req(getB), resp(okHi)},
			want: "POST /a 404 ok 63/40\nGET /b 200 ok 19/40"},
		{name: "the body that was to wait for 100 is sent after the answer", steps: []step{req("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n"), resp(no404), req("GET /"), req("xyz" + getB), resp(okHi)},
			want: "POST /a 404 ok 61/40\nGET /b 200 ok 19/40"},
		{name: "final answer before the body is sent", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"), resp("HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n"), req("defghij"), req(getB), resp(okHi)},
			want: "POST /a 413 ok 43/39\nGET /b 200 ok 19/40"},
		{name: "answer begins before the request ends", steps: []step{req("POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), resp("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), req("cd"), resp("cd")},
			want: "POST /a 200 ok 43/42"},
		{name: "body until the end of the direction", steps: []step{req("GET /a HTTP/1.0\r\n\r\n"), resp("HTTP/1.0 200 OK\r\n\r\nany"), respSkip(100), resp("HTTP/1.1 200"), respEOF()},
			want: "GET /a 200 ok 19/134"},
		{name: "a coding other than chunked lasts until the end", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nany"), respEOF()},
			want: "GET /a 200 ok 19/66"},
		{name: "HTTP/1.0 with a length keeps alive", steps: []step{req("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), resp("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), req("GET /b HTTP/1.0\r\n\r\n"), resp("HTTP/1.0 500 No\r\n\r\n"), respEOF()},
			want: "GET /a 200 ok 43/39\nGET /b 500 error 19/19"},
		{name: "chunked is not the last coding", steps: []step{req(getA), resp("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\nmore"), respEOF()},
			want: "GET /a 200 ok 19/62"},
		{name: "status line without reason", steps: []step{req(getA), resp("HTTP/1.1 204\r\n\r\n")}, want: "GET /a 204 ok 19/16"},
		{name: "client sees 4xx as an error", steps: []step{req(getA), resp(no404)}, role: "client", want: "GET /a 404 error 19/40"},
	})
}

func TestHTTPEndsWhereAnotherProtocolBegins(t *testing.T) {
	upgrade := "GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
	runExchangeTests(t, []exchangeTest{
		{name: "101", steps: []step{req(upgrade), resp("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello"), req(getB), resp(okHi)},
			want: "GET /a 101 ok 60/46"},
		{name: "refused upgrade", steps: []step{req(upgrade), resp(okHi), req(getB), resp(okHi)}, want: "GET /a 200 ok 60/40\nGET /b 200 ok 19/40"},
		{name: "CONNECT", steps: []step{req("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), req(getB), resp(okHi)},
			want: "CONNECT  200 ok 34/38"},
		{name: "refused CONNECT", steps: []step{req("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 407 Who\r\nContent-Length: 1\r\n\r\nx"), req(getB), resp(okHi)},
			want: "CONNECT  407 ok 34/40\nGET /b 200 ok 19/40"},
	})
	o := observe(true).run(req(upgrade), resp("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n"))
	if got := o.got[0].HTTP.Upgrade; got != "websocket" {
		t.Errorf("upgraded to %q", got)
	}
}

func TestStrangeTrafficIsPassedOver(t *testing.T) {
	bad := "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" // 39 bytes
	runExchangeTests(t, []exchangeTest{
		{name: "garbage that is answered", steps: []step{req("\x16\x03\x01garbage"), resp(bad)}, want: "- 400 ok 10/39"},
		{name: "garbage that is answered, client side", steps: []step{req("\x16\x03\x01garbage"), resp(bad)}, role: "client", want: "- 400 error 10/39"},
		{name: "garbage again", steps: []step{req("\x01"), resp(bad), req("\x02\x03"), resp(bad)}, want: "- 400 ok 1/39\n- 400 ok 2/39"},
		{name: "garbage of which the beginning was lost", steps: []step{reqSkip(1), req("\x01"), resp(bad)}, want: ""},
		{name: "garbage after a loss", steps: []step{reqSkip(1), resp(bad), req("\x01"), resp(bad), req(getA), resp(okHi), req("\x02\x03"), resp(bad)}, want: "GET /a 200 ok 19/40\n- 400 ok 2/39"},
		{name: "garbage behind a request", steps: []step{req(getA + "\x01\x02"), resp(okHi + bad)}, want: "GET /a 200 ok 19/40\n- 400 ok 2/39"},
		{name: "garbage in a later turn", steps: []step{req(getA), resp(okHi), req("a b\r\nc\r\n\r\n"), resp(bad), req(getB), resp(okHi)},
			want: "GET /a 200 ok 19/40\n- 400 ok 10/39\nGET /b 200 ok 19/40"},
		{name: "garbage answered by garbage", steps: []step{req("EHLO x\r\n"), resp("220 x\r\n"), req("QUIT\r\n"), resp(bad)}, close: "connection_closed"},
		{name: "garbage that is not answered", steps: []step{req("\x01\x02"), req("\x03")}, close: "connection_closed"},
		{name: "garbage that is passed over by the server", steps: []step{req(getA + "xx\r\n"), resp(okHi), req(getB), resp(okHi)}, want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/40"},
		{name: "server speaks first", steps: []step{resp("220 hello\r\n"), req(getA), resp(okHi)}, want: "GET /a 200 ok 19/40"},
		{name: "answer before any request", steps: []step{resp("HTTP/1.1 408 Slow\r\nConnection: close\r\n\r\n"), respEOF()}, close: "connection_closed"},
		{name: "second answer to a request", steps: []step{req(getA), resp(okHi + no404), req(getB), resp(okNil)}, want: "GET /a 200 ok 19/40\nGET /b 200 ok 19/38"},
		{name: "answer before the head is whole", steps: []step{req("GET /a HTTP/1.1\r\nX: y\r\n"), resp("HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n"), req("Z: 1\r\n\r\n")},
			want: "GET /a 408 ok 23/40 cut"},
		{name: "answer before the request line is whole", steps: []step{req("GET /abc"), resp("HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n")}, want: "GET  408 ok 8/40 cut"},
		{name: "answer before the method is whole", steps: []step{req("GE"), resp("HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n")}, want: "- 408 ok 2/40"},
		{name: "HTTP/0.9 answered in HTTP/1", steps: []step{req("GET /\r\n"), resp(bad)}, want: "GET / 400 ok 7/39 cut"},
		{name: "HTTP/0.9", steps: []step{req("GET /\r\n"), resp("<html>"), respEOF()}, close: "connection_closed"},
		{name: "a version that does not exist", steps: []step{req("GET /a HTTP/7.3\r\n\r\n"), resp("HTTP/1.1 505 No\r\nContent-Length: 0\r\n\r\n")}, want: "GET /a 505 error 19/38"},
		{name: "Icecast", steps: []step{req("SOURCE /live ICE/1.0\r\n\r\n"), resp("HTTP/1.0 200 OK\r\n\r\n"), req("music")}, close: "connection_closed", want: "SOURCE /live 200 ok 24/19"},
		{name: "RTSP with media between its messages", steps: []step{req("SETUP rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"), resp("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nok$\x00\x00\x04GET $\x01\x00\x00"),
			req("$\x01\x00\x02xxTEARDOWN rtsp://h/a RTSP/1.0\r\nCSeq: 2\r\n\r\n"), resp("$\x00\x00\x05RTSP/RTSP/1.0 454 No\r\nCSeq: 2\r\n\r\n")},
			want: "SETUP /a 200 ok 38/49\nTEARDOWN /a 454 ok 41/28"},
		{name: "a status line of another protocol out of nowhere", steps: []step{resp("RTSP/1.0 200 OK\r\n\r\n")}, close: "connection_closed"},
		{name: "answer that is not HTTP", steps: []step{req(getA), resp("<html>")}, close: "connection_closed", want: "GET /a 0 incomplete connection_closed 19/0"},
		{name: "HTTP/2 preface", steps: []step{req("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), resp("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), req(getA)}, close: "connection_closed",
			want: "GET /a 0 incomplete connection_closed 19/0"},
		{name: "unknown method", steps: []step{req("M-SEARCH2 * HTTP/1.1\r\n\r\n"), resp(okNil)}, want: "M-SEARCH2 * 200 ok 24/38"},
		{name: "method in lower case", steps: []step{req("get /a HTTP/1.1\r\n\r\n"), resp(bad)}, want: "get /a 400 ok 19/39"},
		{name: "spaces in a request line", steps: []step{req("GET  /a b  HTTP/1.1 \r\n\r\n"), resp(bad)}, want: "GET /a b 400 ok 24/39"},
		{name: "chunk size that is none", steps: []step{req(getA), resp(chunk + "xyz\r\n"), resp("more"), req(getB), resp(okNil)}, want: "GET /a 200 ok 19/56\nGET /b 200 ok 19/38"},
		{name: "chunk size without digits", steps: []step{req(getA), resp(chunk + ";x\r\n\r\nmore"), req(getB), resp(okNil)}, want: "GET /a 200 ok 19/57\nGET /b 200 ok 19/38"},
		{name: "last chunk behind a size that is none", steps: []step{req(getA), resp(chunk + "xyz\r\n0\r\n\r\n")}, want: ""},
		{name: "garbage before the answer to an upload", steps: []step{req("PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), resp("garbage"), req("cd"), resp(okHi)}, want: "PUT /a 200 ok 42/40"},
		{name: "chunk size beyond any", steps: []step{req(getA), resp(chunk + strings.Repeat("f", 20) + "\r\n"), req(getB), resp(okNil)}, want: "GET /a 200 ok 19/69\nGET /b 200 ok 19/38"},
		{name: "chunk longer than its size", steps: []step{req(getA), resp(chunk + "1\r\nabc\r\n0\r\n\r\n"), req(getB), resp(okNil)}, want: "GET /a 200 ok 19/60\nGET /b 200 ok 19/38"},
	})
}

func TestTargetIsTakenApart(t *testing.T) {
	tests := []struct{ name, head, scheme, host, path, query string }{
		{"origin form", "GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n", "http", "www.example.org", "/where", "q=now"},
		{"absolute form wins over Host", "GET http://www.example.org:81/pub?x#y HTTP/1.1\r\nHost: other\r\n\r\n", "http", "www.example.org:81", "/pub", "x#y"},
		{"absolute form without path", "GET HTTPS://u:secret@h?x HTTP/1.1\r\n\r\n", "https", "h", "/", "x"},
		{"absolute form of OPTIONS", "OPTIONS http://www.example.org:8001 HTTP/1.1\r\n\r\n", "http", "www.example.org:8001", "*", ""},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "http", "h", "*", ""},
		{"authority form", "CONNECT server.example.com:80 HTTP/1.1\r\nHost: other\r\n\r\n", "http", "server.example.com:80", "", ""},
		{"names in any case", "GET / HTTP/1.1\r\nhOST:\t h \t\r\nHostess: x\r\nHost: second\r\n\r\n", "http", "h", "/", ""},
		{"encoded path stays as it is", "GET /%41//../b;c?a=%20&? HTTP/1.1\r\n\r\n", "http", "", "/%41//../b;c", "a=%20&?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(true).run(req(test.head)).close("connection_closed")
			h := o.got[0].HTTP
			if h.Scheme != test.scheme || h.Host != test.host || h.Path != test.path || h.Query != test.query {
				t.Errorf("got %q %q %q %q", h.Scheme, h.Host, h.Path, h.Query)
			}
		})
	}
}

func TestLongFieldsAreCut(t *testing.T) {
	path, query, agent := "/"+strings.Repeat("p", 5000), strings.Repeat("q", 5000), strings.Repeat("a", 300)
	o := observe(true).run(req("GET "+path+"?"+query+" HTTP/1.1\r\nUser-Agent: "+agent+"\r\n\r\n"), resp(okHi))
	h := o.got[0].HTTP
	if h.Path != path[:MaxPath] || h.Query != query || h.UserAgent != agent[:256] || h.HeadTruncated {
		t.Errorf("got %d bytes of path, %d of query, %d of user agent, truncated %v", len(h.Path), len(h.Query), len(h.UserAgent), h.HeadTruncated)
	}
}

func TestTimesAreThoseOfTheBytes(t *testing.T) {
	o := observe(true).run(req("PO"), req("ST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n"), resp("HTTP/1.1 100 Go\r\n\r\n"), req("a"), req("b"),
		resp("HTTP/1.1 2"), resp("00 OK\r\nContent-Length: 4\r\n\r\n"), resp("ab"), respSkip(2))
	r := o.got[0]
	want := [4]time.Duration{1 * time.Second, 5 * time.Second, 6 * time.Second, 9 * time.Second}
	if got := [4]time.Duration{r.Start, r.RequestEnd, r.ResponseStart, r.End}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.Role != model.RoleServer || r.Protocol != model.ProtocolHTTP || r.HTTP.Version != "1.1" {
		t.Errorf("got %v %v %v", r.Role, r.Protocol, r.HTTP.Version)
	}
	if r.HTTP.RequestBodyBytes != 2 || r.HTTP.ResponseBodyBytes != 4 {
		t.Errorf("bodies of %d and %d bytes", r.HTTP.RequestBodyBytes, r.HTTP.ResponseBodyBytes)
	}
}

func TestBodyBytesAreThoseOnTheWire(t *testing.T) {
	o := observe(false).run(req("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), resp(chunk+"0\r\nT: x\r\n\r\n"))
	r := o.got[0]
	if r.HTTP.RequestBodyBytes != 12 || r.HTTP.ResponseBodyBytes != 11 || r.Role != model.RoleClient {
		t.Errorf("bodies of %d and %d bytes, role %v", r.HTTP.RequestBodyBytes, r.HTTP.ResponseBodyBytes, r.Role)
	}
}

func TestProbe(t *testing.T) {
	tests := []struct {
		first string
		want  protocol.Guess
	}{
		{"", protocol.GuessMaybe}, {"\r\n", protocol.GuessMaybe}, {"G", protocol.GuessMaybe}, {"GET", protocol.GuessMaybe}, {"GET ", protocol.GuessMaybe},
		{"H", protocol.GuessMaybe}, {"HTTP/", protocol.GuessMaybe}, {"HTTP/1.", protocol.GuessResponse}, {"HTTP/1.1 200 OK", protocol.GuessResponse},
		{"HTTP/2", protocol.GuessNo}, {"HEAD /", protocol.GuessRequest}, {"\r\nGET /", protocol.GuessRequest}, {"OPTIONS *", protocol.GuessRequest},
		{"GET http", protocol.GuessMaybe}, {"GET http:/", protocol.GuessMaybe}, {"GET http://", protocol.GuessRequest}, {"GET http;", protocol.GuessNo},
		{"GET x ", protocol.GuessNo}, {"CONNECT a.b:44", protocol.GuessMaybe}, {"CONNECT a.b:443 ", protocol.GuessRequest}, {"CONNECT [::1]:1 ", protocol.GuessRequest},
		{"M-SEARCH *", protocol.GuessRequest}, {"A_1 /", protocol.GuessRequest}, {"1A /", protocol.GuessNo}, {"get /", protocol.GuessNo}, {"GET\t/", protocol.GuessNo},
		{"PRI * HTT", protocol.GuessMaybe}, {"PRI * HTTP/2.0", protocol.GuessNo}, {"PRI * HTTP/1.1", protocol.GuessRequest}, {"\x16\x03\x01", protocol.GuessNo},
		{strings.Repeat("A", 32), protocol.GuessMaybe}, {strings.Repeat("A", 33), protocol.GuessNo}, {"EHLO x\r\n", protocol.GuessNo}, {"220 ", protocol.GuessNo},
	}
	for _, test := range tests {
		if got := Probe([]byte(test.first)); got != test.want {
			t.Errorf("Probe(%q) = %d, want %d", test.first, got, test.want)
		}
	}
}
