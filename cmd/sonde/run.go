// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sonde/agent/aggregate"
	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/selfexport"
	"sonde/exporters/prometheus"
	"sonde/probes"
)

type runFlags struct {
	capture captureFlags
	export  exportFlags
	log     *slog.Logger
}

// memoryLimit is the soft limit of the Go heap: far above what the agent needs, so that a mistake collects harder instead
// of eating the node. GOMEMLIMIT overrides it.
const memoryLimit = 256 << 20

// gcPercent lets the heap grow by half before it is collected, and not to its double: a queue of spans that is full is most of
// what there is, and a collection is due every few seconds at any rate. GOGC overrides it.
const gcPercent = 50

func runCommand(e env) *cobra.Command {
	f := runFlags{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: observe everything, serve metrics, export spans",
		Long: `Run the daemon: observe everything, serve metrics, export spans.

  /metrics    for Prometheus (text, OpenMetrics)
  /healthz    200 while the process works
  /readyz     200 once all probes are attached and the sockets that existed before are listed

` + exportHelp + `

SIGINT or SIGTERM ends it: what waits to be exported is sent, for 5 s at most, and nothing stays attached.`,
		Example: `  sonde run --prometheus-listen :9464
  OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 sonde run
  OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.01 \
    sonde run --traces-keep errors,slow`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.export.parse(e, cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd.Context(), e)
		},
	}
	f.capture.register(cmd, e)
	f.export.register(cmd, e)
	return cmd
}

func (f *runFlags) run(ctx context.Context, e env) error {
	if e.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if e.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	f.log = slog.New(slog.NewTextHandler(e.stderr, nil))
	exporting := selfexport.New(f.export.selfExport())
	tracer, err := f.tracer(e, exporting)
	if err != nil {
		return err
	}
	ln, err := f.listen(ctx)
	if err != nil {
		return err
	}
	now := &clock{}
	self := newSelfSource()
	agg := aggregate.New(f.export.aggregate(), self)
	out, err := f.export.open(e, agg, now.now, f.log)
	if err != nil {
		return errors.Join(err, closeListener(ln))
	}
	exporter := f.export.listen.New(agg, f.log)
	options := captureOptions{scope: filter.Scope{Requests: true, Flows: true}, clock: now, listener: ln, tracer: tracer}
	var k *capture
	options.ready = func() {
		exporter.SetReady(true)
		f.log.Info("ready", "state", readiness(k), "metrics", metricsURL(ln), "spans", out.String())
	}
	k, err = f.capture.start(options, metricsSink{agg}, seen{self}, selfExportSink{exporting}, out.tail)
	if err != nil {
		return errors.Join(err, closeListener(ln), out.close())
	}
	self.attach(k, out, tracer, exporting)
	if ln != nil {
		ln = ownListener{ln, k.set}
	}
	return f.serve(ctx, k, exporter, ln, out)
}

// tracer is made where spans go out.
func (f *runFlags) tracer(e env, exporting *selfexport.Detector) (*trace.Tracer, error) {
	if !f.export.spansWanted() {
		return nil, nil
	}
	return newTracer(propagators(e), f.export.head, exporting.Traces)
}

// listen opens the address for scrapes, nil when metrics are not for Prometheus.
func (f *runFlags) listen(ctx context.Context) (net.Listener, error) {
	if !f.export.to.prometheus {
		return nil, nil
	}
	return f.export.listen.Open(ctx)
}

func closeListener(ln net.Listener) error {
	if ln == nil {
		return nil
	}
	return ln.Close()
}

func metricsURL(ln net.Listener) string {
	if ln == nil {
		return "none"
	}
	return "http://" + ln.Addr().String() + "/metrics"
}

// serve runs the capture, the HTTP server and the exporters. The first of capture and server that ends stops the other; the
// exporters go last, as they send what came in until then.
func (f *runFlags) serve(ctx context.Context, k *capture, exporter *prometheus.Exporter, ln net.Listener, out *outputs) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		if ln == nil {
			served <- nil
			return
		}
		served <- exporter.Serve(ctx, ln)
		cancel()
	}()
	go func() { _ = k.resolver.Run(ctx) }() // ends with ctx and has no other error
	go func() {
		if err := probes.SampleStats(ctx); err != nil {
			f.log.Warn("the cost of programs is not measured", "error", err)
		}
	}()
	stop := out.run()
	var serr error
	err := k.observe(ctx, func() {
		cancel()
		serr = <-served
		stop()
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if serr != nil {
		serr = fmt.Errorf("serve metrics: %w", serr)
	}
	return errors.Join(err, serr, k.set.Close()) // last: the last snapshot reads the maps
}

// selfExportSink shows requests to the detector of processes that export telemetry of their own.
type selfExportSink struct{ *selfexport.Detector }

// Request implements pipeline.Sink.
func (s selfExportSink) Request(r *model.Request) { s.Seen(r) }

// Flow implements pipeline.Sink.
func (s selfExportSink) Flow(*model.Flow, model.FlowDelta) {}

// Lost implements pipeline.Sink.
func (s selfExportSink) Lost(*model.Loss) {}

// metricsSink feeds the aggregator, which learns of losses from selfSource.
type metricsSink struct{ *aggregate.Aggregator }

// Lost implements pipeline.Sink.
func (metricsSink) Lost(*model.Loss) {}
