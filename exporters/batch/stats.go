// SPDX-License-Identifier: Apache-2.0

package batch

import "time"

// Reason says why a span was dropped.
type Reason uint8

// Unconfirmed spans were sent and never answered for: the receiver may have them. They are not sent again, because it
// would have them twice then.
const (
	QueueFull   Reason = iota // no room, the receiver does not keep up
	Rejected                  // the receiver took the batch without them (partial success)
	Failed                    // the receiver refused the batch, or was not reached in time
	Unconfirmed               // sent without an answer
	TooLarge                  // more bytes than a batch or a packet may have
	Shutdown                  // still queued when the time to flush was over

	ReasonCount // the number of reasons, not one of them
)

var reasons = [...]string{"queue_full", "rejected", "failed", "unconfirmed", "too_large", "shutdown"}

// String returns the name used as error.type in metrics.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "_OTHER"
}

// Stats are counts since the start, and the state of the queue. Added is the sum of Exported, all of Dropped and Queued.
type Stats struct {
	Added    uint64 // spans handed over
	Exported uint64 // spans that the receiver took
	Dropped  [ReasonCount]uint64

	Queued      int // spans, InFlight included
	InFlight    int // spans of the batch being sent
	Capacity    int // spans that the queue may hold
	QueuedBytes int // encoded

	Batches     uint64        // that were settled
	Retries     uint64        // sent again by the queue, beside what a client does
	ExportTime  time.Duration // of all batches together, waits for the next try included
	ExportBytes uint64        // encoded spans that the receiver took, before compression
}
