// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"encoding/binary"
	"strconv"
	"time"

	"sonde/agent/protocol"
)

const (
	requestMagic  = 0x80
	responseMagic = 0x81
	headerSize    = 24
	maxExtras     = 20
	maxFrame      = 1 << 31 // bytes; servers take 1 MB, or more where configured
	opStat        = 0x10
	opQuit        = 0x07
	opQuitQ       = 0x17
)

// opcode names, as the protocol's document has them.
var opcodes = map[byte]string{
	0x00: "get", 0x01: "set", 0x02: "add", 0x03: "replace", 0x04: "delete", 0x05: "increment", 0x06: "decrement", 0x07: "quit",
	0x08: "flush", 0x09: "getq", 0x0a: "noop", 0x0b: "version", 0x0c: "getk", 0x0d: "getkq", 0x0e: "append", 0x0f: "prepend",
	0x10: "stat", 0x11: "setq", 0x12: "addq", 0x13: "replaceq", 0x14: "deleteq", 0x15: "incrementq", 0x16: "decrementq", 0x17: "quitq",
	0x18: "flushq", 0x19: "appendq", 0x1a: "prependq", 0x1b: "verbosity", 0x1c: "touch", 0x1d: "gat", 0x1e: "gatq", 0x20: "sasl_list_mechs",
	0x21: "sasl_auth", 0x22: "sasl_step", 0x23: "gatk", 0x24: "gatkq", 0x30: "rget", 0x31: "rset", 0x32: "rsetq", 0x33: "rappend",
	0x34: "rappendq", 0x35: "rprepend", 0x36: "rprependq", 0x37: "rdelete", 0x38: "rdeleteq", 0x39: "rincr", 0x3a: "rincrq", 0x3b: "rdecr",
	0x3c: "rdecrq", 0x3d: "set_vbucket", 0x3e: "get_vbucket", 0x3f: "del_vbucket",
}

func isQuiet(op byte) bool {
	name := opcodes[op]
	return name != "" && name[len(name)-1] == 'q'
}

// returnsValue tells whether an answer to an opcode holds a value.
func returnsValue(op byte) bool {
	switch op {
	case 0x00, 0x09, 0x0c, 0x0d, 0x1d, 0x1e, 0x23, 0x24:
		return true
	}
	return false
}

// statuses are the errors of an answer. What is missing is none: not found (1), exists (2), not stored (5), authentication
// goes on (0x21).
var statuses = map[uint16]string{
	0x03: "VALUE_TOO_LARGE", 0x04: "INVALID_ARGUMENTS", 0x06: "NON_NUMERIC_VALUE", 0x07: "WRONG_VBUCKET", 0x08: "AUTHENTICATION_ERROR",
	0x20: "AUTHENTICATION_ERROR", 0x81: "UNKNOWN_COMMAND", 0x82: "OUT_OF_MEMORY", 0x83: "NOT_SUPPORTED",
	0x84: "INTERNAL_ERROR", 0x85: "BUSY", 0x86: "TEMPORARY_FAILURE",
}

// frames follows the binary protocol.
type frames struct {
	shared  *shared
	client  protocol.Dir
	fitness protocol.Fit
	closed  time.Duration

	framer [2]protocol.Framer // by direction
	queue  protocol.InOrder[request]
	token  uint32 // of the last request
	asked  bool
	same   bool // tokens repeat: they tell nothing
	lost   bool // in this turn
	blind  bool // answers cannot be told apart any more
}

func newFrames(s *shared, client protocol.Dir) *frames {
	c := &frames{shared: s, client: client, queue: protocol.NewInOrder[request](protocol.MaxWaiting)}
	c.framer[client] = protocol.Framer{Size: sizeOf(requestMagic), Keep: headerSize + maxExtras + maxKey, Take: c.request}
	c.framer[client.Other()] = protocol.Framer{Size: sizeOf(responseMagic), Keep: headerSize, Take: c.response}
	return c
}

// sizeOf reads the length of a frame from its header.
func sizeOf(magic byte) func([]byte) (uint64, protocol.State) {
	return func(p []byte) (uint64, protocol.State) {
		if p[0] != magic {
			return 0, protocol.Invalid
		}
		if len(p) < headerSize {
			return 0, protocol.NeedMore
		}
		body := binary.BigEndian.Uint32(p[8:])
		if uint32(binary.BigEndian.Uint16(p[2:]))+uint32(p[4]) > body || body > maxFrame {
			return 0, protocol.Invalid
		}
		return headerSize + uint64(body), protocol.Done
	}
}

// classifyFrame tells whether p begins a frame.
func classifyFrame(p []byte) protocol.Guess {
	_, state := sizeOf(p[0])(p)
	switch {
	case len(p) > 1 && opcodes[p[1]] == "", len(p) > 4 && p[4] > maxExtras, len(p) > 5 && p[5] != 0, state == protocol.Invalid:
		return protocol.GuessNo
	case state == protocol.NeedMore:
		return protocol.GuessMaybe
	case p[0] == requestMagic:
		return protocol.GuessRequest
	}
	return protocol.GuessResponse
}

func (c *frames) fit() protocol.Fit { return c.fitness }
func (c *frames) pending() int      { return c.queue.Len() }

