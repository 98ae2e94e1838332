// SPDX-License-Identifier: Apache-2.0

// Command goserver is a plain net/http server with the routes that every server of the testbed offers.
//
// It is not an example of a good server: it trusts its callers, which are the tests and the bench.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "address to listen on")
	h2c := flag.Bool("h2c", false, "HTTP/2 without TLS too, for clients that begin with it")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := &http.Server{Handler: routes(), ErrorLog: log.New(io.Discard, "", 0)}
	if *h2c {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	fmt.Println("listening", ln.Addr())
	_ = srv.Serve(ln)
}

// routes counts in /count what the other routes served, so that a load that only knows what it finished can be held against
// what reached the server.
func routes() http.Handler {
	var served atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", ok)
	mux.HandleFunc("/any/", ok)
	mux.HandleFunc("/status/{code}", status)
	mux.HandleFunc("/sleep/{ms}", sleep)
	mux.HandleFunc("/bytes/{n}", body)
	mux.HandleFunc("/chunked/{n}", chunked)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, served.Load()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/count" {
			served.Add(1)
		}
		mux.ServeHTTP(w, r)
	})
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.PathValue(name))
	return n
}

func status(w http.ResponseWriter, r *http.Request) {
	code := number(r, "code")
	if code < 200 || code > 599 {
		code = http.StatusBadRequest
	}
	w.WriteHeader(code)
	if code != http.StatusNoContent && code != http.StatusNotModified {
		fmt.Fprintln(w, code)
	}
}

func sleep(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(number(r, "ms")) * time.Millisecond)
	ok(w, r)
}

func body(w http.ResponseWriter, r *http.Request) {
	n := number(r, "n")
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = io.CopyN(w, strings.NewReader(strings.Repeat("x", n)), int64(n))
}

func chunked(w http.ResponseWriter, r *http.Request) {
	piece := strings.Repeat("c", 1000)
	for n := number(r, "n"); n > 0; n -= len(piece) {
		_, _ = io.WriteString(w, piece[:min(n, len(piece))])
		w.(http.Flusher).Flush()
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprintln(w, n)
}
