// SPDX-License-Identifier: Apache-2.0

// Command otelapp is an HTTP server that traces itself with OpenTelemetry's SDK, as a service does whose people instrumented it:
// an observer must not tell the same again, and must find its own spans below the right ones of these.
//
// /ok answers, /call asks the upstream for the same path and query with the context of its client span. Both have a server
// span. The spans go out over OTLP/HTTP, to where OTEL_EXPORTER_OTLP_ENDPOINT says, within a tenth of a second. Without that
// variable there are none, and calls carry the context that came in, if any.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the server that /call asks")
	flag.Parse()
	if err := run(*addr, *upstream); err != nil {
		log.Fatal(err)
	}
}

func run(addr, upstream string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tracer, shutdown, err := newTracer(ctx)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	a := &app{upstream: upstream, tracer: tracer}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", a.ok)
	mux.HandleFunc("/call", a.call)
	srv := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	fmt.Println("listening", ln.Addr())
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return shutdown(context.Background())
}

// newTracer makes a tracer, and what sends its last spans.
func newTracer(ctx context.Context) (trace.Tracer, func(context.Context) error, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return noop.NewTracerProvider().Tracer("otelapp"), func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, err
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithBatchTimeout(100*time.Millisecond)))
	return provider.Tracer("otelapp"), provider.Shutdown, nil
}

type app struct {
	upstream string
	tracer   trace.Tracer
}

// propagator reads and writes traceparent.
var propagator = propagation.TraceContext{}

// serve begins the server span of a request.
func (a *app) serve(r *http.Request) (context.Context, trace.Span) {
	ctx := propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	return a.tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
}

func (a *app) ok(w http.ResponseWriter, r *http.Request) {
	_, span := a.serve(r)
	defer span.End()
	_, _ = io.WriteString(w, "ok\n")
}

func (a *app) call(w http.ResponseWriter, r *http.Request) {
	ctx, span := a.serve(r)
	defer span.End()
	ctx, client := a.tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient))
	defer client.End()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.upstream+"/any"+r.URL.RequestURI(), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	propagator.Inject(ctx, propagation.HeaderCarrier(request.Header))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	_, _ = io.WriteString(w, "called\n")
}
