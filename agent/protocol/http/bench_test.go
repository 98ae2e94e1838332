// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol/http"
)

const (
	wrkGet    = "GET /1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Y: 1234567890abc\r\n\r\n"
	nginxHead = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Sat, 21 Nov 2026 13:45:00 GMT\r\n" +
		"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\nLast-Modified: Sat, 21 Nov 2026 13:00:00 GMT\r\n" +
		"Connection: keep-alive\r\nETag: \"6740-400\"\r\nAccept-Ranges: bytes\r\n\r\n"
)

func browserGet() string {
	return "GET /app/index.html?session=0123456789 HTTP/1.1\r\nHost: www.example.org\r\nConnection: keep-alive\r\n" +
		"Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n" +
		"Referer: http://www.example.org/\r\nCookie: " + strings.Repeat("name=0123456789abcdef; ", 22) + "\r\n\r\n"
}

func benchmark(b *testing.B, request, answer string, requests int) {
	n := 0
	c := http1.NewShared(func(*model.Request) { n++ }).New()
	in, out := []byte(strings.Repeat(request, requests)), []byte(answer)
	b.ReportAllocs()
	for i := range b.N {
		t := time.Duration(i)
		c.Feed(fromClient, in, t)
		for range requests {
			c.Feed(fromServer, out, t)
			c.Skip(fromServer, 1024, t)
		}
	}
	if n != b.N*requests {
		b.Fatalf("%d requests reported, want %d", n, b.N*requests)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/request")
}

func BenchmarkRequestResponse(b *testing.B) { benchmark(b, wrkGet, nginxHead, 1) }

func BenchmarkRequestResponseOfABrowser(b *testing.B) { benchmark(b, browserGet(), nginxHead, 1) }

func BenchmarkPipelined(b *testing.B) { benchmark(b, wrkGet, nginxHead, 10) }

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := http1.NewShared(func(*model.Request) {}).New()
	in, out := []byte(wrkGet+browserGet()), []byte(nginxHead)
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range [][]byte{in[:30], in[30:]} { // the first head comes in two pieces
			c.Feed(fromClient, p, 1)
		}
		for range 2 {
			c.Feed(fromServer, out, 2)
			c.Skip(fromServer, 1024, 2)
		}
	}); n != 0 {
		t.Errorf("%v allocations for two requests", n)
	}
}
