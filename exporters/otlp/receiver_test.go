// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"crypto/tls"
	"testing"

	"sonde/testbed/receiver"
)

// verdict is what a receiver does with a request. The zero value takes it.
type verdict = receiver.Verdict

// target is a receiver that ends with the test, and the URL that a Config takes.
type target struct {
	*receiver.Receiver
	url string
}

func listen(t testing.TB, protocol Protocol, path string, c receiver.Config) *target {
	t.Helper()
	c.Protocol = receiver.HTTP
	if protocol == GRPC {
		c.Protocol, path = receiver.GRPC, ""
	}
	r, err := receiver.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return &target{r, r.URL + path}
}

// listenHTTP starts a receiver of OTLP/HTTP. tlsConfig may be nil.
func listenHTTP(t testing.TB, tlsConfig *tls.Config, behave func(n int) verdict) *target {
	t.Helper()
	return listen(t, HTTPProtobuf, "/v1/traces", receiver.Config{TLS: tlsConfig, Behave: behave})
}

// listenGRPC starts a receiver of OTLP/gRPC.
func listenGRPC(t testing.TB, tlsConfig *tls.Config, behave func(n int) verdict) *target {
	t.Helper()
	return listen(t, GRPC, "", receiver.Config{TLS: tlsConfig, Behave: behave})
}

// listenAt starts a receiver on an address that was in use before.
func listenAt(t testing.TB, protocol Protocol, address string) *target {
	t.Helper()
	return listen(t, protocol, "/v1/traces", receiver.Config{Address: address})
}

// receiveMetrics starts a receiver of protocol.
func receiveMetrics(t testing.TB, protocol Protocol, behave func(n int) verdict) *target {
	t.Helper()
	return receiveMetricsTLS(t, protocol, nil, behave)
}

// receiveMetricsTLS is the same over TLS, unless config is nil.
func receiveMetricsTLS(t testing.TB, protocol Protocol, config *tls.Config, behave func(n int) verdict) *target {
	t.Helper()
	return listen(t, protocol, "/v1/metrics", receiver.Config{TLS: config, Behave: behave})
}
