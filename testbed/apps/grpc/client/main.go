// SPDX-License-Identifier: Apache-2.0

// Command client performs calls of gRPC's interoperability tests and prints one JSON object a call: what it was and what the
// client itself says of it.
//
//	client -addr 127.0.0.1:40000 -conns 3 -times 5 -cases empty_unary,ping_pong
//	client -addr 127.0.0.1:40000 -conns 2 -streams 100 -calls 5000
//
// The cases are gRPC's own code, which ends the program when an answer is not what it must be.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	addr := flag.String("addr", "", "address of the server")
	conns := flag.Int("conns", 1, "connections, each of which does all of the following")
	times := flag.Int("times", 1, "how often each case runs on a connection, one after the other")
	list := flag.String("cases", "", "cases to run, with commas")
	calls := flag.Int("calls", 0, "unary calls on each connection, behind the cases")
	streams := flag.Int("streams", 1, "how many of the unary calls are under way at once on each connection")
	flag.Parse()
	rec := &recorder{out: json.NewEncoder(os.Stdout)}
	var wg sync.WaitGroup
	for range *conns {
		cc, err := grpc.NewClient("passthrough:///"+*addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithStatsHandler(rec), grpc.WithUnaryInterceptor(rec.unary))
		if err != nil {
			log.Fatal(err)
		}
		wg.Go(func() {
			runCases(cc, *list, *times)
			load(cc, *calls, *streams)
			_ = cc.Close()
		})
	}
	wg.Wait()
}

func runCases(cc *grpc.ClientConn, list string, times int) {
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			continue
		}
		run, known := cases[name]
		if !known {
			log.Fatalf("no case %q", name)
		}
		for range times {
			run(context.Background(), cc)
		}
	}
}

// load does n unary calls, of which so many as streams are under way at once.
func load(cc *grpc.ClientConn, n, streams int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				smallUnary(context.Background(), cc)
			}
		})
	}
	wg.Wait()
}
