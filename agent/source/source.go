// SPDX-License-Identifier: Apache-2.0

// Package source is the contract of what feeds the pipeline: the live kernel, a recording, or a capture file.
//
// Whatever the source, the pipeline sees records and ticks, in order, on one goroutine, and nothing else; so the same
// records give the same output. Implemented below this folder, called by agent/pipeline.
package source

import (
	"context"
	"time"

	"sonde/probes/event"
)

// Record is one raw record. Its memory belongs to the source and is valid during the delivery.
type Record = event.Record

// Receiver takes records in the order of the kernel. A record's memory is valid during the call.
type Receiver interface {
	Record(r Record)
	// Tick says that time has come to now (since boot): all records before it have been delivered.
	Tick(now time.Duration)
}

// Source delivers records until ctx is done or it has no more. It calls the receiver from one goroutine, Run's own.
type Source interface {
	Run(ctx context.Context, to Receiver) error
}
