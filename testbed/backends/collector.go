// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"os"
	"path/filepath"
)

// RunningCollector is an OpenTelemetry Collector that writes what it receives by OTLP to files.
type RunningCollector struct {
	*Process
	GRPC string // "127.0.0.1:4317"
	HTTP string // "127.0.0.1:4318", without a scheme
}

// collectorConfig has no batch processor: what was received is in the file at once. The file exporter itself flushes once
// a second, and at the end.
const collectorConfig = `receivers:
  otlp:
    protocols:
      grpc: {endpoint: %q}
      http: {endpoint: %q}
exporters:
  file/traces: {path: traces.jsonl}
  file/metrics: {path: metrics.jsonl}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file/traces]}
    metrics: {receivers: [otlp], exporters: [file/metrics]}
`

// StartCollector starts the program in dir, on free ports.
func StartCollector(bin, dir string) (*RunningCollector, error) {
	c := &RunningCollector{}
	if err := freeAddrs(&c.GRPC, &c.HTTP); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, collectorConfig, c.GRPC, c.HTTP), 0o644); err != nil {
		return nil, err
	}
	var err error
	c.Process, err = start(dir, []string{"http://" + c.HTTP}, bin, "--config", config)
	return c, err
}

// Spans returns the spans that are in the file so far. After Stop it is all that was received.
func (c *RunningCollector) Spans() ([]Span, error) {
	return readSpans(filepath.Join(c.Dir, "traces.jsonl"))
}

// StartGateway starts the program in dir with configuration files of its own, which must take the addresses to listen on
// from OTLP_GRPC_LISTEN, OTLP_HTTP_LISTEN and HEALTH_LISTEN; env is added to the environment. It has no Spans.
func StartGateway(bin, dir string, configs []string, env ...string) (*RunningCollector, error) {
	c := &RunningCollector{}
	var health string
	if err := freeAddrs(&c.GRPC, &c.HTTP, &health); err != nil {
		return nil, err
	}
	argv := append([]string{"env", "OTLP_GRPC_LISTEN=" + c.GRPC, "OTLP_HTTP_LISTEN=" + c.HTTP, "HEALTH_LISTEN=" + health}, env...)
	argv = append(argv, bin)
	for _, name := range configs {
		full, err := filepath.Abs(name) // the program runs in dir
		if err != nil {
			return nil, err
		}
		argv = append(argv, "--config", full)
	}
	var err error
	c.Process, err = start(dir, []string{"http://" + c.HTTP, "http://" + health}, argv...)
	return c, err
}

// Validate holds configuration files against what the program knows of its components, without starting them.
func Validate(bin string, configs []string) error {
	argv := []string{bin, "validate"}
	for _, name := range configs {
		argv = append(argv, "--config", name)
	}
	out, err := run(argv...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
