// SPDX-License-Identifier: Apache-2.0

// Package jaeger sends spans to Jaeger as Thrift, with the types of github.com/uber/jaeger-client-go: over HTTP to a
// collector (14268, /api/traces, binary protocol) or in UDP packets to an agent (6831, compact protocol).
//
// It is for Jaeger before 1.35, which knows no OTLP, and for the jaeger-agent; everything newer takes what exporters/otlp
// sends. Names, attributes and resources are the same as there, in the form that the OpenTelemetry Collector gives them when
// it translates OTLP for Jaeger. exporters/batch holds the queue. cmd/sonde makes a Traces for --jaeger-endpoint.
//
// UDP has no answers: a packet counts as exported once the kernel took it.
package jaeger
