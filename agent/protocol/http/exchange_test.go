// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"strings"
	"testing"
)

// Messages of the tests; the number after each is its length, as it appears in what is wanted.
const (
	getA   = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"                                              // 28
	getB   = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"                                              // 28
	getC   = "GET /c HTTP/1.1\r\nHost: x\r\n\r\n"                                              // 28
	headA  = "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"                                             // 29
	postA  = "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n"                                   // 39
	postCh = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"                          // 48
	expect = "POST /e HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"           // 61
	ok5    = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"                               // 38 + 5
	no0    = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"                             // 45
	okCh   = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"                           // 47
	okEnd  = "HTTP/1.1 200 OK\r\n\r\n"                                                         // 19
	chunks = "5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"                    // 44
	early  = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"                              // 44
	cont   = "HTTP/1.1 100 Continue\r\n\r\n"                                                   // 25
	bad    = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"      // 66
	large  = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"                     // 53
	upOK   = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: u\r\n\r\n" // 71
)

func TestWholeExchanges(t *testing.T) { runExchanges(t, wholeExchanges) }

var wholeExchanges = []exchange{
	{"keep-alive: each answer goes to its request", []act{client(getA), server(ok5), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"pipelined in one piece", []act{client(getA + postA + "12345" + getC), server(ok5 + no0 + ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
POST /a 404 ok 44(5) 45(0) @1-1,2-2
GET /c 200 ok 28(0) 43(5) @1-1,2-2
`},
	{"a chunked answer with extensions and a trailer", []act{client(getA), server(okCh + chunks), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 91(44) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"a chunked request", []act{client(postCh + chunks), server(ok5), client(getB), server(no0), closed()}, `
POST /c 200 ok 92(44) 43(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"chunks that end with a bare LF", []act{client(getA), server(okCh + "5\nhello\n0\n\n"), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 58(11) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"equal repeated lengths are one length", []act{client("POST /a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345" + getB), server("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello" + no0), closed()}, `
POST /a 200 ok 63(5) 46(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @1-1,2-2
`},
	{"chunked wins over a length", []act{client("POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + getB), server("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 999\r\n\r\n" + chunks + no0), closed()}, `
POST /a 200 ok 111(44) 118(44) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @1-1,2-2
`},
	{"another transfer coding lasts until the end", []act{client(getA), server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\n12345"), serverEOF(), closed()}, `
GET /a 200 ok 28(0) 68(5) @1-1,2-2
`},
	{"another transfer coding wins over a length of nothing", []act{client(getA), server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: gzip\r\n\r\n12345"), serverEOF(), closed()}, `
GET /a 200 ok 28(0) 68(5) @1-1,2-2
`},
	{"the last of two transfer codings decides", []act{client(getA), server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n12345"), serverEOF(), closed()}, `
GET /a 200 ok 28(0) 82(10) @1-1,2-2
`},
	{"an answer without a length ends with the direction", []act{client(getA), server(okEnd + "some"), server("more"), serverEOF(), closed()}, `
GET /a 200 ok 28(0) 27(8) @1-1,2-3
`},
	{"an answer without a length ends with the connection", []act{client(getA), server(okEnd + "some"), server("more"), closed()}, `
GET /a 200 ok 28(0) 27(8) @1-1,2-3
`},
	{"an answer without a length that is reset is incomplete", []act{client(getA), server(okEnd + "some"), reset()}, `
GET /a 200 connection_reset 28(0) 23(4) @1-1,2-3
`},
	{"100 and 103 come before the final answer", []act{client(getA), server(early), server(cont), server(ok5), closed()}, `
GET /a 200 ok 28(0) 112(5) @1-1,4-4
`},
	{"interim and final answer in one piece", []act{client(getA), server(early + ok5), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 87(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"a body that waits for 100 is of the same request", []act{client(expect), server(cont), client("12345"), server(ok5), client(getB), server(no0), closed()}, `
POST /e 200 ok 66(5) 68(5) @1-3,4-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"101 ends HTTP", []act{client(getA), server(upOK + "\x81\x02hi"), client(getB), server(ok5), clientSkip(9), serverSkip(9), clientEOF(), serverEOF(), closed()}, `
GET /a 101 ok 28(0) 71(0) @1-1,2-2
`},
	{"CONNECT ends HTTP when it is granted", []act{client("CONNECT x.org:443 HTTP/1.1\r\nHost: x.org:443\r\n\r\n"), server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), client(getB), server(ok5), closed()}, `
CONNECT  200 ok 47(0) 38(0) @1-1,2-2
`},
	{"CONNECT that is refused leaves HTTP", []act{client("CONNECT x.org:443 HTTP/1.1\r\nHost: x.org:443\r\n\r\n"), server(no0), client(getB), server(ok5), closed()}, `
CONNECT  404 ok 47(0) 45(0) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @3-3,4-4
`},
	{"a request with another transfer coding lasts until its answer", []act{client("POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n123"), client("45"), server(bad), client(getB), server(ok5), closed()}, `
POST /a 400 ok 50(5) 66(0) @1-2,3-3
GET /b 200 ok 28(0) 43(5) @4-4,5-5
`},
	{"a body of CONNECT is no body", []act{client("CONNECT x:1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x01\x02\x03"), server(no0), client(getB), server(ok5), closed()}, `
CONNECT  404 ok 43(0) 45(0) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @3-3,4-4
`},
	{"HEAD has no body whatever its length", []act{client(headA + getB), server("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + ok5), closed()}, `
HEAD /a 200 ok 29(0) 40(0) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @1-1,2-2
`},
	{"204 and 304 have no body whatever their length", []act{client(getA + getB + getC), server("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + ok5), closed()}, `
GET /a 204 ok 28(0) 46(0) @1-1,2-2
GET /b 304 ok 28(0) 57(0) @1-1,2-2
GET /c 200 ok 28(0) 43(5) @1-1,2-2
`},
	{"a folded line is of the field before", []act{client("GET /a HTTP/1.1\r\nX: y\r\n Content-Length: 5\r\n\thost: z\r\n\r\n" + getB), server(no0 + ok5), closed()}, `
GET /a 404 ok 55(0) 45(0) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @1-1,2-2
`},
	{"bare line feeds end lines", []act{client("POST /a HTTP/1.1\nContent-Length: 5\n\n12345" + getB), server("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" + no0), closed()}, `
POST /a 200 ok 41(5) 40(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @1-1,2-2
`},
	{"empty lines before a message are passed over", []act{client("\r\n\r\n" + getA), server("\n" + ok5), client("\r\n" + getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"names of fields in any case", []act{client("POST /a HTTP/1.1\r\nCONTENT-LENGTH:5\r\n\r\n12345" + getB), server("HTTP/1.1 200 OK\r\ntransfer-ENCODING:\tCHUNKED \r\n\r\n" + chunks + no0), closed()}, `
POST /a 200 ok 43(5) 92(44) @1-1,2-2
GET /b 404 ok 28(0) 45(0) @1-1,2-2
`},
	{"HTTP/1.0 with and without keep-alive", []act{client("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), server("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"), client("GET /b HTTP/1.0\r\n\r\n"), server("HTTP/1.0 200 OK\r\n\r\nhi"), serverEOF(), closed()}, `
GET /a 200 ok 43(0) 40(2) @1-1,2-2
GET /b 200 ok 19(0) 21(2) @3-3,4-4
`},
	{"a status line without a reason", []act{client(getA), server("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), closed()}, `
GET /a 200 ok 28(0) 35(0) @1-1,2-2
`},
	{"methods that are not in the RFC", []act{client("PURGE /a HTTP/1.1\r\n\r\nPROPFIND /b HTTP/1.1\r\n\r\nM-SEARCH * HTTP/1.1\r\n\r\n"), server(no0 + ok5 + no0), closed()}, `
PURGE /a 404 ok 21(0) 45(0) @1-1,2-2
PROPFIND /b 200 ok 24(0) 43(5) @1-1,2-2
M-SEARCH * 404 ok 23(0) 45(0) @1-1,2-2
`},
	{"methods in lower case", []act{client("get /a HTTP/1.1\r\n\r\n"), server(bad), closed()}, `
get /a 400 ok 19(0) 66(0) @1-1,2-2
`},
	{"an early answer ends the request while its body is sent", []act{client("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n123"), server(large), client("456789" + getB), server(ok5), closed()}, `
POST /a 413 ok 42(3) 53(0) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @3-3,4-4
`},
	{"a length that is cut off keeps its status", []act{client(getA), server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), serverEOF(), closed()}, `
GET /a 200 connection_closed 28(0) 44(5) @1-1,2-4
`},
	{"a reset in the middle of a request's body", []act{client("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n123"), client("4"), reset()}, `
POST /a 0 connection_reset 43(4) 0(0) @1-2,0-3
`},
	{"a reset in the middle of an answer", []act{client(getA), server(okCh + "5\r\nhel"), reset()}, `
GET /a 200 connection_reset 28(0) 53(6) @1-1,2-3
`},
	{"requests that wait when the connection ends", []act{client(getA + getB), server(ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 0 connection_closed 28(0) 0(0) @1-1,0-3
`},
	{"a client that ends its direction first and gets its answer", []act{client(getA), clientEOF(), server(ok5), serverEOF(), acked(43)}, `
GET /a 200 ok 28(0) 43(5) @1-1,3-3
`},
	{"a client that leaves before its answer was acknowledged", []act{client(getA), clientEOF(), server(ok5), serverEOF(), acked(42)}, `
GET /a 200 client_closed 28(0) 43(5) @1-1,3-3
`},
	{"a client that leaves and nothing is known of acknowledgements", []act{client(getA), clientEOF(), server(ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,3-3
`},
	{"a client that leaves before there is an answer", []act{client(getA + getB), clientEOF(), reset()}, `
GET /a 0 client_closed 28(0) 0(0) @1-1,0-3
GET /b 0 client_closed 28(0) 0(0) @1-1,0-3
`},
	{"a client that leaves during an answer without a length", []act{client(getA), clientEOF(), server(okEnd + "hello"), serverEOF(), acked(3)}, `
GET /a 200 client_closed 28(0) 24(5) @1-1,3-3
`},
}

func TestStrangeTraffic(t *testing.T) { runExchanges(t, strangeTraffic) }

var strangeTraffic = []exchange{
	{"garbage that is answered is a request without a method", []act{client("hello\r\n"), server(bad), closed()}, `
  400 ok 7(7) 66(0) @1-1,2-2
`},
	{"garbage that is not answered is nothing", []act{client("\x16\x03\x01\x02\x00"), server("\x15\x03\x01\x00\x02\x02\x46"), closed()}, `
`},
	{"a request of HTTP/0.9 that is answered with a head", []act{client("GET /\r\n"), server(bad), serverEOF(), closed()}, `
  400 ok 7(7) 66(0) @1-1,2-2
`},
	{"the beginning of a request that is answered", []act{client("GET /a?b=c HT"), server(bad), closed()}, `
GET /a 400 ok cut 13(0) 66(0) @1-1,2-2
`},
	{"the beginning of a method that is answered", []act{client("GE"), server(bad), closed()}, `
  400 ok 2(2) 66(0) @1-1,2-2
`},
	{"the server speaks first, HTTP follows", []act{server("220 hello\r\n"), client(getA), server(ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @2-2,3-3
`},
	{"the server speaks first, and no HTTP follows", []act{server("220 hello\r\n"), client("EHLO x\r\n"), server("250 x\r\n"), closed()}, `
`},
	{"an answer without a request is dropped", []act{server(ok5), client(getA), server(no0), closed()}, `
GET /a 404 ok 28(0) 45(0) @2-2,3-3
`},
	{"a late answer to nothing is dropped", []act{client(getA), server(ok5 + no0), client(getB), server(ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @3-3,4-4
`},
	{"joined: nothing before the first request", []act{joined(), server("rest of a body" + ok5), client("rest of a body"), server(ok5), client(getA), server(no0), closed()}, `
GET /a 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"joined: text in front of a request is not its method", []act{joined(), client("rest of"), server("body"), client(getA), server(ok5), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @4-4,5-5
GET /b 404 ok 28(0) 45(0) @6-6,7-7
`},
	{"joined: a line of text is not a request", []act{joined(), client("get rid of HTTP/1.1\r\n\r\n"), server(no0), client(getA), server(ok5), closed()}, `
GET /a 200 ok 28(0) 43(5) @4-4,5-5
`},
	{"joined: the first request is the first turn", []act{joined(), client(getA), server(no0), closed()}, `
GET /a 404 ok 28(0) 45(0) @2-2,3-3
`},
	{"joined: garbage that is answered was no request", []act{joined(), client("rest"), server(ok5), closed()}, `
`},
	{"an answer that is not HTTP gives up what waits", []act{client(getA + getB), server("hello\r\n"), client(getC), server(ok5), closed()}, `
GET /a 0 not_http 28(0) 0(0) @1-1,0-2
GET /b 0 not_http 28(0) 0(0) @1-1,0-2
GET /c 200 ok 28(0) 43(5) @3-3,4-4
`},
	{"a chunk's size that is none loses the end of the body", []act{client(getA + getB), server(okCh + "zz\r\nx"), server("\r\n0\r\n\r\n"), server("more"), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 63(16) @1-1,2-4
GET /b 0 lost 28(0) 0(0) @1-1,0-4
GET /c 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a second empty line behind a chunk loses the end of the body", []act{client(getA + getB), server(okCh + "5\r\nhello\r\n\r\n0\r\n\r\n" + ok5), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 107(60) @1-1,2-2
GET /b 0 lost 28(0) 0(0) @1-1,0-2
GET /c 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"garbage between requests waits for the next turn", []act{client(getA + "\x00\x01" + getB), server(ok5), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /c 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"a head that never ends keeps the request", []act{client("GET /a HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20)), server(bad), closed()}, `
GET /a 400 ok cut 1048596(0) 66(0) @1-1,2-2
`},
	{"a first line that never ends keeps the method", []act{client("GET /" + strings.Repeat("a", 1<<20)), server(bad), closed()}, `
GET /aaa+4092 400 ok cut 1048581(0) 66(0) @1-1,2-2
`},
}

func TestGaps(t *testing.T) { runExchanges(t, gaps) }

var gaps = []exchange{
	{"a gap in bodies loses nothing", []act{client("POST /a HTTP/1.1\r\nContent-Length: 900\r\n\r\n"), clientSkip(900), server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"), serverSkip(995), client(getB), server(ok5), closed()}, `
POST /a 200 ok 941(900) 1041(1000) @1-2,3-4
GET /b 200 ok 28(0) 43(5) @5-5,6-6
`},
	{"a gap from a body into the next head", []act{client(getA + getB), server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"), serverSkip(1000), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 1041(1000) @1-1,2-3
GET /b 0 lost 28(0) 0(0) @1-1,0-3
GET /c 404 ok 28(0) 45(0) @4-4,5-5
`},
	{"a gap in a chunk loses nothing", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(7), server("\r\n0\r\n\r\n"), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 67(20) @1-1,2-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap that ends with a chunk's line end", []act{client(getA + getB), server(okCh + "A\r\n012"), serverSkip(9), server("0\r\n\r\n" + no0), closed()}, `
GET /a 200 ok 28(0) 67(20) @1-1,2-4
GET /b 404 ok 28(0) 45(0) @1-1,4-4
`},
	{"a gap that ends inside a chunk's line end", []act{client(getA + getB), server(okCh + "A\r\n012"), serverSkip(8), server("\n0\r\n\r\n" + no0), closed()}, `
GET /a 200 ok 28(0) 67(20) @1-1,2-4
GET /b 404 ok 28(0) 45(0) @1-1,4-4
`},
	{"a gap over chunks ends with the tail of the last", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(1000), server("789\r\n0\r\n\r\n"), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 1063(1016) @1-1,2-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap over chunks ends with the next request", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(1000), server("X-T: 1\r\n\r\n"), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 1063(1016) @1-1,2-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap over chunks ends with the direction", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(1000), serverEOF(), closed()}, `
GET /a 200 ok 28(0) 1053(1006) @1-1,2-3
`},
	{"a gap over chunks ends with the connection", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(1000), closed()}, `
GET /a 200 ok 28(0) 1053(1006) @1-1,2-3
`},
	{"a gap over chunks that is reset is incomplete", []act{client(getA), server(okCh + "A\r\n012"), serverSkip(1000), reset()}, `
GET /a 200 connection_reset 28(0) 1053(1006) @1-1,2-4
`},
	{"a gap over chunks gives up the answers behind it", []act{client(getA + getB), server(okCh + "A\r\n012"), serverSkip(1000), server("89\r\n0\r\n\r\n"), server(ok5), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 1062(1015) @1-1,2-4
GET /b 0 lost 28(0) 0(0) @1-1,0-4
GET /c 404 ok 28(0) 45(0) @6-6,7-7
`},
	{"a gap in a trailer", []act{client(getA + getB), server(okCh + "0\r\nX-T: "), serverSkip(10), server("1\r\n\r\n" + ok5), client(getC), server(no0), closed()}, `
GET /a 200 ok 28(0) 113(66) @1-1,2-4
GET /b 0 lost 28(0) 0(0) @1-1,0-4
GET /c 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap over an answer's chunks while the request is sent", []act{client("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n123"), server(okCh + "A\r\n012"), serverSkip(1000), client("456"), server("89\r\n0\r\n\r\n"), client("789" + getB), server(no0), closed()}, `
POST /a 200 ok 45(6) 1062(1015) @1-4,2-5
GET /b 404 ok 28(0) 45(0) @6-6,7-7
`},
	{"a gap over a request's chunks", []act{client(postCh + "A\r\n012"), clientSkip(1000), server(ok5), client(getB), server(no0), closed()}, `
POST /c 200 ok 1054(1006) 43(5) @1-2,3-3
GET /b 404 ok 28(0) 45(0) @4-4,5-5
`},
	{"a gap over a request's chunks with a tail", []act{client(postCh + "A\r\n012"), clientSkip(1000), client("9\r\n0\r\n\r\n"), server(ok5), client(getB), server(no0), closed()}, `
POST /c 200 ok 1062(1014) 43(5) @1-3,4-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap over a request's chunks goes on after 100", []act{client(postCh), server(cont), client("A\r\n012"), clientSkip(1000), server(ok5), client(getB), server(no0), closed()}, `
POST /c 200 ok 1054(1006) 68(5) @1-4,5-5
GET /b 404 ok 28(0) 45(0) @6-6,7-7
`},
	{"a gap in a request's head", []act{client("GET /a HTTP/1.1\r\nHost: x\r\nCoo"), clientSkip(3000), client("; a=b\r\n\r\n"), server(ok5), client(getB), server(no0), closed()}, `
GET /a 200 ok cut 3038(0) 43(5) @1-3,4-4
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a gap in a request's target", []act{client("GET /abc"), clientSkip(3000), server(ok5), client(getB), server(no0), closed()}, `
GET /abc 200 ok cut 3008(0) 43(5) @1-2,3-3
GET /b 404 ok 28(0) 45(0) @4-4,5-5
`},
	{"a gap in a method", []act{client("GE"), clientSkip(3000), server(ok5), client(getB), server(no0), closed()}, `
GET /b 404 ok 28(0) 45(0) @4-4,5-5
`},
	{"a gap in an answer's head", []act{client(getA), server("HTTP/1.1 404 Not Found\r\nSet-Coo"), serverSkip(3000), server("; x\r\n\r\n"), client(getB), server(ok5), closed()}, `
GET /a 404 ok cut 28(0) 3038(0) @1-1,2-4
GET /b 200 ok 28(0) 43(5) @5-5,6-6
`},
	{"a gap in an answer's head, and the direction ends", []act{client(getA), server("HTTP/1.1 404 Not Found\r\nSet-Coo"), serverSkip(3000), serverEOF(), closed()}, `
GET /a 404 ok cut 28(0) 3031(0) @1-1,2-3
`},
	{"a gap in a status line", []act{client(getA), server("HTTP/1.1 40"), serverSkip(3000), client(getB), server(ok5), closed()}, `
GET /a 0 lost 28(0) 0(0) @1-1,0-3
GET /b 200 ok 28(0) 43(5) @4-4,5-5
`},
	{"a gap in an interim answer", []act{client(getA), server("HTTP/1.1 103 Early\r\nLin"), serverSkip(3000), server("</b>\r\n\r\n"), client(getB), server(ok5), closed()}, `
GET /a 0 lost 28(0) 0(0) @1-1,0-3
GET /b 200 ok 28(0) 43(5) @5-5,6-6
`},
	{"a gap in the head of an upgrade", []act{client(getA), server("HTTP/1.1 101 S\r\nUpgrade: h2c\r\nX"), serverSkip(30), client(getB), server(ok5), closed()}, `
GET /a 101 ok cut 28(0) 31(0) @1-1,2-3
`},
	{"a lost answer is not another's", []act{client(getA), serverSkip(43), client(getB), server(no0), closed()}, `
GET /a 0 lost 28(0) 0(0) @1-1,0-2
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"a lost answer after an early one", []act{client("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n123"), serverSkip(43), client("456789"), client(getB), server(no0), closed()}, `
POST /a 0 lost 42(3) 0(0) @1-1,0-2
GET /b 404 ok 28(0) 45(0) @4-4,5-5
`},
	{"answers lost in the middle of a batch", []act{client(getA + getB + getC), server(ok5), serverSkip(10), server(ok5), client(getB), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 0 lost 28(0) 0(0) @1-1,0-3
GET /c 0 lost 28(0) 0(0) @1-1,0-3
GET /b 404 ok 28(0) 45(0) @5-5,6-6
`},
	{"a lost request is not reported", []act{clientSkip(28), server(ok5), client(getB), server(no0), closed()}, `
GET /b 404 ok 28(0) 45(0) @3-3,4-4
`},
	{"a request lost behind another", []act{client(getA), clientSkip(28), server(no0 + ok5), client(getC), server(ok5), closed()}, `
GET /a 404 ok 28(0) 45(0) @1-1,3-3
GET /c 200 ok 28(0) 43(5) @4-4,5-5
`},
	{"a lost answer of a client that does not wait", []act{client(getA), client(getB), server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), client(getC), server("hello"), serverSkip(43), client(getA), server(no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,3-5
GET /b 0 lost 28(0) 0(0) @2-2,0-6
GET /c 0 lost 28(0) 0(0) @4-4,0-6
GET /a 0 lost 28(0) 0(0) @7-7,0-7
`},
	{"a lost request of a client that does not wait", []act{client(getA + getB), server(ok5), client(getC), clientSkip(28), server(ok5), client(getA), server(no0 + ok5 + no0), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,2-2
GET /b 200 ok 28(0) 43(5) @1-1,5-5
GET /a 0 lost 28(0) 0(0) @6-6,0-6
GET /c 404 ok 28(0) 45(0) @3-3,7-7
`},
	{"garbage after answers can not be told apart is not reported", []act{client(getA), client(getB), server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), client(getC), server("hello"), serverSkip(43), client(getA), server(no0), client("\x01\r\n"), server(bad), closed()}, `
GET /a 200 ok 28(0) 43(5) @1-1,3-5
GET /b 0 lost 28(0) 0(0) @2-2,0-6
GET /c 0 lost 28(0) 0(0) @4-4,0-6
GET /a 0 lost 28(0) 0(0) @7-7,0-7
`},
	{"joined in a gap", []act{joined(), serverSkip(500), clientSkip(10), client(getA), serverSkip(10), client(getB), server(no0), closed()}, `
GET /b 404 ok 28(0) 45(0) @6-6,7-7
`},
	{"a gap in what is not HTTP", []act{client("hello\r\n"), clientSkip(10), server(bad), closed()}, `
  400 ok 17(17) 66(0) @1-2,3-3
`},
}
