// SPDX-License-Identifier: Apache-2.0

// Package backends builds, caches and starts the real receivers of sonde's traces and metrics: OpenTelemetry Collector,
// Prometheus and Jaeger. What a test asserts about them is what they say themselves, through their files and HTTP APIs.
//
// The Go programs are nested modules with committed sums, so that the same sources give the same program everywhere;
// Debian's Prometheus is a package. Nothing here knows sonde. Who calls it: testbed/e2e, and build/ for `make backends`.
package backends
