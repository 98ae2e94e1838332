// SPDX-License-Identifier: Apache-2.0

package websocket

import "sonde/agent/protocol"

// mark tells a recording what of a frame it may hold: its header, and the code of a close frame.
func (c *Conn) mark(d protocol.Dir, f *protocol.Frame) {
	s := protocol.NewScreen(c.env.Marks, d, f.At, f.Head)
	h := headerSize(f.Head[1])
	if f.Head[0]&15 == opClose {
		h += 2
	}
	s.Keep(f.Head[:min(len(f.Head), h)])
	s.End(f.Size)
}
