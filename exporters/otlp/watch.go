// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// exchange follows the tries of a client to deliver one batch: whether the last one was sent, and whether an answer came. It
// is safe for concurrent use.
type exchange struct {
	timeout time.Duration
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	written  bool
	answered bool
}

var errNoAnswer = errors.New("no answer in time")

type exchangeKey struct{}

// watch returns a context whose use by a client is followed. A try that has no answer within timeout ends it, because what
// was sent once is not sent again. Call end when the client is done.
func watch(ctx context.Context, timeout time.Duration) (context.Context, *exchange) {
	ctx, cancel := context.WithCancelCause(ctx)
	x := &exchange{timeout: timeout, cancel: cancel}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { x.begin() },
		WroteHeaders:         func() { x.wrote() },
		GotFirstResponseByte: func() { x.answer() },
	}), x
}

// begin is the start of a try.
func (x *exchange) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.written, x.answered = false, false
	x.stop()
	x.timer = time.AfterFunc(x.timeout, func() { x.cancel(errNoAnswer) })
}

func (x *exchange) wrote() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.written = true
}

func (x *exchange) answer() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
	x.stop()
}

func (x *exchange) stop() {
	if x.timer != nil {
		x.timer.Stop()
	}
}

func (x *exchange) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stop()
	x.cancel(nil)
}

// state tells of the last try.
func (x *exchange) state() (written, answered bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written, x.answered
}

// callWatcher tells exchanges what happens to gRPC calls. It implements stats.Handler.
type callWatcher struct{}

// HandleRPC implements stats.Handler.
func (callWatcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.OutPayload:
		x.wrote()
	case *stats.InTrailer: // headers say nothing of what became of the call
		x.answer()
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
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return invoke(ctx, method, req, reply, conn, options...)
	}
	x.begin()
	err := invoke(ctx, method, req, reply, conn, options...)
	if written, answered := x.state(); err != nil && written && !answered {
		return status.Errorf(codes.Unknown, "no answer: %v", err)
	}
	return err
}
