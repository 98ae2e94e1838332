// SPDX-License-Identifier: Apache-2.0

package batch

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync"
	"time"
)

// Exchange follows the tries of a client to deliver something: whether the last one was sent, and whether an answer came. What
// was sent without an answer must not be sent again: the receiver may have it. It is safe for concurrent use.
type Exchange struct {
	timeout time.Duration
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	written  bool
	answered bool
}

var errNoAnswer = errors.New("no answer in time")

type exchangeKey struct{}

// Watch returns a context whose use by an HTTP client is followed. A try without an answer within timeout ends the context.
// Call End when the client is done.
func Watch(ctx context.Context, timeout time.Duration) (context.Context, *Exchange) {
	ctx, cancel := context.WithCancelCause(ctx)
	x := &Exchange{timeout: timeout, cancel: cancel}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { x.Begin() },
		WroteHeaders:         x.Wrote,
		GotFirstResponseByte: x.Answered,
	}), x
}

// Watched returns the exchange of a context that comes from Watch, for clients that are no HTTP clients. ok is false for
// another context.
func Watched(ctx context.Context) (x *Exchange, ok bool) {
	x, ok = ctx.Value(exchangeKey{}).(*Exchange)
	return x, ok
}

// Begin is the start of a try.
func (x *Exchange) Begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.written, x.answered = false, false
	x.stop()
	x.timer = time.AfterFunc(x.timeout, func() { x.cancel(errNoAnswer) })
}

// Wrote says that a part of the try may have reached the receiver.
func (x *Exchange) Wrote() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.written = true
}

// Answered says that the receiver answered.
func (x *Exchange) Answered() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
	x.stop()
}

func (x *Exchange) stop() {
	if x.timer != nil {
		x.timer.Stop()
	}
}

// End releases what the exchange holds and ends its context.
func (x *Exchange) End() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stop()
	x.cancel(nil)
}

// Untouched says that the receiver has nothing of the last try.
func (x *Exchange) Untouched() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.written
}

// Unconfirmed says that the last try was sent and never answered.
func (x *Exchange) Unconfirmed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written && !x.answered
}
