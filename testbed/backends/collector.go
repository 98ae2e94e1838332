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

// Validate holds a configuration file against what the program knows of its components, without starting them.
func Validate(bin, config string, env ...string) error {
	out, err := run(env, bin, "validate", "--config", config)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
