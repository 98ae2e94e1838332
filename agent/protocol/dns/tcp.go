// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	prefix     = 2    // bytes of the length before a message (RFC 1035 4.2.2)
	maxMessage = 4096 // bytes of a message that are put together
)

// tcp follows one connection. It implements protocol.Parser.
type tcp struct {
	*dialogue
	framers [2]protocol.Framer
	pos     [2]uint64 // of the bytes fed and skipped, from Start.Base on
	started bool
	last    protocol.Dir
	fit     protocol.Fit
}

func newTCP(d *dialogue, base [2]uint64) *tcp {
	c := &tcp{dialogue: d, pos: base}
	for i := range c.framers {
		dir := protocol.Dir(i)
		c.framers[i] = protocol.Framer{Size: frameSize, Keep: maxMessage, Take: func(f *protocol.Frame) { c.frame(dir, f) }}
	}
	return c
}

// frameSize implements protocol.Framer.Size. It wants the whole header: a direction that is out of step, or something else,
// is found so.
func frameSize(p []byte) (uint64, protocol.State) {
	if len(p) < prefix {
		return 0, protocol.NeedMore
	}
	size := int(binary.BigEndian.Uint16(p))
	head := p[prefix:]
	if size < headerSize {
		return 0, protocol.Invalid
	}
	if s := plausibleHeader(head[:min(len(head), headerSize)], size); s != protocol.Done {
		return 0, s
	}
	return uint64(prefix + size), protocol.Done
}

// Feed implements protocol.Parser.
func (c *tcp) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 { // it begins no turn
		return
	}
	c.turn(d)
	c.expire(t)
	was := c.framers[d].Lost()
	c.framers[d].Feed(p, t)
	c.noticeLoss(d, was, t)
	if c.pos[d] += uint64(len(p)); c.shared.env.Marks != nil && c.fit == protocol.FitYes { // names and addresses are what is reported
		c.shared.env.Marks.Settle(d, c.pos[d])
	}
}

// Skip implements protocol.Parser.
func (c *tcp) Skip(d protocol.Dir, n uint64, t time.Duration) {
	c.turn(d)
	c.expire(t)
	was := c.framers[d].Lost()
	c.framers[d].Skip(n, t)
	c.pos[d] += n
	c.noticeLoss(d, was, t)
}

// turn brings a direction that is out of step back at the beginning of its next turn.
func (c *tcp) turn(d protocol.Dir) {
	if c.started && c.last == d {
		return
	}
	c.started, c.last = true, d
	if c.framers[d].Lost() {
		c.framers[d].Resync()
	}
}

func (c *tcp) noticeLoss(d protocol.Dir, was bool, t time.Duration) {
	if was || !c.framers[d].Lost() {
		return
	}
	if c.fit == protocol.FitOpen {
		c.fit = protocol.FitNo
		return
	}
	c.lostAt[d] = t
	c.shared.env.Resync(model.ProtocolDNS)
}

func (c *tcp) frame(d protocol.Dir, f *protocol.Frame) {
	m := &c.shared.msg
	if len(f.Head) < prefix || m.read(f.Head[prefix:]) != protocol.Done {
		c.framers[d].Lose()
		return
	}
	c.fit = protocol.FitYes
	if c.asked && !m.answer() {
		c.endTransfer(d)
	}
	c.take(passed{message: m, dir: d, size: f.Size, start: f.Start, end: f.End}, c.emit)
}

// endTransfer reports a zone transfer whose last message was not recognised: its client goes on.
func (c *tcp) endTransfer(d protocol.Dir) {
	if x := c.waiting.Oldest(); x != nil && (*x).answered > 0 && (*x).key.dir == d {
		old, _ := c.waiting.Pop()
		c.transferred(old)
	}
}

// EOF implements protocol.Parser.
func (c *tcp) EOF(d protocol.Dir, _ time.Duration) { c.endTransfer(d.Other()) }

// Close implements protocol.Parser.
func (c *tcp) Close(e protocol.Close) { c.finish(e) }

// Pending implements protocol.Parser.
func (c *tcp) Pending() int { return c.waiting.Len() }

// Fit implements protocol.Parser.
func (c *tcp) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *tcp) Release() { c.shared.close(c.dialogue) }
