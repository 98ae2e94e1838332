// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"errors"
	"fmt"
	"net/http"
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
	// headers of the environment, nil when that was not read. To name sonde in them they have to be set all.
	headers map[string]string
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
	v := variables{getenv: getenv}
	if _, protocol := v.first("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" {
		c.Protocol = Protocol(protocol)
	}
	c.defaultEndpoint = !v.endpoint(c.Protocol, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if temporality := getenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"); temporality != "" {
		c.Temporality = Temporality(strings.ToLower(temporality))
	}
	if histograms := getenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"); histograms != "" {
		c.Histograms = HistogramAggregation(strings.ToLower(histograms))
	}
	v.milliseconds(&c.Timeout, "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
	v.milliseconds(&c.Interval, "OTEL_METRIC_EXPORT_INTERVAL")
	v.milliseconds(&c.ExportTimeout, "OTEL_METRIC_EXPORT_TIMEOUT")
	c.headers = map[string]string{}
	for _, h := range v.pairs("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
		c.headers[http.CanonicalHeaderKey(h.Key)] = h.Value
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" { // of what is not observed: observed processes have names of their own
		c.Resource.Extra = append(c.Resource.Extra, semconv.Pair{Key: semconv.KeyServiceName, Value: name})
	}
	c.Resource.Extra = append(c.Resource.Extra, v.pairs("OTEL_RESOURCE_ATTRIBUTES")...)
	return errors.Join(v.errs...)
}

func (v *variables) milliseconds(to *time.Duration, names ...string) {
	n := int(*to / time.Millisecond)
	v.integer(1, &n, names...)
	*to = time.Duration(n) * time.Millisecond
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
