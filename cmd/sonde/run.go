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
	"sonde/agent/pipeline"
	"sonde/agent/trace"
	"sonde/agent/trace/sampling"
	"sonde/agent/trace/selfexport"
	"sonde/exporters/prometheus"
	"sonde/exporters/socket"
	"sonde/probes"
)

type runFlags struct {
	capture captureFlags
	export  exportFlags
	socket  socketFlags
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

sonde top attaches to it by --socket: root may, and the members of the group ` + socket.DefaultGroup + ` if there is one when it starts. Nothing is kept
for viewers before the first one comes, but for --history always.

SIGINT or SIGTERM ends it: what waits to be exported is sent, for 5 s at most, and nothing stays attached.`,
		Example: `  sonde run --prometheus-listen :9464
  OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 sonde run
  sonde run --history always & sonde top
  OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.01 \
    sonde run --traces-keep errors,slow`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.export.parse(e, cmd.Flags()); err != nil {
				return err
			}
			if err := f.socket.parse(e, cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd.Context(), e)
		},
	}
	f.capture.register(cmd, e)
	f.export.register(cmd, e)
	f.socket.register(cmd, e)
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
	watched := f.socket.open(now.now, words{f.export.spans.Methods}, self, f.log)
	exporter := f.export.listen.New(agg, f.log)
	options := captureOptions{scope: filter.Scope{Requests: true, Flows: true}, clock: now, listener: ln, tracer: tracer}
	if tracer == nil {
		options.glance, err = f.glance(e, watched)
	}
	var k *capture
	options.ready = func() {
		exporter.SetReady(true)
		f.log.Info("ready", "state", readiness(k), "metrics", metricsURL(ln), "spans", out.String())
	}
	sinks := append([]pipeline.Sink{metricsSink{agg}, seen{self}, selfExportSink{exporting}, out.tail}, watched.sinks()...)
	if err == nil {
		k, err = f.capture.start(options, sinks...)
	}
	if err != nil {
		return errors.Join(err, closeListener(ln), out.close())
	}
	self.attach(k, out, tracer, exporting)
	if err := watched.listen(ctx); err != nil {
		return errors.Join(err, closeListener(ln), out.close(), k.set.Close())
	}
	if ln != nil {
		ln = ownListener{ln, k.set}
	}
	return f.serve(ctx, served{k, exporter, ln, out, watched, self})
}

// tracer is made where spans go out, or are kept for those who will look. Where they do not go out none is sampled: an exemplar
// would lead nowhere.
func (f *runFlags) tracer(e env, exporting *selfexport.Detector) (*trace.Tracer, error) {
	switch {
	case f.export.spansWanted():
		return newTracer(propagators(e), f.export.head, exporting.Traces)
	case f.socket.always():
		return f.unsampled(e)
	}
	return nil, nil
}

// glance is for viewers where nobody else traces.
func (f *runFlags) glance(e env, watched *audience) (*glance, error) {
	tracer, err := f.unsampled(e)
	if err != nil || watched == nil {
		return nil, err
	}
	return watched.trace(tracer), nil
}

func (f *runFlags) unsampled(e env) (*trace.Tracer, error) {
	never, err := sampling.New("always_off", "")
	if err != nil {
		return nil, err
	}
	return newTracer(propagators(e), never, nil)
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

// served is all that runs.
type served struct {
	capture  *capture
	exporter *prometheus.Exporter
	metrics  net.Listener // nil when metrics are not for Prometheus
	out      *outputs
	watched  *audience
	self     *selfSource
}

// serve runs the capture, the HTTP server, the exporters and the socket for viewers. The first of capture and HTTP server that ends
// stops the others; the exporters go last, as they send what came in until then.
func (f *runFlags) serve(ctx context.Context, s served) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		if s.metrics == nil {
			ended <- nil
			return
		}
		ended <- s.exporter.Serve(ctx, s.metrics)
		cancel()
	}()
	go func() { _ = s.capture.resolver.Run(ctx) }() // ends with ctx and has no other error
	go f.sample(func() error { return probes.SampleStats(ctx) })
	go f.sample(func() error { return s.self.meter.run(ctx, s.capture.set) })
	stop, unwatched := s.out.run(), s.watched.run(ctx)
	var serr error
	err := s.capture.observe(ctx, func() {
		cancel()
		serr = <-ended
		stop()
		unwatched()
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if serr != nil {
		serr = fmt.Errorf("serve metrics: %w", serr)
	}
	return errors.Join(err, serr, s.capture.set.Close()) // last: the last snapshot reads the maps
}

func (f *runFlags) sample(run func() error) {
	if err := run(); err != nil {
		f.log.Warn("the cost of programs is not measured", "error", err)
	}
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
