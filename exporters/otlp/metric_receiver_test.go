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

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
)

// metricReceiver takes metrics over gRPC or HTTP on a real socket, and misbehaves as it is told.
type metricReceiver struct {
	colmetricpb.UnimplementedMetricsServiceServer

	url    string
	behave func(n int) metricVerdict // nil takes everything

	mu       sync.Mutex
	requests int
	headers  []http.Header // HTTP only
	taken    []*metricpb.ResourceMetrics
}

// metricVerdict is what the receiver does with a request. The zero value takes it.
type metricVerdict struct {
	status     int // HTTP
	retryAfter string
	code       error // gRPC
	rejected   int64
	hang       bool // until the client goes
	drop       bool // take it and break the connection without an answer
}

func (r *metricReceiver) take(request *colmetricpb.ExportMetricsServiceRequest) (metricVerdict, *colmetricpb.ExportMetricsServiceResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var v metricVerdict
	if r.behave != nil {
		v = r.behave(r.requests)
	}
	r.requests++
	if v.status == 0 && v.code == nil {
		r.taken = append(r.taken, request.ResourceMetrics...)
	}
	response := &colmetricpb.ExportMetricsServiceResponse{}
	if v.rejected != 0 {
		response.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: v.rejected, ErrorMessage: "too old"}
	}
	return v, response
}

// Export implements the service of gRPC.
func (r *metricReceiver) Export(ctx context.Context, request *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	v, response := r.take(request)
	if v.hang {
		<-ctx.Done()
	}
	if v.code != nil {
		return nil, v.code
	}
	return response, nil
}

// ServeHTTP implements http.Handler.
func (r *metricReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	from := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = unpacked
	}
	body, err := io.ReadAll(from)
	r.mu.Lock()
	r.headers = append(r.headers, request.Header.Clone())
	r.mu.Unlock()
	var message colmetricpb.ExportMetricsServiceRequest
	if err != nil || proto.Unmarshal(body, &message) != nil {
		http.Error(w, "no metrics", http.StatusBadRequest)
		return
	}
	v, response := r.take(&message)
	if v.hang {
		<-request.Context().Done()
		return
	}
	if v.drop {
		panic(http.ErrAbortHandler)
	}
	if v.retryAfter != "" {
		w.Header().Set("Retry-After", v.retryAfter)
	}
	if v.status != 0 {
		http.Error(w, "not now", v.status)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	content, err := proto.Marshal(response)
	if err == nil {
		_, _ = w.Write(content)
	}
}

func (r *metricReceiver) received() []*metricpb.ResourceMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*metricpb.ResourceMetrics(nil), r.taken...)
}

func (r *metricReceiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// receiveMetrics starts a receiver of protocol.
func receiveMetrics(t testing.TB, protocol Protocol, behave func(n int) metricVerdict) *metricReceiver {
	return receiveMetricsTLS(t, protocol, nil, behave)
}

// receiveMetricsTLS is the same over TLS, unless config is nil.
func receiveMetricsTLS(t testing.TB, protocol Protocol, config *tls.Config, behave func(n int) metricVerdict) *metricReceiver {
	t.Helper()
	r := &metricReceiver{behave: behave}
	if protocol != GRPC {
		server := httptest.NewUnstartedServer(r)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		if server.TLS = config; config != nil {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
		r.url = server.URL + "/v1/metrics"
		return r
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var options []grpc.ServerOption
	r.url = "http://" + ln.Addr().String()
	if config != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
		r.url = "https://" + ln.Addr().String()
	}
	server := grpc.NewServer(options...)
	colmetricpb.RegisterMetricsServiceServer(server, r)
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(server.Stop)
	return r
}
