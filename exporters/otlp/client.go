// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"maps"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Default endpoints of the specification, in place of the clients' own, which ask for TLS.
const (
	defaultHTTP = "http://localhost:4318/v1/traces"
	defaultGRPC = "http://localhost:4317"
)

// reconnectMost is the longest time between two tries to connect over gRPC, whose own default is two minutes.
const reconnectMost = 10 * time.Second

// newClient makes OpenTelemetry's client for the protocol. Retries after an answer that asks for one are the client's, bounded
// by the time that a batch has; its own time limits are out of the way, because sender has stricter ones.
func newClient(c *Config) (otlptrace.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Protocol == GRPC {
		return grpcClient(c), nil
	}
	return httpClient(c), nil
}

func grpcClient(c *Config) otlptrace.Client {
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithTimeout(c.Queue.Timeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: c.Queue.RetryFirst, MaxInterval: c.Queue.RetryMost,
		}),
		otlptracegrpc.WithDialOption(
			grpc.WithUserAgent(userAgent(c.Resource.Version)),
			grpc.WithUnaryInterceptor(watchCall),
			grpc.WithStatsHandler(callWatcher{}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: c.Queue.RetryFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMost},
				MinConnectTimeout: c.Timeout,
			}),
		),
	}
	switch {
	case c.Endpoint != "":
		options = append(options, otlptracegrpc.WithEndpointURL(c.Endpoint))
	case c.defaultEndpoint:
		options = append(options, otlptracegrpc.WithEndpointURL(defaultGRPC))
	}
	return otlptracegrpc.NewClient(options...)
}

func httpClient(c *Config) otlptrace.Client {
	options := []otlptracehttp.Option{
		otlptracehttp.WithTimeout(c.Queue.Timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: c.Queue.RetryFirst, MaxInterval: c.Queue.RetryMost,
		}),
	}
	switch {
	case c.Endpoint != "":
		options = append(options, otlptracehttp.WithEndpointURL(c.Endpoint))
	case c.defaultEndpoint:
		options = append(options, otlptracehttp.WithEndpointURL(defaultHTTP))
	}
	if c.headers != nil {
		headers := map[string]string{"User-Agent": userAgent(c.Resource.Version)}
		maps.Copy(headers, c.headers)
		options = append(options, otlptracehttp.WithHeaders(headers))
	}
	encoding := otlptracehttp.EncodingProtobuf // stated, because sender must know what the client does
	if c.Protocol == HTTPJSON {
		encoding = otlptracehttp.EncodingJSON
	}
	options = append(options, otlptracehttp.WithEncoding(encoding))
	return otlptracehttp.NewClient(options...)
}

// userAgent puts sonde in front of the exporter that it uses, as the specification has it for distributions.
func userAgent(version string) string {
	if version == "" {
		version = "dev"
	}
	return "sonde/" + version + " OTel-OTLP-Exporter-Go/" + otlptrace.Version()
}
