// SPDX-License-Identifier: Apache-2.0

// Package receiver is an OTLP receiver over gRPC or HTTP on a real socket that misbehaves as it is told, and remembers what it
// got.
//
// It is no backend and answers no queries: testbed/backends has those. It is for what no backend does on command: answers of
// 429 and 503, partial success, silence, broken connections, a process that is gone. Who calls it: the tests of exporters and
// testbed/e2e.
package receiver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Protocol is a value of OTEL_EXPORTER_OTLP_PROTOCOL.
type Protocol string

// The protocols.
const (
	GRPC Protocol = "grpc"
	HTTP Protocol = "http/protobuf"
)

// Verdict is what becomes of a request. The zero value takes it.
type Verdict struct {
	Status     int             // over HTTP, 0 for 200
	RetryAfter string          // over HTTP
	Code       error           // over gRPC, nil for OK
	Rejected   int64           // spans or data points of a partial success
	Message    string          // of the partial success
	Hang       <-chan struct{} // take it, and answer after this is closed
	Drop       bool            // take it, and break the connection without an answer
}

// taken tells whether the sender must take it that the receiver has what it sent.
func (v *Verdict) taken() bool { return v.Drop || v.Hang != nil || v.Status == 0 && v.Code == nil }

// Busy refuses in a way that may be tried again: 503, UNAVAILABLE.
func Busy() Verdict {
	return Verdict{Status: http.StatusServiceUnavailable, Code: status.Error(codes.Unavailable, "busy")}
}

// Throttled refuses for a time of whole seconds: 429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo.
func Throttled(wait time.Duration) Verdict {
	s, err := status.New(codes.ResourceExhausted, "slower").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		panic(err) // the message above is no message of protobuf
	}
	return Verdict{Status: http.StatusTooManyRequests, RetryAfter: fmt.Sprint(int(wait.Seconds())), Code: s.Err()}
}

// Config says how to listen.
type Config struct {
	Protocol Protocol
	TLS      *tls.Config // nil for none
	Address  string      // "" for a free port of 127.0.0.1
	// Behave decides on request n, from 0, of all signals together. nil takes everything. See Receiver.Behave.
	Behave func(n int) Verdict
}

// Receiver is a running receiver. Safe for concurrent use.
type Receiver struct {
	URL     string // without a path: "http://127.0.0.1:40000"
	Address string

	c Config

	mu       sync.Mutex
	behave   func(n int) Verdict
	requests int
	headers  []http.Header
	spans    []*tracepb.ResourceSpans
	metrics  []*metricpb.ResourceMetrics
	conns    *connections // nil while it is down
	stop     func()
}

// Listen starts a receiver, which the caller must Close.
func Listen(c Config) (*Receiver, error) {
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	r := &Receiver{c: c, behave: c.Behave, Address: c.Address}
	if err := r.Up(); err != nil {
		return nil, err
	}
	r.URL = "http://" + r.Address
	if c.TLS != nil {
		r.URL = "https://" + r.Address
	}
	return r, nil
}

// Up listens again, at the same address, after Down.
func (r *Receiver) Up() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns != nil {
		return errors.New("the receiver is up already")
	}
	ln, err := net.Listen("tcp", r.Address)
	if err != nil {
		return fmt.Errorf("receive OTLP: %w", err)
	}
	r.Address = ln.Addr().String()
	r.conns = &connections{Listener: ln}
	switch r.c.Protocol {
	case GRPC:
		r.stop = r.serveGRPC(r.conns)
	case HTTP:
		r.stop = r.serveHTTP(r.conns)
	default:
		r.conns = nil
		return errors.Join(fmt.Errorf("no receiver of OTLP over %q", r.c.Protocol), ln.Close())
	}
	return nil
}

// Down stops listening and resets what is connected, as a process that is killed would.
func (r *Receiver) Down() {
	r.mu.Lock()
	conns, stop := r.conns, r.stop
	r.conns = nil
	r.mu.Unlock()
	if conns != nil {
		_ = conns.Close()
		conns.Reset()
		stop()
	}
}

// Close ends the receiver. What it got can still be read.
func (r *Receiver) Close() { r.Down() }

// Reset breaks all connections. It goes on to listen.
func (r *Receiver) Reset() {
	r.mu.Lock()
	conns := r.conns
	r.mu.Unlock()
	if conns != nil {
		conns.Reset()
	}
}

// Behave decides what becomes of requests from now on; they are numbered from 0 again. nil takes everything.
func (r *Receiver) Behave(f func(n int) Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behave, r.requests = f, 0
}

// decide asks what to do with a request, and keeps what it brought unless it is refused.
func (r *Receiver) decide(spans []*tracepb.ResourceSpans, metrics []*metricpb.ResourceMetrics) Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.requests
	r.requests++
	var v Verdict
	if r.behave != nil {
		v = r.behave(n)
	}
	if v.taken() {
		r.spans = append(r.spans, spans...)
		r.metrics = append(r.metrics, metrics...)
	}
	return v
}

// Requests is the number of requests since the last Behave, refused ones included.
func (r *Receiver) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// Headers are those of the requests so far, in their order. Of gRPC they are the metadata.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]http.Header(nil), r.headers...)
}

// ResourceSpans are the messages that were taken so far, those of partial successes whole. They are shared: do not change them.
func (r *Receiver) ResourceSpans() []*tracepb.ResourceSpans {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*tracepb.ResourceSpans(nil), r.spans...)
}

// Spans are those of ResourceSpans.
func (r *Receiver) Spans() []*tracepb.Span {
	var spans []*tracepb.Span
	for _, rs := range r.ResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			spans = append(spans, ss.GetSpans()...)
		}
	}
	return spans
}

// ResourceMetrics are the messages that were taken so far. They are shared: do not change them.
func (r *Receiver) ResourceMetrics() []*metricpb.ResourceMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*metricpb.ResourceMetrics(nil), r.metrics...)
}

// Forget gives back the memory of what was taken, for benchmarks.
func (r *Receiver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans, r.metrics, r.headers = nil, nil, nil
}

// connections is a listener that can break what it accepted.
type connections struct {
	net.Listener

	mu   sync.Mutex
	open []net.Conn
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// Reset breaks what is open: the other ends get RST.
func (c *connections) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	c.open = nil
}
