// SPDX-License-Identifier: Apache-2.0

// Command gateway is the shop's front: an HTTP server that asks catalog (gRPC), cart, payment and shipping (HTTP) about an
// order. It asks the first two side by side, each from a goroutine of its own, and the others from the one that serves.
//
// The number of the order is part of every path and method: a test reads from it which call belongs to which request. No
// trace context is sent.
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
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type gateway struct {
	client                  *http.Client
	catalog                 *grpc.ClientConn
	cart, payment, shipping string // "http://127.0.0.1:40000"
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	catalog := flag.String("catalog", "", "host:port of the gRPC service catalog")
	g := &gateway{client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	flag.StringVar(&g.cart, "cart", "", "URL of cart")
	flag.StringVar(&g.payment, "payment", "", "URL of payment")
	flag.StringVar(&g.shipping, "shipping", "", "URL of shipping")
	flag.Parse()
	var err error
	if g.catalog, err = grpc.NewClient(*catalog, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{number}", g.order)
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

// order answers with the status of the first step that fails.
func (g *gateway) order(w http.ResponseWriter, r *http.Request) {
	number := r.PathValue("number")
	price, err := g.basket(r.Context(), number)
	if status.Code(err) == codes.NotFound {
		http.Error(w, "no such item", http.StatusNotFound)
		return
	}
	if err == nil {
		err = g.call(r.Context(), http.MethodPost, g.payment+"/payments/"+number, price)
	}
	if refused := (refusal{}); errors.As(err, &refused) && refused.status == http.StatusPaymentRequired {
		http.Error(w, "not paid", refused.status)
		return
	}
	if err == nil {
		err = g.call(r.Context(), http.MethodPost, g.shipping+"/shipments/"+number, "")
	}
	if err != nil {
		if !errors.As(err, &refusal{}) {
			log.Printf("order %s: %v", number, err) // not part of the play
		}
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "order %s for %s\n", number, price)
}

// basket asks catalog and cart side by side.
func (g *gateway) basket(ctx context.Context, number string) (price string, err error) {
	var both sync.WaitGroup
	var inCatalog, inCart error
	both.Go(func() {
		answer := &wrapperspb.StringValue{}
		inCatalog = g.catalog.Invoke(ctx, "/shop.Catalog/Price"+number, wrapperspb.String(number), answer)
		price = answer.GetValue()
	})
	both.Go(func() { inCart = g.call(ctx, http.MethodGet, g.cart+"/carts/"+number, "") })
	both.Wait()
	if inCatalog != nil {
		return "", inCatalog
	}
	return price, inCart
}

// refusal is an answer that is not 200.
type refusal struct {
	url    string
	status int
}

func (r refusal) Error() string { return fmt.Sprintf("%s answered %d", r.url, r.status) }

func (g *gateway) call(ctx context.Context, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return refusal{url, resp.StatusCode}
	}
	return nil
}
