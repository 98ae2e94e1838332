// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"sonde/exporters/batch"
)

// callWatcher tells exchanges what happens to gRPC calls. It implements stats.Handler.
type callWatcher struct{}

// HandleRPC implements stats.Handler.
func (callWatcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	x, ok := batch.Watched(ctx)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.OutPayload:
		x.Wrote()
	case *stats.InTrailer: // headers say nothing of what became of the call
		x.Answered()
	}
}

// TagRPC implements stats.Handler.
func (callWatcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (callWatcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (callWatcher) HandleConn(context.Context, stats.ConnStats) {}

// watchCall keeps the client from sending again what has no answer: codes that gRPC makes up itself, as UNAVAILABLE for a
// connection that broke, look to it like those of a server.
func watchCall(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	x, ok := batch.Watched(ctx)
	if !ok {
		return invoke(ctx, method, req, reply, conn, options...)
	}
	x.Begin()
	err := invoke(ctx, method, req, reply, conn, options...)
	if err != nil && x.Unconfirmed() {
		return status.Errorf(codes.Unknown, "no answer: %v", err)
	}
	return err
}
