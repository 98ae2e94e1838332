// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // the server has to know it
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP receiver of one protocol on a real socket. behave decides for each request; what it lets through is
// kept.
type receiver struct {
	coltracepb.UnimplementedTraceServiceServer

	url    string
	behave func(n int) verdict

	mu       sync.Mutex
	requests int
	headers  []http.Header // HTTP only
	spans    []*tracepb.ResourceSpans
	close    func() // ends connections at once
}

// verdict is what a receiver does with a request. The zero value takes it.
type verdict struct {
	status     int // HTTP, 0 for 200
	retryAfter string
	code       error // gRPC
	rejected   int64
	message    string
	hang       <-chan struct{} // answer after it is closed
	drop       bool            // take the spans and break the connection without an answer
}

func (r *receiver) take(request *coltracepb.ExportTraceServiceRequest) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.requests
	r.requests++
	v := verdict{}
	if r.behave != nil {
		v = r.behave(n)
	}
	if (v.status == 0 && v.code == nil) || v.drop {
		r.spans = append(r.spans, request.ResourceSpans...)
	}
	return v
}

func response(v verdict) *coltracepb.ExportTraceServiceResponse {
	if v.rejected == 0 && v.message == "" {
		return &coltracepb.ExportTraceServiceResponse{}
	}
	return &coltracepb.ExportTraceServiceResponse{
		PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: v.rejected, ErrorMessage: v.message},
	}
}

// Export implements the service of gRPC.
func (r *receiver) Export(ctx context.Context, request *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	v := r.take(request)
	if v.hang != nil {
		select {
		case <-v.hang:
		case <-ctx.Done():
		}
	}
	if v.drop {
		go r.close()
		<-ctx.Done()
	}
	if v.code != nil {
		return nil, v.code
	}
	return response(v), nil
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var body io.Reader = request.Body
	if request.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	content, err := io.ReadAll(body)
	var message coltracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(content, &message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.headers = append(r.headers, request.Header.Clone())
	r.mu.Unlock()
	r.answer(w, request, r.take(&message))
}

func (r *receiver) answer(w http.ResponseWriter, request *http.Request, v verdict) {
	if v.hang != nil {
		select {
		case <-v.hang:
		case <-request.Context().Done():
		}
	}
	if v.drop {
		panic(http.ErrAbortHandler)
	}
	if v.retryAfter != "" {
		w.Header().Set("Retry-After", v.retryAfter)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	if v.status != 0 {
		w.WriteHeader(v.status)
		return
	}
	content, err := proto.Marshal(response(v))
	if err == nil {
		_, _ = w.Write(content)
	}
}

// received returns what was taken so far.
func (r *receiver) received() []*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var spans []*tracepb.Span
	for _, rs := range r.spans {
		for _, ss := range rs.ScopeSpans {
			spans = append(spans, ss.Spans...)
		}
	}
	return spans
}

func (r *receiver) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// listenHTTP starts a receiver of OTLP/HTTP. tlsConfig may be nil.
func listenHTTP(t testing.TB, tlsConfig *tls.Config, behave func(n int) verdict) *receiver {
	r := &receiver{behave: behave}
	return serveHTTP(t, httptest.NewUnstartedServer(r), r, tlsConfig)
}

func serveHTTP(t testing.TB, s *httptest.Server, r *receiver, tlsConfig *tls.Config) *receiver {
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if s.TLS = tlsConfig; tlsConfig != nil {
		s.StartTLS()
	} else {
		s.Start()
	}
	r.close = s.CloseClientConnections
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	r.url = s.URL + "/v1/traces"
	return r
}

// listenGRPC starts a receiver of OTLP/gRPC.
func listenGRPC(t testing.TB, tlsConfig *tls.Config, behave func(n int) verdict) *receiver {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveGRPC(t, ln, &receiver{behave: behave}, tlsConfig)
}

// listenAt starts a receiver on an address that was in use before.
func listenAt(t testing.TB, protocol Protocol, address string) *receiver {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	if protocol == GRPC {
		return serveGRPC(t, ln, r, nil)
	}
	s := httptest.NewUnstartedServer(r)
	_ = s.Listener.Close()
	s.Listener = ln
	return serveHTTP(t, s, r, nil)
}

func serveGRPC(t testing.TB, ln net.Listener, r *receiver, tlsConfig *tls.Config) *receiver {
	conns := &connections{Listener: ln}
	var options []grpc.ServerOption
	r.url = "http://" + ln.Addr().String()
	if tlsConfig != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(tlsConfig)))
		r.url = "https://" + ln.Addr().String()
	}
	s := grpc.NewServer(options...)
	coltracepb.RegisterTraceServiceServer(s, r)
	r.close = conns.reset
	go func() { _ = s.Serve(conns) }()
	t.Cleanup(s.Stop)
	return r
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

func (c *connections) reset() {
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
