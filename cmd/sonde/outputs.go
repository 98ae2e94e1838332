// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"sonde/agent/aggregate"
	"sonde/agent/identity/process"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/trace/sampling"
	"sonde/exporters/batch"
	"sonde/exporters/jaeger"
	"sonde/exporters/otlp"
	"sonde/exporters/semconv"
)

// outputs are the exporters that push.
type outputs struct {
	spans   fanOut
	tail    *sampling.Tail
	named   []namedStats
	metrics *otlp.Metrics
	runs    []func(context.Context) error
	closers []io.Closer
	log     *slog.Logger
}

type namedStats struct {
	name  string // short
	kind  string // as OpenTelemetry calls the type of the component
	stats func() batch.Stats
}

// spanExporter is what all exporters of spans are.
type spanExporter interface {
	pipeline.Sink
	Run(ctx context.Context) error
	Stats() batch.Stats
}

// open makes the exporters. Nothing is sent before run.
func (f *exportFlags) open(e env, agg *aggregate.Aggregator, now func() model.Clock, log *slog.Logger) (*outputs, error) {
	host := process.ReadHost("/proc")
	f.spans.Resource.Host, f.spans.Resource.Version = host, version
	f.points.Resource.Host, f.points.Resource.Version = host, version
	f.listen.Resource, f.listen.Clock = f.spans.Resource, now
	o := &outputs{log: log}
	err := errors.Join(f.openSpans(o, e, now), f.openMetrics(o, e, agg, now))
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	o.tail = sampling.NewTail(f.tail, sampling.Meaning{Failed: failed, AppendName: f.spans.Methods.AppendSpanName}, &o.spans)
	return o, nil
}

func failed(r *model.Request) bool {
	status, _ := semconv.StatusOf(r)
	return status == semconv.StatusError && semconv.IsSpan(r)
}

func (f *exportFlags) openSpans(o *outputs, e env, now func() model.Clock) error {
	if f.to.traceOTLP {
		x, err := otlp.NewTraces(f.spans, now, o.log)
		if err != nil {
			return fmt.Errorf("export spans as OTLP: %w", err)
		}
		o.add("otlp", otlpKind(f.spans.Protocol, "span"), x)
	}
	if f.to.traceConsole {
		x, err := otlp.NewFile(f.spans, e.stdout, now, o.log)
		if err != nil {
			return fmt.Errorf("write spans to the console: %w", err)
		}
		o.add("console", "console_span_exporter", x)
	}
	return errors.Join(f.openJaeger(o, now), f.openFile(o, now))
}

func (f *exportFlags) openJaeger(o *outputs, now func() model.Clock) error {
	if f.jaeger.Endpoint == "" {
		return nil
	}
	f.jaeger.Resource, f.jaeger.Methods = f.spans.Resource, f.spans.Methods
	x, err := jaeger.NewTraces(f.jaeger, now, o.log)
	if err != nil {
		return fmt.Errorf("export spans to Jaeger: %w", err)
	}
	o.add("jaeger", jaegerKind(f.jaeger.Endpoint), x)
	return nil
}

func (f *exportFlags) openFile(o *outputs, now func() model.Clock) error {
	if f.tracesFile == "" {
		return nil
	}
	file, err := os.OpenFile(f.tracesFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) // who talks to whom is not for all
	if err != nil {
		return fmt.Errorf("file for spans: %w", err)
	}
	o.closers = append(o.closers, file)
	x, err := otlp.NewFile(f.spans, file, now, o.log)
	if err != nil {
		return fmt.Errorf("write spans to %s: %w", f.tracesFile, err)
	}
	o.add("file", "otlp_file_span_exporter", x)
	return nil
}

func (f *exportFlags) openMetrics(o *outputs, e env, agg *aggregate.Aggregator, now func() model.Clock) error {
	var err error
	switch {
	case f.to.metricOTLP && f.to.metricConsole:
		return usageError{errors.New("metrics go to otlp or to the console, not to both")}
	case f.to.metricOTLP:
		o.metrics, err = otlp.NewMetrics(f.points, agg, now, o.log)
	case f.to.metricConsole:
		o.metrics, err = otlp.NewConsoleMetrics(f.points, e.stdout, agg, now, o.log)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("export metrics: %w", err)
	}
	o.runs = append(o.runs, o.metrics.Run)
	return nil
}

// String names the exporters of spans.
func (o *outputs) String() string {
	names := make([]string, len(o.named))
	for i, n := range o.named {
		names[i] = n.name
	}
	return cmp.Or(strings.Join(names, ","), "none")
}

// otlpKind is the value of otel.component.type.
func otlpKind(p otlp.Protocol, signal string) string {
	transport := map[otlp.Protocol]string{otlp.GRPC: "grpc", otlp.HTTPProtobuf: "http", otlp.HTTPJSON: "http_json"}[p]
	return "otlp_" + transport + "_" + signal + "_exporter"
}

func jaegerKind(endpoint string) string {
	if strings.HasPrefix(endpoint, "udp:") {
		return "jaeger_thrift_udp_span_exporter"
	}
	return "jaeger_thrift_http_span_exporter"
}

func (o *outputs) add(name, kind string, x spanExporter) {
	o.spans = append(o.spans, x)
	o.named = append(o.named, namedStats{name, kind, x.Stats})
	o.runs = append(o.runs, x.Run)
}

// run starts the exporters. stop ends them, once the pipeline has ended: what is queued is sent first, for 5 s at most.
func (o *outputs) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range o.runs {
		running.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				o.log.Error("an exporter has ended", "error", err)
			}
		})
	}
	return func() {
		o.tail.Close()
		cancel()
		running.Wait()
		if err := o.close(); err != nil {
			o.log.Error("close the file of spans", "error", err)
		}
		o.report()
	}
}

// report says at the end what did not get out.
func (o *outputs) report() {
	for _, n := range o.named {
		s := n.stats()
		lost := s.Added - s.Exported
		if lost > 0 {
			o.log.Warn("spans were not exported", "exporter", n.name, "spans", lost, "of", s.Added)
		}
	}
}

func (o *outputs) close() error {
	var errs []error
	for _, c := range o.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

var ownPID = uint32(os.Getpid())

// fanOut hands each span to every exporter.
type fanOut []spanExporter

// Request implements pipeline.Sink. What a receiver on this machine answered to sonde itself is no span: each export would make
// the next one.
func (f *fanOut) Request(r *model.Request) {
	if p := r.Client.Process; p != nil && p.PID == ownPID {
		return
	}
	for _, x := range *f {
		x.Request(r)
	}
}

// Flow implements pipeline.Sink: a flow is no span.
func (f *fanOut) Flow(*model.Flow, model.FlowDelta) {}

// Lost implements pipeline.Sink: what was lost is a metric.
func (f *fanOut) Lost(*model.Loss) {}

var _ interface{ Tick(time.Duration) } = (*sampling.Tail)(nil) // the pipeline gives it the time
