// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"encoding/binary"
	"strconv"
	"time"

	"sonde/agent/protocol"
)

func (c *conn) feedBack(p []byte, t time.Duration) {
	if c.compressed {
		c.back.fed += uint64(len(p))
		lost := c.back.lost(true)
		c.back.frames.Feed(p, t)
		if lost {
			c.uncounted(uint64(len(p)), t)
			c.back.counted, c.back.framed = c.back.fed, c.back.fed
		} else if c.back.lost(true) && c.phase != phaseOver && !c.refuse() {
			c.loseBack(t)
		}
		return
	}
	if c.back.packets.Lost() {
		c.feedTail(p, t)
		return
	}
	c.back.packets.Pos = c.pos[c.client.Other()] - uint64(len(p))
	n := 0
	if partial := c.back.packets.Partial(); partial != nil && partial.Size == 0 {
		n = copy(c.headless[:], partial.Head)
	}
	c.back.fed += uint64(len(p))
	c.back.packets.Feed(p, t)
	if c.compressed { // from here on
		c.back.packets.Resync()
		if rest := p[len(p)-int(c.back.fed-c.back.counted):]; len(rest) > 0 {
			c.back.fed -= uint64(len(rest))
			c.feedBack(rest, t)
		}
		return
	}
	if !c.back.packets.Lost() || c.phase == phaseOver || c.refuse() {
		return
	}
	c.lose()
	strange := int(c.back.fed - c.back.counted)
	c.back.counted = c.back.fed
	if strange > len(p) {
		c.feedTail(c.headless[:n], t)
	}
	c.feedTail(p[max(0, len(p)-strange):], t)
}

// loseBack is called when the answers have come out of step.
func (c *conn) loseBack(t time.Duration) {
	c.lose()
	c.uncounted(c.back.fed-c.back.counted, t)
	c.back.counted, c.back.framed = c.back.fed, c.back.fed
}

// skipBack passes over a gap.
func (c *conn) skipBack(n uint64, t time.Duration) {
	c.tail = c.tail[:0]
	if c.back.lost(c.compressed) {
		c.uncounted(n, t)
		return
	}
	c.back.fed += n
	if c.compressed {
		c.back.frames.Skip(n, t)
	} else {
		c.back.packets.Skip(n, t)
	}
	if c.back.lost(c.compressed) {
		c.loseBack(t)
	}
}

// uncounted adds bytes that belong to no packet that was seen to the request at hand.
func (c *conn) uncounted(n uint64, t time.Duration) {
	if e := c.queue.Front(); e != nil && n > 0 {
		if e.response == 0 {
			e.response = t
		}
		e.end = t
		e.received += n
	}
}

// takeBack takes a packet of the server.
func (c *conn) takeBack(f *protocol.Frame) {
	if c.fit == protocol.FitNo {
		return
	}
	if c.env.Marks != nil && !c.compressed {
		c.markBack(f)
	}
	n := c.back.account(f, c.compressed)
	payload, seq, size := f.Head[min(len(f.Head), header):], f.Head[3], f.Size-header
	goesOn := c.back.more
	c.back.more = size == maxPayload
	e := c.queue.Front()
	switch {
	case e == nil:
		if c.phase == phaseOpen {
			c.greeting(f, payload)
		}
		return
	case e.uncertain && seq == 1 && c.queue.Len() > 1: // the answer to the next has come
		c.finish()
		e = c.queue.Front()
	}
	if seq != e.seq && (!c.compressed || seq != c.back.frameSeq) {
		if c.fit == protocol.FitOpen && !c.joined {
			c.fit.No()
		}
		c.back.packets.Lose()
		return
	}
	e.seq = seq + 1
	if e.response == 0 {
		e.response = f.Start
	}
	e.end = f.End
	e.received += n
	if !goesOn {
		c.answer(e, payload, size)
	}
}

// greeting takes Protocol::HandshakeV10, or the error that comes in its place.
func (c *conn) greeting(f *protocol.Frame, p []byte) {
	switch {
	case len(p) > 3 && p[0] == 0xff && f.Head[3] == 0:
		e := exchange{command: commandLogin, start: f.Start, requestEnd: f.Start, response: f.Start, end: f.End, received: f.Size}
		c.phase = phaseOver
		c.queue.Push(e)
		c.failure(c.queue.Front(), p)
		c.finish()
	case len(p) > 1 && p[0] == 0x0a && f.Head[3] == 0:
		version, _, _ := text(p[1:])
		if isMariaDB(version) {
			c.system = "mariadb"
		}
		c.phase = phaseLogin
		c.fit.Yes()
	}
}

