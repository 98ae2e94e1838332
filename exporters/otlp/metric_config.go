// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sonde/exporters/semconv"
)

// Temporality says what the points of counters and histograms count (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE).
type Temporality string

// The preferences. Sums that can fall are cumulative under all of them. sonde's counters are what the specification calls
// synchronous, so LowMemory is Delta.
const (
	Cumulative Temporality = "cumulative"
	Delta      Temporality = "delta"
	LowMemory  Temporality = "lowmemory"
)

// HistogramAggregation says which buckets are sent (OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION).
type HistogramAggregation string

// Metrics whose exponential buckets are not kept have explicit ones in any case.
const (
	ExplicitBuckets    HistogramAggregation = "explicit_bucket_histogram"
	ExponentialBuckets HistogramAggregation = "base2_exponential_bucket_histogram"
)

// MetricsConfig says how metrics are sent. Headers, compression and certificates are not here: OpenTelemetry's clients read
// OTEL_EXPORTER_OTLP_* of the environment themselves.
type MetricsConfig struct {
	Protocol Protocol // HTTPJSON is none for metrics
	// Endpoint is a URL that takes the place of the one in the environment. "" takes that, or its default.
	Endpoint      string
	Timeout       time.Duration // from the sending of one request to its answer (OTEL_EXPORTER_OTLP_TIMEOUT)
	Interval      time.Duration // between two exports (OTEL_METRIC_EXPORT_INTERVAL)
	ExportTimeout time.Duration // for all requests of one export, retries included (OTEL_METRIC_EXPORT_TIMEOUT)
	RetryFirst    time.Duration // before the first retry of an answer that asks for one; it doubles from there
	RetryMost     time.Duration // between two retries
	Temporality   Temporality
	Histograms    HistogramAggregation
	Resource      semconv.Resource

	// defaultEndpoint: the clients' own default is TLS, the specification's is not.
	defaultEndpoint bool
}

// DefaultMetrics returns the specification's settings.
func DefaultMetrics() MetricsConfig {
	return MetricsConfig{
		Protocol: HTTPProtobuf, Timeout: 10 * time.Second, Interval: time.Minute, ExportTimeout: 30 * time.Second,
		RetryFirst: time.Second, RetryMost: 10 * time.Second, Temporality: Cumulative, Histograms: ExplicitBuckets,
		defaultEndpoint: true,
	}
}

// Env applies the variables of OpenTelemetry that are about metrics. Every mistake is reported, not the first alone.
func (c *MetricsConfig) Env(getenv func(string) string) error {
	if v := firstOf(getenv, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); v != "" {
		c.Protocol = Protocol(v)
	}
	if v := getenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"); v != "" {
		c.Temporality = Temporality(strings.ToLower(v))
	}
	if v := getenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"); v != "" {
		c.Histograms = HistogramAggregation(strings.ToLower(v))
	}
	c.defaultEndpoint = firstOf(getenv, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == ""
	var errs []error
	milliseconds := func(to *time.Duration, names ...string) {
		v := firstOf(getenv, names...)
		if v == "" {
			return
		}
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil || n == 0 {
			errs = append(errs, fmt.Errorf("%s=%q is no number of milliseconds above 0", names[len(names)-1], v))
			return
		}
		*to = time.Duration(n) * time.Millisecond
	}
	milliseconds(&c.Timeout, "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
	milliseconds(&c.Interval, "OTEL_METRIC_EXPORT_INTERVAL")
	milliseconds(&c.ExportTimeout, "OTEL_METRIC_EXPORT_TIMEOUT")
	extra, err := semconv.ParsePairs(getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		errs = append(errs, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err))
	}
	c.Resource.Extra = append(c.Resource.Extra, extra...)
	return errors.Join(errs...)
}

func firstOf(getenv func(string) string, names ...string) string {
	for _, name := range names {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// Validate reports settings that cannot work.
func (c *MetricsConfig) Validate() error {
	switch c.Protocol {
	case GRPC, HTTPProtobuf:
	case HTTPJSON:
		return fmt.Errorf("OTLP protocol %s is for traces alone: set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL to %s or %s", HTTPJSON, HTTPProtobuf, GRPC)
	default:
		return fmt.Errorf("unknown OTLP protocol %q: use %s or %s", c.Protocol, GRPC, HTTPProtobuf)
	}
	switch c.Temporality {
	case Cumulative, Delta, LowMemory:
	default:
		return fmt.Errorf("unknown temporality %q: use %s, %s or %s", c.Temporality, Cumulative, Delta, LowMemory)
	}
	switch c.Histograms {
	case ExplicitBuckets, ExponentialBuckets:
	default:
		return fmt.Errorf("unknown histogram aggregation %q: use %s or %s", c.Histograms, ExplicitBuckets, ExponentialBuckets)
	}
	if min(c.Timeout, c.Interval, c.ExportTimeout, c.RetryFirst, c.RetryMost) <= 0 {
		return errors.New("the interval, the timeouts and the retry times of metrics must be above 0")
	}
	return nil
}
