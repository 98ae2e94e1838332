// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"sonde/agent/model"
	"sonde/exporters/batch"
)

// Default endpoints of metrics, as those of spans.
const defaultMetricsHTTP = "http://localhost:4318/v1/metrics"

// flushTimeout is for what is under way when the agent stops, and for the last export together.
const flushTimeout = 5 * time.Second

// MetricSource gives the metrics of now.
type MetricSource interface{ Snapshot() *model.Snapshot }

// MetricsStats are counts since the start.
type MetricsStats struct {
	Exports  uint64 // snapshots sent, wholly or in part
	Requests uint64 // one for each service and export
	Points   uint64 // data points that the receiver took
	Rejected uint64 // that it did not take, by its own word
	Failed   uint64 // that did not reach it
	Time     time.Duration
}

// Dropped returns the points that no receiver took, by the error.type of batch.Reason.
func (s MetricsStats) Dropped() map[string]uint64 {
	return map[string]uint64{batch.Rejected.String(): s.Rejected, batch.Failed.String(): s.Failed}
}

// Metrics sends a snapshot at each interval: one request for each observed service, and one for the agent's own metrics.
// Run is for one goroutine, Stats for all.
type Metrics struct {
	cfg     MetricsConfig
	source  MetricSource
	client  sdkmetric.Exporter
	kind    string
	encoder *metricEncoder
	log     *slog.Logger
	now     func() time.Time

	mu    sync.Mutex
	stats MetricsStats

	taken time.Duration // of the last snapshot that the receiver has, whole or in part; Run alone asks

	complained time.Time
	silent     int // failures since then that were not logged
}

// NewMetrics makes an exporter of source. clock turns the times of snapshots into wall time. c must be valid. Nothing is sent
// before Run, and an unreachable receiver is no error of the start.
func NewMetrics(c MetricsConfig, source MetricSource, clock func() model.Clock, log *slog.Logger) (*Metrics, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client, err := newMetricClient(&c)
	if err != nil {
		return nil, fmt.Errorf("start the OTLP client of metrics: %w", err)
	}
	m := newMetrics(c, client, source, clock, log)
	if m.kind = "otlp_http_metric_exporter"; c.Protocol == GRPC {
		m.kind = "otlp_grpc_metric_exporter"
	}
	return m, nil
}

func newMetrics(c MetricsConfig, client sdkmetric.Exporter, source MetricSource, clock func() model.Clock, log *slog.Logger) *Metrics {
	return &Metrics{cfg: c, source: source, client: client, encoder: newMetricEncoder(c, clock), log: log, now: time.Now}
}

// Type returns what the conventions for SDKs call this exporter (otel.component.type).
func (m *Metrics) Type() string { return m.kind }

func newMetricClient(c *MetricsConfig) (sdkmetric.Exporter, error) {
	if c.Protocol == GRPC {
		return grpcMetricClient(c)
	}
	options := []otlpmetrichttp.Option{
		otlpmetrichttp.WithTimeout(c.ExportTimeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: c.RetryFirst, MaxInterval: c.RetryMost}),
	}
	switch {
	case c.Endpoint != "":
		options = append(options, otlpmetrichttp.WithEndpointURL(c.Endpoint))
	case c.defaultEndpoint:
		options = append(options, otlpmetrichttp.WithEndpointURL(defaultMetricsHTTP))
	}
	if c.headers != nil {
		headers := map[string]string{"User-Agent": userAgent(c.Resource.Version)}
		maps.Copy(headers, c.headers)
		options = append(options, otlpmetrichttp.WithHeaders(headers))
	}
	return otlpmetrichttp.New(context.Background(), options...)
}

func grpcMetricClient(c *MetricsConfig) (sdkmetric.Exporter, error) {
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithTimeout(c.ExportTimeout),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: true, InitialInterval: c.RetryFirst, MaxInterval: c.RetryMost}),
		otlpmetricgrpc.WithDialOption(
			grpc.WithUserAgent(userAgent(c.Resource.Version)),
			grpc.WithUnaryInterceptor(watchCall),
			grpc.WithStatsHandler(callWatcher{}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: c.RetryFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMost},
				MinConnectTimeout: c.Timeout,
			}),
		),
	}
	switch {
	case c.Endpoint != "":
		options = append(options, otlpmetricgrpc.WithEndpointURL(c.Endpoint))
	case c.defaultEndpoint:
		options = append(options, otlpmetricgrpc.WithEndpointURL(defaultGRPC))
	}
	return otlpmetricgrpc.New(context.Background(), options...)
}

// Run exports at each interval until ctx is done, and once more then: all of that ends within 5 s. It has no error: what
// happens to exports is in Stats and in the log.
func (m *Metrics) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(flushTimeout, cancel) })
	defer stop()
	ticker := time.NewTicker(m.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.export(work)
		case <-ctx.Done():
			m.export(work)
			_ = m.client.Shutdown(work) // nothing is under way any more
			return nil
		}
	}
}

// export sends one snapshot, unless the receiver has one of the same moment: the capture has ended, and nothing changes.
func (m *Metrics) export(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.ExportTimeout)
	defer cancel()
	began := m.now()
	snapshot := m.source.Snapshot()
	if snapshot.Time != 0 && snapshot.Time == m.taken {
		return
	}
	exports := m.encoder.encode(snapshot, began)
	var s MetricsStats
	for _, x := range exports {
		err := m.send(ctx, x)
		s.Requests++
		rejected, partial := rejectedPoints(err)
		switch {
		case err == nil:
			s.Points += uint64(x.points)
		case partial:
			rejected = min(rejected, x.points)
			s.Points, s.Rejected = s.Points+uint64(x.points-rejected), s.Rejected+uint64(rejected)
		default:
			s.Failed += uint64(x.points)
		}
		m.complain(err, x.points)
	}
	if s.Failed == 0 || s.Points > 0 {
		s.Exports, m.taken = 1, snapshot.Time
	}
	s.Time = m.now().Sub(began)
	m.count(s)
}

func (m *Metrics) count(s MetricsStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &m.stats
	t.Exports, t.Requests, t.Points = t.Exports+s.Exports, t.Requests+s.Requests, t.Points+s.Points
	t.Rejected, t.Failed, t.Time = t.Rejected+s.Rejected, t.Failed+s.Failed, t.Time+s.Time
}

// send makes one request. What was sent and has no answer in time is not sent again: a delta would count twice.
func (m *Metrics) send(ctx context.Context, x *export) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, watched := batch.Watch(ctx, m.cfg.Timeout)
	defer watched.End()
	return m.client.Export(ctx, &x.metrics)
}

// Stats returns the counts so far.
func (m *Metrics) Stats() MetricsStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// complainEvery is the least time between two complaints about a receiver.
const complainEvery = time.Minute

func (m *Metrics) complain(err error, points int) {
	if err == nil {
		return
	}
	if now := m.now(); now.Sub(m.complained) >= complainEvery {
		m.log.Warn("metrics were not exported", "error", err, "points", points, "more_failures", m.silent)
		m.complained, m.silent = now, 0
		return
	}
	m.silent++
}

var rejected = regexp.MustCompile(`\((\d+) metric data points? rejected\)`)

// rejectedPoints finds the number of points that a receiver did not take in what a client returns, as partialSuccess does
// for spans.
func rejectedPoints(err error) (n int, partial bool) {
	if err == nil {
		return 0, false
	}
	found := rejected.FindStringSubmatch(err.Error())
	if found == nil {
		return 0, false
	}
	n, err = strconv.Atoi(found[1])
	return n, err == nil
}
