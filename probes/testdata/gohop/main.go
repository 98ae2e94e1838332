// SPDX-License-Identifier: Apache-2.0

// Command gohop is a chain of HTTP servers in one process, for tests of what uprobes tell about goroutines: it asks a front
// server, whose handler asks a back server. Every request says in X-Goid which goroutine asks, and every answer which one
// served.
//
//	gohop -proto http1|http2 -wrap first|behind
//
// It prints the addresses of both servers, reads the addresses by which they are to be asked, the number of requests and how
// many of them are under way at once, asks, and prints "done". The end of its input ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

func goid() string {
	var b [64]byte
	return strings.Fields(string(b[:runtime.Stack(b[:], false)]))[1]
}

var client *http.Client

func ask(addr string) (*http.Response, error) {
	req, err := http.NewRequest("GET", "http://"+addr+"/", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Goid", goid())
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// first and behind wrap a connection, as metrics and limits of bandwidth do.
type (
	first struct {
		net.Conn
		n int
	}
	behind struct {
		n int
		net.Conn
	}
)

func dialer(wrap string) func(context.Context, string, string) (net.Conn, error) {
	var d net.Dialer
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		switch {
		case err == nil && wrap == "first":
			c = &first{Conn: c}
		case err == nil && wrap == "behind":
			c = &behind{Conn: c}
		}
		return c, err
	}
}

func serve(p *http.Protocols, h http.HandlerFunc) net.Addr {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal((&http.Server{Handler: h, Protocols: p}).Serve(ln)) }()
	return ln.Addr()
}

func main() {
	proto := flag.String("proto", "http1", "http1 or http2")
	wrap := flag.String("wrap", "", "what stands between net/http and its connections")
	flag.Parse()
	p := new(http.Protocols)
	p.SetHTTP1(*proto == "http1")
	p.SetUnencryptedHTTP2(*proto == "http2")
	client = &http.Client{Transport: &http.Transport{
		Protocols: p, MaxIdleConnsPerHost: 64, DialContext: dialer(*wrap),
	}}
	var via atomic.Pointer[string]
	back := serve(p, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Goid", goid()) })
	front := serve(p, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Goid", goid())
		if _, err := ask(*via.Load()); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	fmt.Println(front, back)
	for {
		var frontVia, backVia string
		var n, atOnce int
		if _, err := fmt.Scanln(&frontVia, &backVia, &n, &atOnce); err != nil {
			return
		}
		via.Store(&backVia)
		load(frontVia, n, atOnce)
		fmt.Println("done")
	}
}

func load(addr string, n, atOnce int) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range atOnce {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if resp, err := ask(addr); err != nil || resp.StatusCode != http.StatusOK {
					log.Fatal("asked in vain: ", err)
				}
			}
		})
	}
	wg.Wait()
}