func (c *frames) release() {
	c.shared.waiting -= c.queue.Len()
	for _, ok := c.queue.Pop(); ok; _, ok = c.queue.Pop() {
	}
}

func (c *frames) feed(d protocol.Dir, p []byte, t time.Duration) {
	f := &c.framer[d]
	before := f.Lost()
	f.Feed(p, t)
	c.check(f, before)
	if f.Lost() && c.fitness == protocol.FitOpen {
		c.fitness = protocol.FitNo
	}
}

func (c *frames) skip(d protocol.Dir, n uint64, t time.Duration) {
	f := &c.framer[d]
	before := f.Lost()
	f.Skip(n, t)
	c.check(f, before)
}

// check notices that a direction fell out of step.
func (c *frames) check(f *protocol.Framer, before bool) {
	if f.Lost() && !before {
		c.shared.resync()
		c.lost = true
		c.blind = c.blind || c.same
	}
}

// turn tries again to find the beginning of a frame. Answers of the turn before are not to be waited for when some were lost.
func (c *frames) turn(client bool) {
	for d := range c.framer {
		if f := &c.framer[d]; f.Lost() && client {
			f.Resync()
		}
	}
	if client && c.lost {
		c.lost = false
		for c.queue.Len() > 0 {
			c.pop("lost")
		}
	}
}

func (c *frames) pop(reason string) {
	r, _ := c.queue.Pop()
	c.shared.waiting--
	c.shared.report(&r, reason, c.client, c.closed)
}

// request takes a frame of the client.
func (c *frames) request(f *protocol.Frame) {
	if len(f.Head) < headerSize {
		return
	}
	c.markRequest(f)
	p := f.Head
	c.fitness = protocol.FitYes
	r := request{opcode: p[1], token: binary.BigEndian.Uint32(p[12:]), at: f.At, start: f.Start, end: f.End, bytes: f.Size, quiet: isQuiet(p[1])}
	if r.operation = opcodes[r.opcode]; r.operation == "" {
		r.operation = "0x" + strconv.FormatUint(uint64(r.opcode), 16)
	}
	r.returns = returnsValue(r.opcode)
	r.queryOf(p, f.Size)
	c.same = c.same || c.asked && r.token == c.token
	c.asked, c.token = true, r.token
	switch {
	case r.opcode == opQuitQ:
		r.oneWay = true
		c.shared.report(&r, "", c.client, 0)
		return
	case c.blind:
		c.shared.report(&r, "lost", c.client, 0)
		return
	}
	c.push(r)
}

func (c *frames) push(r request) {
	limit := protocol.MaxWaiting
	if c.shared.waiting >= protocol.MaxWaitingAll {
		limit = protocol.MaxWaitingEach
	}
	if c.queue.Len() >= limit {
		c.pop("pipeline_limit")
	}
	c.shared.trace(&r, c.client, false)
	c.queue.Push(r)
	c.shared.waiting++
}

// queryOf makes the query of a frame: the command, its key, and "?" for what else there is.
func (r *request) queryOf(p []byte, size uint64) {
	extras, key := int(p[4]), int(binary.BigEndian.Uint16(p[2:]))
	r.query = r.operation
	if key > 0 {
		head := p[min(len(p), headerSize+extras):]
		shown := head[:min(len(head), key, maxKey)]
		r.cut = len(shown) < key
		if r.opcode >= 0x20 && r.opcode <= 0x22 { // a mechanism of SASL
			shown = placeholder
		}
		r.query += " " + string(shown)
	}
	if size > headerSize+uint64(extras)+uint64(key) {
		r.query += " ?"
	}
}

// response takes a frame of the server. What it passes over was answered by silence, or its answer was lost.
func (c *frames) response(f *protocol.Frame) {
	if len(f.Head) < headerSize {
		return
	}
	c.markResponse(f)
	op, token := f.Head[1], binary.BigEndian.Uint32(f.Head[12:])
	at := 0
	for r := c.queue.At(at); r != nil && (r.opcode != op || r.token != token); r = c.queue.At(at) {
		at++
	}
	r := c.queue.At(at)
	if r == nil {
		return
	}
	for ; at > 0; at-- {
		if first := c.queue.Front(); first.quiet {
			first.oneWay = true
			c.pop("")
		} else {
			c.pop("lost")
		}
	}
	c.answer(c.queue.Front(), f)
}

func (c *frames) answer(r *request, f *protocol.Frame) {
	if r.answerBytes == 0 {
		r.answerStart = f.Start
	}
	r.answerEnd = f.End
	r.answerBytes += f.Size
	status := binary.BigEndian.Uint16(f.Head[6:])
	if r.opcode == opStat && status == 0 && f.Size > headerSize {
		return
	}
	if name := statuses[status]; name != "" || status > 0x80 {
		r.status, r.message = strconv.Itoa(int(status)), name
	}
	if r.returns && status == 0 {
		r.rows = 1
	}
	c.pop("")
}

func (c *frames) close(e protocol.Close) {
	c.closed = e.Time
	reason := e.Reason
	if c.lost {
		reason = "lost"
	}
	for c.queue.Len() > 0 {
		if r := c.queue.Front(); r.quiet && e.Reason == "connection_closed" || r.opcode == opQuit {
			r.oneWay = true
			c.pop("")
			continue
		}
		c.pop(reason)
	}
}
