// SPDX-License-Identifier: Apache-2.0

// Command pool is an HTTP server whose requests are worked on by goroutines that live longer: a request that finds none idle
// starts one, and that one then takes the work of others too, while the request that started it still waits for something
// else. GET /jobs/N asks the upstream for /any/N.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	pause   = 20 * time.Millisecond // that a request waits after its work was done
	workers = 8
)

type job struct {
	url  string
	done chan error
}

type pool struct {
	jobs    chan job
	started chan struct{} // a token for each worker
	client  http.Client
}

func (p *pool) do(url string) error {
	j := job{url, make(chan error, 1)}
	select {
	case p.jobs <- j: // one is idle
	default:
		select {
		case p.started <- struct{}{}:
			go p.work()
		default:
		}
		p.jobs <- j
	}
	return <-j.done
}

func (p *pool) work() {
	for j := range p.jobs {
		resp, err := p.client.Get(j.url)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		j.done <- err
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the upstream")
	flag.Parse()
	p := &pool{jobs: make(chan job), started: make(chan struct{}, workers)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jobs/{number}", func(w http.ResponseWriter, r *http.Request) {
		if err := p.do(*upstream + "/any/" + r.PathValue("number")); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		time.Sleep(pause)
	})
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	fmt.Println("listening", ln.Addr())
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
