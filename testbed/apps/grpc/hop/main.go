// SPDX-License-Identifier: Apache-2.0

// Command hop is a chain of gRPC servers in one process, for tests of what uprobes tell about goroutines: it calls a front
// server, whose handler calls a back server. Every call says in x-goid which goroutine calls, and every answer which one
// served.
//
// It prints the addresses of both servers, reads the addresses by which they are to be called, the number of calls and how
// many of them are under way at once, calls, and prints "done". The end of its input ends it.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

func goid() string {
	var b [64]byte
	return strings.Fields(string(b[:runtime.Stack(b[:], false)]))[1]
}

// hop answers an empty call, after one to the next server when there is one.
type hop struct {
	grpc_testing.UnimplementedTestServiceServer
	next *atomic.Pointer[grpc.ClientConn]
}

func (h *hop) EmptyCall(ctx context.Context, _ *grpc_testing.Empty) (*grpc_testing.Empty, error) {
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-goid", goid())); err != nil {
		return nil, err
	}
	if h.next != nil {
		if err := call(h.next.Load()); err != nil {
			return nil, err
		}
	}
	return &grpc_testing.Empty{}, nil
}

func call(cc *grpc.ClientConn) error {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-goid", goid())
	_, err := grpc_testing.NewTestServiceClient(cc).EmptyCall(ctx, &grpc_testing.Empty{})
	return err
}

func dial(addr string) *grpc.ClientConn {
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return cc
}

func serve(h *hop) net.Addr {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(srv, h)
	go func() { log.Fatal(srv.Serve(ln)) }()
	return ln.Addr()
}

func main() {
	var next atomic.Pointer[grpc.ClientConn]
	back, front := serve(&hop{}), serve(&hop{next: &next})
	fmt.Println(front, back)
	for {
		var frontVia, backVia string
		var n, atOnce int
		if _, err := fmt.Scanln(&frontVia, &backVia, &n, &atOnce); err != nil {
			return
		}
		next.Store(dial(backVia))
		load(dial(frontVia), n, atOnce)
		fmt.Println("done")
	}
}

func load(cc *grpc.ClientConn, n, atOnce int) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range atOnce {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(cc); err != nil {
					log.Fatal("called in vain: ", err)
				}
			}
		})
	}
	wg.Wait()
}
