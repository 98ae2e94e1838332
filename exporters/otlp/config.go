// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sonde/exporters/batch"
	"sonde/exporters/semconv"
)

// SchemaURL names the version of the conventions that sonde's attributes follow.
const SchemaURL = "https://opentelemetry.io/schemas/1.44.0"

// Protocol is a value of OTEL_EXPORTER_OTLP_PROTOCOL.
type Protocol string

// The protocols of OTLP. GRPC is the fastest; with JSON every batch is decoded and written once more.
const (
	GRPC         Protocol = "grpc"
	HTTPProtobuf Protocol = "http/protobuf"
	HTTPJSON     Protocol = "http/json"
)

// Config says how spans are sent. Endpoint, headers, compression and certificates are not here: OpenTelemetry's clients read
// OTEL_EXPORTER_OTLP_* of the environment themselves.
type Config struct {
	Protocol Protocol
	// Endpoint is a URL that takes the place of the one in the environment. "" takes that, or its default.
	Endpoint string
	Timeout  time.Duration // from the sending of a batch to its answer (OTEL_EXPORTER_OTLP_TIMEOUT)
	Limits   Limits
	Queue    batch.Config
	Resource semconv.Resource

	// defaultEndpoint: the clients' own default is TLS, the specification's is not.
	defaultEndpoint bool
	// headers of the environment, nil when that was not read. To name sonde in them they have to be set all.
	headers map[string]string
}

// Default returns the specification's settings, but for the queue.
func Default() Config {
	return Config{
		Protocol: HTTPProtobuf, Timeout: 10 * time.Second, Queue: batch.Default(), defaultEndpoint: true,
		Limits: Limits{Attributes: 128, Links: 128, ValueLength: -1},
	}
}

// Env applies the variables of OpenTelemetry that are about spans. Every mistake is reported, not the first alone.
func (c *Config) Env(getenv func(string) string) error {
	first := func(names ...string) (name, value string) {
		for _, name = range names {
			if value = getenv(name); value != "" {
				return name, value
			}
		}
		return name, ""
	}
	if _, v := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); v != "" {
		c.Protocol = Protocol(v)
	}
	_, endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	c.defaultEndpoint = endpoint == ""
	var errs []error
	integer := func(least int, to *int, names ...string) {
		name, v := first(names...)
		if v == "" {
			return
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < least {
			errs = append(errs, fmt.Errorf("%s=%q is not a number of %d or more", name, v, least))
			return
		}
		*to = n
	}
	timeout := 0
	integer(1, &timeout, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
	if timeout > 0 {
		c.Timeout = time.Duration(timeout) * time.Millisecond
	}
	integer(0, &c.Limits.Attributes, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
	integer(0, &c.Limits.Links, "OTEL_SPAN_LINK_COUNT_LIMIT")
	integer(0, &c.Limits.ValueLength, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	pairs := func(names ...string) []semconv.Pair {
		name, v := first(names...)
		pairs, err := semconv.ParsePairs(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return pairs
	}
	c.headers = map[string]string{}
	for _, h := range pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
		c.headers[http.CanonicalHeaderKey(h.Key)] = h.Value
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" { // of what is not observed: observed processes have names of their own
		c.Resource.Extra = append(c.Resource.Extra, semconv.Pair{Key: semconv.KeyServiceName, Value: name})
	}
	c.Resource.Extra = append(c.Resource.Extra, pairs("OTEL_RESOURCE_ATTRIBUTES")...)
	return errors.Join(append(errs, c.Queue.Env(getenv))...)
}

// Validate reports settings that cannot work.
func (c *Config) Validate() error {
	switch c.Protocol {
	case GRPC, HTTPProtobuf, HTTPJSON:
	default:
		return fmt.Errorf("unknown OTLP protocol %q: use %s, %s or %s", c.Protocol, GRPC, HTTPProtobuf, HTTPJSON)
	}
	if c.Timeout <= 0 {
		return errors.New("the timeout of OTLP must be above 0")
	}
	return c.Queue.Validate()
}
