// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sonde/agent/aggregate"
	"sonde/agent/trace/sampling"
	"sonde/agent/trace/selfexport"
	"sonde/exporters/jaeger"
	"sonde/exporters/otlp"
	"sonde/exporters/prometheus"
)

// exportFlags say where spans and metrics go. OpenTelemetry's variables are their defaults, and configure the exporters.
type exportFlags struct {
	traces, metrics string // lists, as given
	tracesFile      string
	jaeger          jaeger.Config
	silence         bool
	listen          prometheus.Config

	tail   sampling.Config
	head   *sampling.Head
	spans  otlp.Config
	points otlp.MetricsConfig
	optIn  string

	to        destinations
	listenErr error // of the environment; a flag may mend it
}

// destinations are the exporters that the lists name.
type destinations struct {
	traceOTLP, traceConsole               bool
	metricOTLP, metricConsole, prometheus bool
}

const exportHelp = `Where spans and metrics go is said by OpenTelemetry's variables, or the flags of the same meaning:

  OTEL_TRACES_EXPORTER     otlp, console, none (list). Default: otlp where an endpoint is set, else none
  OTEL_METRICS_EXPORTER    prometheus, otlp, console, none (list). Default: prometheus, and otlp where an endpoint is set
  OTEL_EXPORTER_OTLP_*     ENDPOINT, PROTOCOL (http/protobuf, grpc), HEADERS, COMPRESSION, TIMEOUT, CERTIFICATE, CLIENT_*,
                           each also as _TRACES_ and _METRICS_
  OTEL_TRACES_SAMPLER      always_on, always_off, traceidratio, parentbased_always_on (default), parentbased_always_off,
                           parentbased_traceidratio; OTEL_TRACES_SAMPLER_ARG is the ratio
  OTEL_PROPAGATORS         trace contexts that are read: tracecontext, b3, b3multi, jaeger, datadog, xray,
                           opencensus, none. Default: all
  OTEL_BSP_*, OTEL_METRIC_EXPORT_INTERVAL, OTEL_RESOURCE_ATTRIBUTES, OTEL_SEMCONV_STABILITY_OPT_IN (rpc/dup),
  OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, OTEL_EXPORTER_PROMETHEUS_HOST and _PORT, OTEL_SDK_DISABLED`

func (f *exportFlags) register(cmd *cobra.Command, e env) {
	f.listen, f.listenErr = prometheus.FromEnvironment(e.getenv)
	f.tail, f.spans, f.points, f.jaeger = sampling.Default(), otlp.Default(), otlp.DefaultMetrics(), jaeger.Default()
	flags := cmd.Flags()
	flags.StringVar(&f.listen.Listen, "prometheus-listen", f.listen.Listen, "address to serve metrics on, host:port")
	flags.StringVar(&f.traces, "traces-exporter", "", "where spans go: otlp, console, none (OTEL_TRACES_EXPORTER)")
	flags.StringVar(&f.metrics, "metrics-exporter", "", "where metrics go: prometheus, otlp, console, none (OTEL_METRICS_EXPORTER)")
	flags.StringVar(&f.tracesFile, "traces-file", "", "append spans to this file, as lines of OTLP/JSON")
	flags.StringVar(&f.jaeger.Endpoint, "jaeger-endpoint", "",
		"send spans to a Jaeger before 1.35: http://host:14268/api/traces, or udp://host:6831")
	flags.Var(&f.tail.Keep, "traces-keep",
		"traces to export though the sampler left them out: errors, slow (both: errors,slow), none")
	flags.BoolVar(&f.silence, "silence-self-exporting", true,
		"leave out the spans of processes that export their own (OTLP, Zipkin, Jaeger)")
}

// parse reads the environment and holds everything against each other.
func (f *exportFlags) parse(e env, flags interface{ Changed(string) bool }) error {
	if f.listenErr != nil && !flags.Changed("prometheus-listen") {
		return usageError{f.listenErr}
	}
	var err error
	f.to, err = f.destinations(e.getenv)
	if err != nil {
		return usageError{err}
	}
	f.head, err = sampling.New(e.getenv("OTEL_TRACES_SAMPLER"), e.getenv("OTEL_TRACES_SAMPLER_ARG"))
	f.optIn = e.getenv("OTEL_SEMCONV_STABILITY_OPT_IN")
	errs := []error{err, f.spans.Env(e.getenv), f.points.Env(e.getenv), f.jaeger.Queue.Env(e.getenv), f.tail.Validate(), f.aggregate().Validate()}
	if f.to.prometheus {
		errs = append(errs, f.listen.Validate())
	}
	if f.to.traceOTLP {
		errs = append(errs, f.spans.Validate())
	}
	if f.to.metricOTLP {
		errs = append(errs, f.points.Validate())
	}
	if f.jaeger.Endpoint != "" {
		errs = append(errs, f.jaeger.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return usageError{err}
	}
	return nil
}

// aggregate is the configuration of the metrics.
func (f *exportFlags) aggregate() aggregate.Config {
	c := aggregate.Default()
	c.OptIn(f.optIn)
	if len(f.spans.Methods) > 0 {
		c.KnownMethods = f.spans.Methods
	}
	return c
}

func (f *exportFlags) selfExport() selfexport.Config {
	c := selfexport.Default()
	c.Enabled = f.silence
	return c
}

// spansWanted tells whether any exporter takes spans.
func (f *exportFlags) spansWanted() bool {
	return f.to.traceOTLP || f.to.traceConsole || f.tracesFile != "" || f.jaeger.Endpoint != ""
}

// destinations resolves the two lists. OTLP is on by itself where somebody said where to: sending to localhost because nobody
// said anything, as an SDK does, would fill the log of an agent that runs for its metrics.
func (f *exportFlags) destinations(getenv func(string) string) (destinations, error) {
	endpoint := func(signal string) bool {
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	}
	traces, metrics := "none", "prometheus"
	if endpoint("TRACES") {
		traces = "otlp"
	}
	if endpoint("METRICS") {
		metrics += ",otlp"
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		traces, metrics = "none", "prometheus"
	} else {
		traces, metrics = cmp.Or(getenv("OTEL_TRACES_EXPORTER"), traces), cmp.Or(getenv("OTEL_METRICS_EXPORTER"), metrics)
	}
	var d destinations
	err := choose("spans", cmp.Or(f.traces, traces), map[string]*bool{
		"otlp": &d.traceOTLP, "console": &d.traceConsole, "otlp/stdout": &d.traceConsole,
	})
	return d, errors.Join(err, choose("metrics", cmp.Or(f.metrics, metrics), map[string]*bool{
		"otlp": &d.metricOTLP, "console": &d.metricConsole, "otlp/stdout": &d.metricConsole, "prometheus": &d.prometheus,
	}))
}

// choose sets what a list of exporters names.
func choose(what, names string, known map[string]*bool) error {
	chosen := list(names)
	for _, name := range chosen {
		switch to := known[name]; {
		case to != nil:
			*to = true
		case name == "none" && len(chosen) == 1:
		case name == "none":
			return fmt.Errorf("%q: none cannot stand beside another exporter of %s", names, what)
		case name == "jaeger":
			return fmt.Errorf("there is no exporter %q: Jaeger takes otlp; for one before 1.35 give --jaeger-endpoint", name)
		default:
			return fmt.Errorf("there is no exporter of %s called %q; choose from %s, none", what, name, either(known))
		}
	}
	return nil
}

func either(known map[string]*bool) string {
	var names []string
	for _, name := range []string{"prometheus", "otlp", "console"} {
		if known[name] != nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// list splits "a, b"; nil for nothing.
func list(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
