// SPDX-License-Identifier: Apache-2.0

// Package apps starts the small servers and clients that the testbed observes.
//
// Beside those there are a server that traces itself by OpenTelemetry's SDK (otelapp) and a client no two of whose requests are
// alike (flood).
//
// Every server offers the same routes: /ok and /any/* (200, small), /status/NNN, /sleep/MS, /bytes/N, /chunked/N,
// /echo (POST, answers with the length of the body), 404 elsewhere. Every own client reads "METHOD PATH BODYBYTES" lines and
// prints "METHOD PATH STATUS" lines. Nothing here knows what is under test. Who calls it: testbed/e2e and testbed/bench.
package apps
