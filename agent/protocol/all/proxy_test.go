// SPDX-License-Identifier: Apache-2.0

package all

import (
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/detect"
)

// TestRequestBehindAPROXYHeaderIsSeen cuts the bytes everywhere: the header never takes the request with it.
func TestRequestBehindAPROXYHeaderIsSeen(t *testing.T) {
	const request = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
	for name, header := range map[string]string{
		"none":               "",
		"version 1, IPv4":    "PROXY TCP4 10.0.0.1 10.0.0.2 4000 80\r\n",
		"version 1, unknown": "PROXY UNKNOWN\r\n",
		"version 2, IPv4":    "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x0f\xa0\x00\x50",
		"version 2, local":   "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
	} {
		sent := header + request
		for cut := range len(sent) {
			var got []string
			e := detect.New(Specs(), func(r *model.Request) { got = append(got, r.HTTP.Method+" "+r.HTTP.Path) }, nil)
			c := e.Conn(model.TransportTCP, false)
			for i, part := range []string{sent[:cut], sent[cut:]} {
				c.Feed(protocol.Received, []byte(part), time.Duration(i))
			}
			c.Feed(protocol.Sent, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 5)
			c.Close(protocol.Close{Time: 9})
			if strings.Join(got, ", ") != "GET /a" {
				t.Errorf("%s, cut at %d: %q", name, cut, got)
			}
		}
	}
}

// TestWhatOnlyLooksLikeAPROXYHeaderIsNotSwallowed holds that methods and line ends that share its beginning are read.
func TestWhatOnlyLooksLikeAPROXYHeaderIsNotSwallowed(t *testing.T) {
	for _, request := range []string{
		"PROPFIND /a HTTP/1.1\r\nHost: b\r\n\r\n", "\r\n\r\nGET /a HTTP/1.1\r\n\r\n", "PROXY /a HTTP/1.1\r\n\r\n", "PR /a HTTP/1.1\r\n\r\n",
	} {
		for cut := range len(request) {
			paths := 0
			e := detect.New(Specs(), func(r *model.Request) {
				if r.HTTP.Path == "/a" {
					paths++
				}
			}, nil)
			c := e.Conn(model.TransportTCP, false)
			c.Feed(protocol.Received, []byte(request[:cut]), 1)
			c.Feed(protocol.Received, []byte(request[cut:]), 2)
			c.Feed(protocol.Sent, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 5)
			c.Close(protocol.Close{Time: 9})
			if paths != 1 {
				t.Errorf("%q, cut at %d: %d requests", request, cut, paths)
			}
		}
	}
}
