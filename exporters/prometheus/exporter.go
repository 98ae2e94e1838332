// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Exporter serves /metrics, /healthz and /readyz. All methods are safe for concurrent use.
type Exporter struct {
	log      *slog.Logger
	registry *prometheus.Registry
	handler  http.Handler
	ready    atomic.Bool
}

// Limits of the server. A scraper needs none of them; they keep others from holding on to it.
const (
	maxScrapes     = 4 // at the same time
	headerTimeout  = 5 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	stopTimeout    = 2 * time.Second // for scrapes under way when the agent stops
)

// New returns an exporter of source, and of the Go runtime's and the process's own metrics. It is not ready yet.
func New(source Source, log *slog.Logger) *Exporter { return Default().New(source, log) }

// New is the function of the same name with another configuration. Listen and Control mean nothing here.
func (c Config) New(source Source, log *slog.Logger) *Exporter {
	e := &Exporter{log: log, registry: prometheus.NewRegistry()}
	e.registry.MustRegister(
		newCollector(source, c),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	e.handler = e.routes()
	return e
}

func (e *Exporter) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{
		Registry:            e.registry,
		ErrorLog:            scrapeLog{e.log},
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide all others
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "sonde is alive.") })
	mux.HandleFunc("GET /readyz", e.serveReady)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, "sonde serves /metrics, /healthz and /readyz.")
	})
	return mux
}

func (e *Exporter) serveReady(w http.ResponseWriter, _ *http.Request) {
	if !e.ready.Load() {
		say(w, http.StatusServiceUnavailable, "sonde is not ready: it is still attaching probes and listing open sockets.")
		return
	}
	say(w, http.StatusOK, "sonde is ready: probes are attached and the open sockets are listed.")
}

func say(w http.ResponseWriter, code int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, sentence+"\n") // a client that has gone needs no answer
}

// SetReady decides what /readyz answers.
func (e *Exporter) SetReady(ready bool) { e.ready.Store(ready) }

// Handler returns the handler of all paths.
func (e *Exporter) Handler() http.Handler { return e.handler }

// Serve answers on ln until ctx is done, then lets scrapes under way end and returns nil. It closes ln in any case.
func (e *Exporter) Serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           e.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		err = server.Close() // what has not ended by now is cut
		e.log.Debug("scrapes were cut at stop", "error", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics on %s: %w", ln.Addr(), err)
	}
	return nil
}

// scrapeLog gives client_golang the logger that it wants.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) { l.log.Warn("a scrape is incomplete", "error", fmt.Sprint(v...)) }
