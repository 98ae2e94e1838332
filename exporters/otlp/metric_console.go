// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
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
	return newMetrics(c, client, source, clock, log), nil
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
	line, err := metricsJSON(&metricpb.MetricsData{ResourceMetrics: request.ResourceMetrics})
	if err != nil {
		return nil, err
	}
	if _, err := c.w.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, r.Body.Close()
}

// metricsJSON returns m as OTLP/JSON, which differs from the JSON of protobuf: identifiers are hex digits, enums are numbers.
// m is spoilt. The result has no space that depends on the build, as protojson's has.
func metricsJSON(m *metricpb.MetricsData) ([]byte, error) {
	for _, rm := range m.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, metric := range sm.Metrics {
				hexExemplars(metric)
			}
		}
	}
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = json.Compact(&line, text)
	return line.Bytes(), err
}

func hexExemplars(m *metricpb.Metric) {
	var all []*metricpb.Exemplar
	for _, p := range m.GetHistogram().GetDataPoints() {
		all = append(all, p.Exemplars...)
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		all = append(all, p.Exemplars...)
	}
	for _, e := range all {
		e.TraceId, e.SpanId = asHex(e.TraceId), asHex(e.SpanId)
	}
}

// asHex returns the bytes whose base64, which is what protojson writes, is the hex of id. Every text of hex digits whose length
// is a multiple of four is one of base64 too.
func asHex(id []byte) []byte {
	b, err := base64.StdEncoding.DecodeString(hex.EncodeToString(id))
	if err != nil {
		return nil
	}
	return b
}
