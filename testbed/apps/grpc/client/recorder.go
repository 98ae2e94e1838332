// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// call is what the client says of one call.
type call struct {
	Method     string `json:"method"` // "package.Service/Method"
	Status     int    `json:"status"`
	Message    string `json:"message"`
	Begun      bool   `json:"begun"` // its HEADERS were sent: a deadline may pass before
	Sent       int64  `json:"sent"`  // messages
	Received   int64  `json:"received"`
	DurationNS int64  `json:"duration_ns"`
}

// progress is a call on its way. Its events come from several goroutines.
type progress struct {
	method         string
	begun          atomic.Bool
	sent, received atomic.Int64
}

type progressKey struct{}

// recorder prints calls when they have ended. It implements stats.Handler.
type recorder struct {
	mu  sync.Mutex
	out *json.Encoder
}

// TagRPC implements stats.Handler.
func (r *recorder) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, progressKey{}, &progress{method: strings.TrimPrefix(info.FullMethodName, "/")})
}

// HandleRPC implements stats.Handler.
func (r *recorder) HandleRPC(ctx context.Context, event stats.RPCStats) {
	p := ctx.Value(progressKey{}).(*progress)
	switch e := event.(type) {
	case *stats.OutHeader:
		p.begun.Store(true)
	case *stats.OutPayload:
		p.sent.Add(1)
	case *stats.InPayload:
		p.received.Add(1)
	case *stats.End:
		r.print(p, e)
	}
}

func (r *recorder) print(p *progress, e *stats.End) {
	s := status.Convert(e.Error)
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.out.Encode(call{
		Method: p.method, Status: int(s.Code()), Message: s.Message(), Begun: p.begun.Load(), Sent: p.sent.Load(),
		Received: p.received.Load(), DurationNS: e.EndTime.Sub(e.BeginTime).Nanoseconds(),
	})
	if err != nil {
		log.Fatal(err)
	}
}

// TagConn implements stats.Handler.
func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (r *recorder) HandleConn(context.Context, stats.ConnStats) {}
