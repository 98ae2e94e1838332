// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"slices"
	"testing"

	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// What is compressed has no position on the wire: a command begins with the frame that holds its first byte, and so far behind
// the beginning of what that holds.
func TestCompressedCommandsBeginWithTheirFrames(t *testing.T) {
	first, second := packet(0, "\x03SELECT 1"), packet(0, "\x03SELECT 2")
	hello, one, two := login(capCompress, "joe", ""), compressed(0, first[:6]), compressed(1, first[6:]+second)
	o := observe(true, false)
	o.run(resp(greeting("8.0.30")), req(hello), resp(packet(2, okBody(0, 2))), req(one), req(two)).close("connection_closed")
	at := uint64(len(hello))
	want := []uint64{
		begins.Identity(protocol.Begin{Dir: protocol.Received}),
		begins.Identity(protocol.Begin{Dir: protocol.Received, At: at}),
		begins.Identity(protocol.Begin{Dir: protocol.Received, At: at + uint64(len(one)), Stream: uint32(len(first) - 6)}),
	}
	if got := begins.Positions(o.got); !slices.Equal(got, want) {
		t.Errorf("begin as %x, want %x\n%s", got, want, o.lines())
	}
}