// answer takes a packet of the answer to e.
func (c *conn) answer(e *exchange, p []byte, size uint64) {
	if size == 0 && e.reading != readText || len(p) == 0 {
		if e.reading != readRows || size == 0 {
			c.back.packets.Lose()
			return
		}
		e.rows++ // its content was not captured: a row, unless it is short
		c.damaged = c.damaged || size < MaxAnswer
		return
	}
	if p[0] == 0xff && e.reading != readText {
		if len(p) >= 3 && binary.LittleEndian.Uint16(p[1:]) == codeProgressReport {
			return
		}
		c.failure(e, p)
		c.finish()
		return
	}
	c.fit.Yes()
	switch e.reading {
	case readFirst:
		c.first(e, p, size)
	case readColumns:
		c.definition(e, readColumnsEnd)
	case readColumnsEnd, readRows:
		c.row(e, p, size)
	case readAuth:
		c.authenticated(e, p)
	case readText, readStream:
		if e.reading == readStream {
			c.phase = phaseOver
		}
		c.finish()
	case readFields:
		if isEOF(p, size) {
			c.finish()
		}
	case readData:
		c.ok(e, p)
	case readRest:
		c.rest(e, p, size)
	default:
		c.preparing(e, p, size)
	}
}

// isEOF tells whether p is an EOF packet, or the OK packet that takes its place: no row begins so but with a value of 16 MB.
func isEOF(p []byte, size uint64) bool { return p[0] == 0xfe && size < maxPayload }

// first takes the packet that says what the answer is.
func (c *conn) first(e *exchange, p []byte, size uint64) {
	if n, rest, ok := lenenc(p[1:]); c.capabilities&capOptionalSet != 0 && c.system == "mysql" && p[0] <= 1 && ok && len(rest) == 0 && len(p) == int(size) {
		e.left, e.reading = int(n), readColumns
		if p[0] == 0 { // the client does not want definitions
			e.reading = readColumnsEnd
		}
		return
	}
	switch p[0] {
	case 0x00:
		c.ok(e, p)
		return
	case 0xfb:
		e.reading = readData
		return
	case 0xfe:
		if size < 9 { // COM_SET_OPTION, COM_DEBUG
			c.finish()
			return
		}
	}
	columns, rest, ok := lenenc(p)
	if !ok || columns > 4096 { // the server's own limit
		c.back.packets.Lose()
		return
	}
	e.left, e.reading = int(columns), readColumns
	if len(rest) == 1 && rest[0] == 0 { // the client has the definitions
		e.reading = readColumnsEnd
	}
}

// definition counts down definitions.
func (c *conn) definition(e *exchange, next reading) {
	if e.left--; e.left <= 0 {
		e.reading = next
	}
}

// row takes a row, or the end of the rows.
func (c *conn) row(e *exchange, p []byte, size uint64) {
	behindColumns := e.reading == readColumnsEnd
	e.reading = readRows
	if !isEOF(p, size) {
		if behindColumns && !c.knowsEOF {
			c.noEOF, c.knowsEOF = true, true
		}
		e.returns, e.counted = true, true
		e.rows++
		return
	}
	status, seen := uint16(0), false
	if size == 5 {
		if len(p) == 5 {
			status, seen = binary.LittleEndian.Uint16(p[3:]), true
		}
		if behindColumns && (!c.knowsEOF || !c.noEOF) {
			c.noEOF, c.knowsEOF = false, true
			if status&statusCursor != 0 {
				c.result(e, status)
			}
			return
		}
	} else {
		_, status, seen = okPacket(p)
	}
	e.returns, e.counted = true, seen
	c.resultSeen(e, status, seen)
}

// resultSeen ends a result whose status may not have been captured.
func (c *conn) resultSeen(e *exchange, status uint16, seen bool) {
	if seen {
		c.result(e, status)
		return
	}
	e.reading, e.uncertain = readFirst, true // another result may follow
}

