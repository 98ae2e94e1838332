// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // the server has to know it
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

func (r *Receiver) takeTraces(request *coltracepb.ExportTraceServiceRequest) (Verdict, *coltracepb.ExportTraceServiceResponse) {
	v := r.decide(request.GetResourceSpans(), nil)
	response := &coltracepb.ExportTraceServiceResponse{}
	if v.Rejected != 0 || v.Message != "" {
		response.PartialSuccess = &coltracepb.ExportTracePartialSuccess{RejectedSpans: v.Rejected, ErrorMessage: v.Message}
	}
	return v, response
}

func (r *Receiver) takeMetrics(request *colmetricpb.ExportMetricsServiceRequest) (Verdict, *colmetricpb.ExportMetricsServiceResponse) {
	v := r.decide(nil, request.GetResourceMetrics())
	response := &colmetricpb.ExportMetricsServiceResponse{}
	if v.Rejected != 0 || v.Message != "" {
		response.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: v.Rejected, ErrorMessage: v.Message}
	}
	return v, response
}

func (r *Receiver) serveGRPC(ln net.Listener) (stop func()) {
	var options []grpc.ServerOption
	if r.c.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(r.c.TLS)))
	}
	s := grpc.NewServer(options...)
	coltracepb.RegisterTraceServiceServer(s, &traceService{r: r})
	colmetricpb.RegisterMetricsServiceServer(s, &metricsService{r: r})
	go func() { _ = s.Serve(ln) }()
	return s.Stop
}

type traceService struct {
	coltracepb.UnimplementedTraceServiceServer
	r *Receiver
}

// Export implements the service.
func (s *traceService) Export(ctx context.Context, request *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	s.r.noteMetadata(ctx)
	v, response := s.r.takeTraces(request)
	if err := s.r.wait(ctx, &v); err != nil {
		return nil, err
	}
	return response, nil
}

type metricsService struct {
	colmetricpb.UnimplementedMetricsServiceServer
	r *Receiver
}

// Export implements the service.
func (s *metricsService) Export(ctx context.Context, request *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	s.r.noteMetadata(ctx)
	v, response := s.r.takeMetrics(request)
	if err := s.r.wait(ctx, &v); err != nil {
		return nil, err
	}
	return response, nil
}

func (r *Receiver) noteMetadata(ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	h := http.Header{}
	for key, values := range md {
		for _, value := range values {
			h.Add(key, value)
		}
	}
	r.note(h)
}

func (r *Receiver) note(h http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, h)
}

// wait does to a call over gRPC what the verdict says.
func (r *Receiver) wait(ctx context.Context, v *Verdict) error {
	if v.Hang != nil {
		select {
		case <-v.Hang:
		case <-ctx.Done():
		}
	}
	if v.Drop {
		go r.Reset()
		<-ctx.Done()
	}
	return v.Code
}

func (r *Receiver) serveHTTP(ln net.Listener) (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, request *http.Request) {
		var message coltracepb.ExportTraceServiceRequest
		if r.read(w, request, &message) {
			v, response := r.takeTraces(&message)
			r.answer(w, request, &v, response)
		}
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, request *http.Request) {
		var message colmetricpb.ExportMetricsServiceRequest
		if r.read(w, request, &message) {
			v, response := r.takeMetrics(&message)
			r.answer(w, request, &v, response)
		}
	})
	s := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	if r.c.TLS != nil {
		ln = tls.NewListener(ln, r.c.TLS)
	}
	go func() { _ = s.Serve(ln) }()
	return func() { _ = s.Close() }
}

// read decodes the body of a request. It has answered when it is false.
func (r *Receiver) read(w http.ResponseWriter, request *http.Request, message proto.Message) bool {
	r.note(request.Header.Clone())
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return false
		}
		body = z
	}
	content, err := io.ReadAll(body)
	if err == nil {
		err = proto.Unmarshal(content, message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func (r *Receiver) answer(w http.ResponseWriter, request *http.Request, v *Verdict, response proto.Message) {
	if v.Hang != nil {
		select {
		case <-v.Hang:
		case <-request.Context().Done():
		}
	}
	if v.Drop {
		panic(http.ErrAbortHandler)
	}
	if v.RetryAfter != "" {
		w.Header().Set("Retry-After", v.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	if v.Status != 0 {
		w.WriteHeader(v.Status)
		return
	}
	content, err := proto.Marshal(response)
	if err == nil {
		_, _ = w.Write(content)
	}
}
