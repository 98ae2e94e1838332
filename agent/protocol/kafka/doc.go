// SPDX-License-Identifier: Apache-2.0

// Package kafka understands the Kafka protocol: requests and their answers by correlation id, with topics, partitions,
// groups and errors where the API has them.
//
// Every message is a frame that begins with its length, so framing survives bytes that were not captured. Messages have no
// marks inside: what a byte means follows from the API key and the version alone. The layouts of the messages are therefore
// tables (layouts.go) that one walk reads (walk.go); a version that is not in them is matched and named, and nothing is
// read from it. Of records, the headers that may carry trace context are read (protocol.CarriesContext), where a batch is not
// compressed and as far as the message was captured; no key, no value and no other header, and no credential.
//
// It is not a client: it never decompresses a record batch, and it does not follow group membership or offsets across
// connections. Called by agent/protocol/detect.
package kafka