// okPacket reads an OK packet.
func okPacket(p []byte) (affected uint64, status uint16, ok bool) {
	affected, rest, ok := lenenc(p[1:])
	_, rest, has := lenenc(rest)
	if !ok || !has || len(rest) < 2 {
		return affected, 0, false
	}
	return affected, binary.LittleEndian.Uint16(rest), true
}

// ok takes an OK packet that stands for a result.
func (c *conn) ok(e *exchange, p []byte) {
	affected, status, ok := okPacket(p)
	if ok {
		e.affected += affected
	}
	e.returns, e.counted = false, ok
	if e.command == commands[comResetConnection] {
		c.statements = protocol.NewByID[uint32, statement](MaxStatements)
	}
	c.resultSeen(e, status, ok)
}

// result ends a result: the answer, or a part of it.
func (c *conn) result(e *exchange, status uint16) {
	e.results++
	c.otherEscapes = status&statusNoBackslash != 0
	if status&statusMoreResults != 0 {
		e.reading = readFirst
		return
	}
	c.finish()
}

// authenticated takes a packet of an authentication.
func (c *conn) authenticated(e *exchange, p []byte) {
	if p[0] != 0x00 { // a switch to another method, or more data
		return
	}
	login := e.command == commandLogin
	if login {
		c.database = e.database
	} else {
		c.statements = protocol.NewByID[uint32, statement](MaxStatements)
	}
	c.finish()
	if login && c.capabilities&(capCompress|capZstd) != 0 {
		c.zstd = c.capabilities&capCompress == 0
		c.compress()
		c.back.packets.Lose() // until what is left of the call is taken for frames
	}
}

// preparing takes a packet of the answer to COM_STMT_PREPARE.
func (c *conn) preparing(e *exchange, p []byte, size uint64) {
	switch e.reading {
	case readPrepared:
		if p[0] != 0x00 || len(p) < 9 {
			c.back.packets.Lose()
			return
		}
		e.id = binary.LittleEndian.Uint32(p[1:])
		st := e.statement
		st.fields = nil
		c.statements.Add(e.id, st)
		e.columns, e.left = int(binary.LittleEndian.Uint16(p[5:])), int(binary.LittleEndian.Uint16(p[7:]))
		e.reading = readParameters
		if size >= 13 && p[len(p)-1] == 0 && len(p) == int(size) && c.capabilities&capOptionalSet != 0 { // no definitions follow
			e.columns, e.left = 0, 0
		}
		if e.left == 0 {
			c.beginColumns(e)
		}
		return
	case readParameters:
		if e.left--; e.left == 0 {
			e.reading = readParametersEnd
			c.mayEnd(e)
		}
	case readParametersEnd:
		if size == 5 && p[0] == 0xfe {
			c.noEOF, c.knowsEOF = false, true
			c.beginColumns(e)
			return
		}
		c.noEOF, c.knowsEOF = true, true
		if c.beginColumns(e) {
			c.preparing(e, p, size)
		}
	case readPreparedColumns:
		if e.left--; e.left == 0 {
			e.reading = readPreparedEnd
			c.mayEnd(e)
		}
	case readPreparedEnd:
		c.noEOF, c.knowsEOF = false, true
		c.finish()
	}
}

// beginColumns goes on to the definitions of the columns; without any, the answer is over and false returned.
func (c *conn) beginColumns(e *exchange) bool {
	if e.left = e.columns; e.left == 0 {
		c.finish()
		return false
	}
	e.reading = readPreparedColumns
	return true
}

// mayEnd is called behind the last definition: an EOF packet follows, or not.
func (c *conn) mayEnd(e *exchange) {
	switch {
	case c.knowsEOF && c.noEOF && e.reading == readParametersEnd:
		c.beginColumns(e)
	case c.knowsEOF && c.noEOF:
		c.finish()
	case !c.knowsEOF && (e.reading == readPreparedEnd || e.columns == 0):
		e.uncertain = true
	}
}

// failure takes an ERR packet.
func (c *conn) failure(e *exchange, p []byte) {
	e.failed = true
	if len(p) < 3 {
		return
	}
	e.code = binary.LittleEndian.Uint16(p[1:])
	c.number = strconv.AppendUint(c.number[:0], uint64(e.code), 10)
	e.status = c.text.Intern(c.number)
	e.name = errorName(e.code)
}
