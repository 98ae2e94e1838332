// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// metricReceiver takes metrics over gRPC or HTTP on a real socket, and misbehaves as it is told.
type metricReceiver struct {
	colmetricpb.UnimplementedMetricsServiceServer

	url    string
	behave func(n int) metricVerdict // nil takes everything

	mu       sync.Mutex
	requests int
	taken    []*metricpb.ResourceMetrics
}

// metricVerdict is what the receiver does with a request. The zero value takes it.
type metricVerdict struct {
	status   int   // HTTP
	code     error // gRPC
	rejected int64
	hang     bool // until the client goes
	drop     bool // take it and break the connection without an answer
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
	body, err := io.ReadAll(request.Body)
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
	t.Helper()
	r := &metricReceiver{behave: behave}
	if protocol != GRPC {
		server := httptest.NewServer(r)
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
	server := grpc.NewServer()
	colmetricpb.RegisterMetricsServiceServer(server, r)
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(server.Stop)
	r.url = "http://" + ln.Addr().String()
	return r
}
