// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"sonde/agent/model"
)

// NewConsoleMetrics writes metrics to w instead, at the same times: one line of OTLP/JSON for each service, in the form of
// OpenTelemetry's file exporter. c says the same as to NewMetrics, and nothing is sent anywhere. w is written to from Run's
// goroutine.
func NewConsoleMetrics(c MetricsConfig, w io.Writer, source MetricSource, clock func() model.Clock, log *slog.Logger) (*Metrics, error) {
	c.Protocol = HTTPProtobuf
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client, err := otlpmetrichttp.New(context.Background(),
		otlpmetrichttp.WithEndpointURL("https://console.invalid/v1/metrics"), // of this process: it is never resolved
		otlpmetrichttp.WithCompression(otlpmetrichttp.NoCompression),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}),
		otlpmetrichttp.WithHTTPClient(&http.Client{Transport: console{w}}),
	)
	if err != nil {
		return nil, fmt.Errorf("write metrics to the console: %w", err)
	}
	m := newMetrics(c, client, source, clock, log)
	m.kind = "console_metric_exporter"
	return m, nil
}

// console takes the place of the network: OpenTelemetry's client is the only one that turns its own types into OTLP.
type console struct{ w io.Writer }

// RoundTrip implements http.RoundTripper.
func (c console) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var request colmetricpb.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	line, err := appendJSON(nil, (&metricpb.MetricsData{ResourceMetrics: request.ResourceMetrics}).ProtoReflect())
	if err != nil {
		return nil, err
	}
	if _, err := c.w.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, r.Body.Close()
}
