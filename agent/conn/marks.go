// SPDX-License-Identifier: Apache-2.0

package conn

import "sonde/agent/protocol"

// Recorder is told what parsers say of the payload of records, in the terms of those: the socket (Header.Sock), the
// direction (Segment.Dir) and sequence numbers.
type Recorder interface {
	// Hide says that n bytes from sequence number seq on are private.
	Hide(sock uint64, dir uint8, seq uint32, n uint64, with protocol.Filler)
	// Replace says that the bytes from sequence number seq on are private, and what to write in their place.
	Replace(sock uint64, dir uint8, seq uint32, with []byte)
	// Settle says that bytes before sequence number seq may be written, but for those hidden.
	Settle(sock uint64, dir uint8, seq uint32)
}

// marks implements protocol.Marks for the connection whose bytes are being parsed.
type marks struct{ t *Tracker }

func (t *Tracker) marks() protocol.Marks {
	if t.config.Recorder == nil {
		return nil
	}
	return marks{t}
}

func (m marks) Hide(d protocol.Dir, from, to uint64, with protocol.Filler) {
	if m.t.talking != nil { // datagrams hold no secrets: names, and hellos that anyone can read
		return
	}
	c := m.t.current
	m.t.config.Recorder.Hide(c.sock, uint8(d), c.dirs[d].stream.SeqAt(from), to-from, with)
}

func (m marks) Replace(d protocol.Dir, at uint64, with []byte) {
	if m.t.talking != nil {
		return
	}
	c := m.t.current
	m.t.config.Recorder.Replace(c.sock, uint8(d), c.dirs[d].stream.SeqAt(at), with)
}

func (m marks) Settle(d protocol.Dir, upTo uint64) {
	if m.t.talking != nil {
		return
	}
	c := m.t.current
	m.t.config.Recorder.Settle(c.sock, uint8(d), c.dirs[d].stream.SeqAt(upTo))
}
