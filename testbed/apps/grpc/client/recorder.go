// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
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

	unary bool // its end waits in end for the error that the caller gets
	end   *stats.End
}

type progressKey struct{}

// recorder prints calls when they have ended. It implements stats.Handler.
type recorder struct {
	mu  sync.Mutex
	out *json.Encoder
}

// unaryKey finds the progress of a unary call, which unary makes before TagRPC is asked.
type unaryKey struct{}

// unary is a grpc.UnaryClientInterceptor. It prints unary calls by the error that the caller gets: a server that refuses a call
// before the request is sent leaves none in stats.End.
func (r *recorder) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	p := &progress{method: strings.TrimPrefix(method, "/"), unary: true}
	err := invoke(context.WithValue(ctx, unaryKey{}, p), method, req, reply, cc, opts...)
	if p.end != nil {
		r.print(p, p.end, err)
	}
	return err
}

// TagRPC implements stats.Handler.
func (r *recorder) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	p, ok := ctx.Value(unaryKey{}).(*progress)
	if !ok {
		p = &progress{method: strings.TrimPrefix(info.FullMethodName, "/")}
	}
	return context.WithValue(ctx, progressKey{}, p)
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
		if p.unary {
			p.end = e
			return
		}
		r.print(p, e, e.Error)
	}
}

func (r *recorder) print(p *progress, e *stats.End, err error) {
	s := status.Convert(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.out.Encode(call{
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
