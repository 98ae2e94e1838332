// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	Methods  semconv.Methods // of HTTP that are known (OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS)
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
	v := variables{getenv: getenv}
	if _, protocol := v.first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" {
		c.Protocol = Protocol(protocol)
	}
	c.defaultEndpoint = !v.endpoint(c.Protocol, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	timeout := int(c.Timeout / time.Millisecond)
	v.integer(1, &timeout, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
	c.Timeout = time.Duration(timeout) * time.Millisecond
	v.integer(0, &c.Limits.Attributes, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
	v.integer(0, &c.Limits.Links, "OTEL_SPAN_LINK_COUNT_LIMIT")
	v.integer(0, &c.Limits.ValueLength, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
	if _, methods := v.first("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"); methods != "" {
		c.Methods = strings.Split(strings.ReplaceAll(methods, " ", ""), ",")
	}
	c.headers = map[string]string{}
	for _, h := range v.pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
		c.headers[http.CanonicalHeaderKey(h.Key)] = h.Value
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" { // of what is not observed: observed processes have names of their own
		c.Resource.Extra = append(c.Resource.Extra, semconv.Pair{Key: semconv.KeyServiceName, Value: name})
	}
	c.Resource.Extra = append(c.Resource.Extra, v.pairs("OTEL_RESOURCE_ATTRIBUTES")...)
	return errors.Join(append(v.errs, c.Queue.Env(getenv))...)
}

// variables reads the environment, and collects mistakes.
type variables struct {
	getenv func(string) string
	errs   []error
}

// first returns the first variable that is set. An empty one counts as unset.
func (v *variables) first(names ...string) (name, value string) {
	for _, name = range names {
		if value = v.getenv(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

func (v *variables) integer(least int, to *int, names ...string) {
	name, value := v.first(names...)
	if value == "" {
		return
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least {
		v.errs = append(v.errs, fmt.Errorf("%s=%q is not a number of %d or more", name, value, least))
		return
	}
	*to = n
}

func (v *variables) pairs(names ...string) []semconv.Pair {
	name, value := v.first(names...)
	pairs, err := semconv.ParsePairs(value)
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("%s: %w", name, err))
	}
	return pairs
}

// endpoint tells whether one is set. The clients take their default in place of one that is no URL, and tell nobody.
func (v *variables) endpoint(protocol Protocol, names ...string) bool {
	name, value := v.first(names...)
	if value == "" {
		return false
	}
	u, err := url.Parse(value)
	usable := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
	if !usable && (protocol != GRPC || err != nil) { // gRPC has names of its own: "dns:///collector:4317"
		v.errs = append(v.errs, fmt.Errorf("%s=%q is no URL: write http://host:port, or https://", name, value))
	}
	return true
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
