// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	curlHead = "GET /index.html?x=1 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"

	nginxHead = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Sat, 21 Nov 2026 13:00:00 GMT\r\nContent-Type: text/html\r\n" +
		"Content-Length: 1024\r\nLast-Modified: Fri, 20 Nov 2026 13:00:00 GMT\r\nConnection: keep-alive\r\n" +
		"ETag: \"691f1a10-400\"\r\nAccept-Ranges: bytes\r\n\r\n"
)

// browserHead is 1 KB of what a browser sends.
var browserHead = "GET /articles/2026/11/a-page-with-a-name.html?page=2&sort=date HTTP/1.1\r\nHost: www.example.org\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n" +
	"Referer: https://www.example.org/articles/2026/11/\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-User: ?1\r\nCache-Control: max-age=0\r\n" +
	"Cookie: session=" + strings.Repeat("0123456789abcdef", 14) + "; theme=dark; consent=yes\r\n\r\n"

// exchange1024 passes a request and a response of 1,024 bytes of body, of which some were copied.
func exchange1024(c *Conn, request, head, copied []byte, at time.Duration) {
	c.Feed(protocol.Received, request, at)
	c.Feed(protocol.Sent, head, at+1)
	if len(copied) > 0 {
		c.Feed(protocol.Sent, copied, at+1)
	}
	c.Skip(protocol.Sent, uint64(1024-len(copied)), at+1)
}

func BenchmarkRequestResponse(b *testing.B) {
	chunked := strings.Replace(nginxHead, "Content-Length: 1024", "Transfer-Encoding: chunked", 1) + "400\r\n"
	tests := []struct {
		name, request, head, end string
	}{
		{"curl", curlHead, nginxHead, ""},
		{"browser", browserHead, nginxHead, ""},
		{"chunked", curlHead, chunked, "\r\n0\r\n\r\n"},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			n := 0
			c := NewShared(&protocol.Env{Emit: func(*model.Request) { n++ }}).New()
			request, head, end := []byte(test.request), []byte(test.head), []byte(test.end)
			b.ReportAllocs()
			b.SetBytes(int64(len(request) + len(head)))
			for b.Loop() {
				exchange1024(c, request, head, nil, time.Duration(n))
				c.Feed(protocol.Sent, end, time.Duration(n))
			}
			if n != b.N {
				b.Fatalf("%d of %d requests", n, b.N)
			}
		})
	}
}

func BenchmarkNewPaths(b *testing.B) {
	c := NewShared(&protocol.Env{Emit: func(*model.Request) {}}).New()
	head, requests := []byte(nginxHead), make([][]byte, 1<<14)
	for i := range requests {
		requests[i] = []byte(strings.Replace(curlHead, "/index", fmt.Sprintf("/item/%d", i), 1))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		exchange1024(c, requests[i%len(requests)], head, nil, 1)
		i++
	}
}

func BenchmarkHeadInPieces(b *testing.B) {
	c := NewShared(&protocol.Env{Emit: func(*model.Request) {}}).New()
	head, request, html := []byte(nginxHead), []byte(browserHead), []byte("<html>")
	b.ReportAllocs()
	for b.Loop() {
		c.Feed(protocol.Received, request[:3], 1)
		c.Feed(protocol.Received, request[3:500], 1)
		exchange1024(c, request[500:], head, html, 1)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	c := NewShared(&protocol.Env{Emit: func(*model.Request) {}}).New()
	for _, request := range []string{curlHead, browserHead} {
		request, head := []byte(request), []byte(nginxHead)
		if n := testing.AllocsPerRun(100, func() { exchange1024(c, request, head, nil, 1) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// TestMemoryOfIdleConnections holds what 10,000 connections between requests cost.
func TestMemoryOfIdleConnections(t *testing.T) {
	s := NewShared(&protocol.Env{Emit: func(*model.Request) {}})
	request, head := []byte(curlHead), []byte(nginxHead)
	kept := make([]*Conn, 0, 1000)
	n := testing.AllocsPerRun(999, func() {
		c := s.New()
		kept = append(kept, c)
		exchange1024(c, request, head, nil, 1)
	})
	if n > 2 { // the Conn and its queue
		t.Errorf("%v allocations for a connection", n)
	}
	for _, c := range kept {
		if cap(c.queue) > 8 || c.side[0].buf != nil || c.side[1].buf != nil || c.cur != nil || c.sending != nil {
			t.Fatal("an idle connection holds more than itself")
		}
	}
}
