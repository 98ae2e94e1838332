// SPDX-License-Identifier: Apache-2.0

// Package prometheus serves the metrics of a snapshot in the formats that Prometheus scrapes, beside /healthz and /readyz.
//
// It keeps no metric of its own: each scrape asks its Source for a snapshot and writes it under the names of
// exporters/semconv. It does not measure, and it does not push. cmd/sonde builds and runs it.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// Config says where metrics are served.
type Config struct {
	// Listen is host:port of the HTTP server (--prometheus-listen).
	Listen string
	// Control is called with the listening socket before it is bound; nil does nothing. sonde marks the socket here, so
	// that its own probes leave it and the connections accepted from it alone.
	Control func(network, address string, c syscall.RawConn) error
	// Resource describes the services in their target_info, as it does to the exporters of OTLP.
	Resource semconv.Resource
	// Clock turns the times of a snapshot into wall time. It is called at each scrape, possibly by several at once. nil,
	// or a zero clock, leaves out what needs it: the times of exemplars and of the beginnings of series.
	Clock func() model.Clock
}

// Default returns the address that OpenTelemetry's Prometheus exporters use.
func Default() Config { return Config{Listen: "localhost:9464"} }

// Variables of OpenTelemetry's Prometheus exporters.
const (
	hostVariable = "OTEL_EXPORTER_PROMETHEUS_HOST"
	portVariable = "OTEL_EXPORTER_PROMETHEUS_PORT"
)

// FromEnvironment is Default with the address that OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT name. A
// variable that is empty is one that is not set. The error names the variable.
func FromEnvironment(getenv func(string) string) (Config, error) {
	c := Default()
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c, err
	}
	if v := getenv(hostVariable); v != "" {
		host = strings.TrimSuffix(strings.TrimPrefix(v, "["), "]")
	}
	if v := getenv(portVariable); v != "" {
		if _, err := strconv.ParseUint(v, 10, 16); err != nil {
			return c, fmt.Errorf("%s=%q is no port: give a number from 0 to 65535", portVariable, v)
		}
		port = v
	}
	c.Listen = net.JoinHostPort(host, port)
	return c, nil
}

// Validate says in one sentence what is wrong with the address.
func (c Config) Validate() error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address to serve metrics on: give --prometheus-listen as host:port, like localhost:9464", c.Listen)
	}
	return nil
}

// Open binds the address of c. Its errors are sentences for the user; errors.Is finds the cause, as syscall.EADDRINUSE.
func (c Config) Open(ctx context.Context) (net.Listener, error) {
	lc := net.ListenConfig{Control: c.Control}
	// The connections of a Multipath TCP listener are accepted by a subflow, which would not inherit the mark that makes
	// sonde's own probes leave them alone.
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp", c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hintError{
			"cannot serve metrics on " + c.Listen + ": the address is already in use, choose a free one with --prometheus-listen", err,
		}
	case errors.Is(err, syscall.EACCES):
		return nil, hintError{
			"cannot serve metrics on " + c.Listen + ": permission denied, choose a port above 1023 with --prometheus-listen", err,
		}
	case err != nil:
		return nil, fmt.Errorf("cannot serve metrics on %s, choose an address of this machine with --prometheus-listen: %w", c.Listen, err)
	}
	return ln, nil
}

// Listen is Open of the default configuration with another address.
func Listen(addr string) (net.Listener, error) {
	return Config{Listen: addr}.Open(context.Background())
}

// hintError is a sentence for the user in place of the words of its cause.
type hintError struct {
	text  string
	cause error
}

func (e hintError) Error() string { return e.text }
func (e hintError) Unwrap() error { return e.cause }
