// SPDX-License-Identifier: Apache-2.0

// Package otlp sends what sonde observed as OpenTelemetry Protocol: spans and metrics, over gRPC, over HTTP, or as lines of
// OTLP/JSON in a file.
//
// Spans are written as protobuf by hand while the request is valid, into the batch of its process; exporters/batch holds and
// bounds those bytes. The clients are those of OpenTelemetry's Go exporters, with their variables, TLS, compression and
// retries: they take messages, and get ones whose content is the bytes, as fields that nothing has looked at yet
// (protoreflect.Message.SetUnknown). proto.Marshal copies such fields as they are, so nothing is encoded twice.
//
// # Never twice
//
// A batch is sent again only where the receiver certainly has none of it: it could not be reached, or it answered that it
// took nothing (429, 502, 503, 504; UNAVAILABLE and the like with a status of its own). Where it was sent and no answer came,
// the receiver may have it; the spans are dropped and counted as unconfirmed. OpenTelemetry's own exporters send them again.
//
// The package decides nothing about sampling: Request.Span says which spans are to be exported. cmd/sonde makes a Traces or
// a File, gives it to the pipeline as a sink and runs it.
package otlp
