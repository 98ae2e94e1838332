// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// RunningJaeger is a Jaeger v2 that keeps traces in memory.
type RunningJaeger struct {
	*Process
	URL       string // of its API: "http://127.0.0.1:16686"
	GRPC      string // OTLP over gRPC, "127.0.0.1:4317"
	HTTP      string // OTLP over HTTP, "127.0.0.1:4318", without a scheme
	ThriftURL string // Thrift over HTTP: "http://127.0.0.1:14268/api/traces"
	ThriftUDP string // compact Thrift over UDP: "127.0.0.1:6831"
}

const jaegerConfig = `service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  telemetry:
    metrics: {level: none}
  pipelines:
    traces: {receivers: [otlp, jaeger], processors: [], exporters: [jaeger_storage_exporter]}
extensions:
  healthcheckv2: {use_v2: true, http: {endpoint: %q}}
  jaeger_query:
    storage: {traces: memory}
    http: {endpoint: %q}
    grpc: {endpoint: %q}
  jaeger_storage:
    backends: {memory: {memory: {max_traces: 100000}}}
receivers:
  otlp:
    protocols: {grpc: {endpoint: %q}, http: {endpoint: %q}}
  jaeger:
    protocols: {thrift_http: {endpoint: %q}, thrift_compact: {endpoint: %q, queue_size: 100000, socket_buffer_size: 4194304}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
`

// StartJaeger starts the program in dir, on free ports.
func StartJaeger(bin, dir string) (*RunningJaeger, error) {
	j := &RunningJaeger{}
	var health, api, query, thrift string
	if err := freeAddrs(&health, &api, &query, &j.GRPC, &j.HTTP, &thrift, &j.ThriftUDP); err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, jaegerConfig, health, api, query, j.GRPC, j.HTTP, thrift, j.ThriftUDP)
	config := filepath.Join(dir, "jaeger.yaml")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		return nil, err
	}
	j.URL, j.ThriftURL = "http://"+api, "http://"+thrift+"/api/traces"
	var err error
	j.Process, err = start(dir, []string{j.URL + "/api/services", "http://" + j.HTTP, j.ThriftURL}, bin, "--config", config)
	return j, err
}

// Stop ends the process at once: it keeps nothing, and ending in order takes it ten seconds.
func (j *RunningJaeger) Stop() {
	_ = j.cmd.Process.Kill()
	<-j.done
}

// Services returns the names of the services that have spans.
func (j *RunningJaeger) Services() ([]string, error) {
	var answer struct{ Data []string }
	err := getJSON(j.URL, "/api/services", nil, &answer)
	return answer.Data, err
}

// The parts of the API's answer that are read here.
type (
	jaegerTrace struct {
		Spans []struct {
			TraceID, SpanID, OperationName, ProcessID string
			References                                []struct{ RefType, TraceID, SpanID string }
			StartTime, Duration                       int64 // microseconds
			Tags                                      []jaegerTag
		}
		Processes map[string]struct {
			ServiceName string
			Tags        []jaegerTag
		}
	}
	jaegerTag struct {
		Key   string
		Value any
	}
)

// Spans returns the spans of all traces in which the service took part, of the last hour.
func (j *RunningJaeger) Spans(service string) ([]Span, error) {
	var answer struct{ Data []jaegerTrace }
	query := url.Values{"service": {service}, "limit": {"100000"}, "lookback": {"1h"}}
	if err := getJSON(j.URL, "/api/traces", query, &answer); err != nil {
		return nil, err
	}
	var spans []Span
	for i := range answer.Data {
		spans = append(spans, answer.Data[i].spans()...)
	}
	return spans, nil
}

func (t *jaegerTrace) spans() []Span {
	var spans []Span
	for _, s := range t.Spans {
		attributes := tagTexts(s.Tags)
		span := Span{
			TraceID: s.TraceID, SpanID: s.SpanID, Name: s.OperationName, Service: t.Processes[s.ProcessID].ServiceName,
			Kind: attributes["span.kind"], Start: time.UnixMicro(s.StartTime), Duration: time.Duration(s.Duration) * time.Microsecond,
			Attributes: attributes, Resource: tagTexts(t.Processes[s.ProcessID].Tags),
		}
		if attributes["error"] == "true" {
			span.Status = "error"
		} else {
			span.Status = strings.ToLower(attributes["otel.status_code"])
		}
		for _, r := range s.References {
			if r.RefType == "CHILD_OF" && r.TraceID == s.TraceID {
				span.ParentID = r.SpanID
			}
		}
		spans = append(spans, span)
	}
	return spans
}

func tagTexts(tags []jaegerTag) map[string]string {
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		all[t.Key] = fmt.Sprint(t.Value)
	}
	return all
}
