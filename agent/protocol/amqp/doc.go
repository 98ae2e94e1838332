// SPDX-License-Identifier: Apache-2.0

// Package amqp understands AMQP 0-9-1, the protocol of RabbitMQ: methods and their answers by channel, and messages with
// what settles them.
//
// A synchronous method and its "-ok" are one request, whichever side asks. A basic.publish, with the frames of its content,
// is a request that is answered by basic.ack or basic.nack where the channel confirms, and has no answer elsewhere. A
// basic.deliver is a request of the broker that the consumer's ack, nack or reject answers, or none where it consumes
// without. Role is that of the client throughout, whoever asks.
//
// Frames say their length, so framing survives bytes that were not captured; a gap that reaches over several frames of one
// content is passed over exactly where the frames before it tell how long they are.
//
// Of the headers of a message those are kept that may carry trace context (protocol.CarriesContext), where the frame was
// captured up to the end of its table.
//
// It is not for AMQP 1.0, which shares nothing but the name. Content, other headers, credentials and the texts of errors are
// not kept. Called by agent/protocol/detect.
package amqp
