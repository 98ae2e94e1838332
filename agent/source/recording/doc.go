// SPDX-License-Identifier: Apache-2.0

// Package recording writes the raw records of an observation to a file, and reads such a file as a source.
//
// What is read gives the same output, byte for byte, as the observation gave when it was recorded: the file holds not only
// the kernel's records but everything else that the pipeline was told, in order: ticks, the offset between the kernel's
// clock and wall time, who processes are and what interfaces are called. docs/recording-format.md describes the bytes.
//
// Payload is private. Only what the parsers vouched for is written (protocol.Marks); a record waits for that, at most
// MaxHold, and loses what nobody vouched for: its bytes are then counted, not copied, as when they had been over the
// kernel's budget.
//
// It understands neither protocols nor connections. Called by cmd/sonde. A Recorder and a Source are for one goroutine.
package recording

import "errors"

// Version of the format. A reader refuses a higher one.
const Version = 1

const (
	fileMagic  = "SONDEREC"
	blockMagic = "SBLK"
)

// Sizes in bytes. A block is written when its frames have blockBytes; nothing that a file says makes a reader allocate
// more than the limits.
const (
	blockBytes    = 256 << 10
	maxBlockBytes = 16 << 20
	maxMeta       = 64 << 10
	maxFrame      = 1 << 20
)

// frameKind is the first byte of a frame.
type frameKind uint8

const (
	frameRecord    frameKind = iota + 1 // a record, as the kernel wrote it
	frameTick                           // time has come to: int64, ns since boot
	frameClock                          // wall time at boot: int64, ns since the Unix epoch
	frameProcess                        // uint32 PID, uint64 start in ns since boot, then the identity as JSON
	frameInterface                      // uint32 index, then the name
	frameEnd                            // the recording was ended in order
)

// ErrCutOff says that a recording was not ended in order: the writer was killed or the disk was full. All that came before
// has been delivered.
var ErrCutOff = errors.New("the recording is cut off: it was not ended in order")

// Meta is what a recording says of itself.
type Meta struct {
	Version string `json:"sonde"`            // of sonde, not of the format
	Kernel  string `json:"kernel,omitempty"` // release
	Arch    string `json:"arch,omitempty"`
	Started string `json:"started"`          // RFC 3339
	Scope   string `json:"scope,omitempty"`  // filters that were applied while recording, as given
	Config  []byte `json:"config,omitempty"` // of the pipeline, as its owner wrote it
}
