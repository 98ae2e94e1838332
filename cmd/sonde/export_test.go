// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestExportersAreChosenByVariablesAndFlags(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	all := destinations{traceOTLP: true, metricOTLP: true, prometheus: true}
	tests := []struct {
		name  string
		env   map[string]string
		flags exportFlags
		want  destinations
		wrong string // part of the error
	}{
		{"nothing said: Prometheus alone", nil, exportFlags{}, destinations{prometheus: true}, ""},
		{"an endpoint switches OTLP on", map[string]string{endpoint: "http://c:4318"}, exportFlags{}, all, ""},
		{"an endpoint for spans", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, exportFlags{},
			destinations{traceOTLP: true, prometheus: true}, ""},
		{"an endpoint for metrics", map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, exportFlags{},
			destinations{metricOTLP: true, prometheus: true}, ""},
		{"a list stands against the endpoint", map[string]string{endpoint: "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, exportFlags{},
			destinations{traceOTLP: true}, ""},
		{"an empty variable is none", map[string]string{"OTEL_TRACES_EXPORTER": ""}, exportFlags{}, destinations{prometheus: true}, ""},
		{"several", map[string]string{"OTEL_TRACES_EXPORTER": "otlp, console"}, exportFlags{},
			destinations{traceOTLP: true, traceConsole: true, prometheus: true}, ""},
		{"a flag wins", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, exportFlags{traces: "none"}, destinations{prometheus: true}, ""},
		{"OpenTelemetry switched off", map[string]string{"OTEL_SDK_DISABLED": "true", endpoint: "http://c:4318"}, exportFlags{},
			destinations{prometheus: true}, ""},
		{"the older word for the console", map[string]string{"OTEL_TRACES_EXPORTER": "otlp/stdout"}, exportFlags{},
			destinations{traceConsole: true, prometheus: true}, ""},
		{"a metrics exporter for spans", nil, exportFlags{traces: "prometheus"}, destinations{}, "choose from otlp, console, none"},
		{"an unknown one", nil, exportFlags{metrics: "statsd"}, destinations{}, "choose from prometheus, otlp, console, none"},
		{"jaeger has a flag", nil, exportFlags{traces: "jaeger"}, destinations{}, "--jaeger-endpoint"},
		{"none and another", nil, exportFlags{traces: "none,otlp"}, destinations{}, "none cannot stand beside"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.flags.destinations(func(name string) string { return tt.env[name] })
			switch {
			case tt.wrong == "" && (err != nil || got != tt.want):
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("the error is %v, want one with %q", err, tt.wrong)
			}
		})
	}
}

func TestWrongSettingsOfExportersAreUsageErrors(t *testing.T) {
	tests := []struct {
		name, variable, value string
		args                  []string
		says                  string
	}{
		{"sampler", "OTEL_TRACES_SAMPLER", "sometimes", nil, "parentbased_always_on"},
		{"ratio", "OTEL_TRACES_SAMPLER_ARG", "2", []string{"--traces-exporter=console"}, ""},
		{"protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", []string{"--traces-exporter=otlp"}, "http/protobuf"},
		{"queue", "OTEL_BSP_MAX_QUEUE_SIZE", "-1", nil, "OTEL_BSP_MAX_QUEUE_SIZE"},
		{"interval", "OTEL_METRIC_EXPORT_INTERVAL", "soon", nil, "OTEL_METRIC_EXPORT_INTERVAL"},
		{"propagators", "OTEL_PROPAGATORS", "pigeon", []string{"--traces-exporter=console"}, "OTEL_PROPAGATORS"},
		{"rule", "", "", []string{"--traces-keep=all"}, "errors, slow, none"},
		{"port of Prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT", "http", nil, "OTEL_EXPORTER_PROMETHEUS_PORT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			getenv := func(name string) string {
				switch {
				case name == tt.variable:
					return tt.value
				case name == "OTEL_TRACES_SAMPLER" && tt.name == "ratio":
					return "traceidratio"
				}
				return ""
			}
			code := execute(context.Background(), env{stdout: &out, stderr: &errs, getenv: getenv}, append([]string{"run"}, tt.args...))
			if code != exitUsage || !strings.Contains(errs.String(), tt.says) {
				t.Errorf("exit code %d and %q; want %d and %q", code, errs.String(), exitUsage, tt.says)
			}
		})
	}
}
