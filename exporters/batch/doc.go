// SPDX-License-Identifier: Apache-2.0

// Package batch is the queue between the pipeline and the exporters of spans: it takes requests, has them encoded at once,
// collects the bytes by process and hands them to a sender of its own goroutine.
//
// Nothing waits for a receiver: what does not fit is dropped and counted by reason, so that
//
//	added = exported + dropped + queued
//
// holds at every moment. Spans are encoded when they come, while the request is valid; a queue of requests would need a deep
// copy of each, which costs more than the encoding. The package knows no format and no transport: exporters/otlp and
// exporters/jaeger bring an Encoder and a Sender.
package batch
