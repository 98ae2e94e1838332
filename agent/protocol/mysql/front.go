// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/binary"
	"time"

	"sonde/agent/protocol"
)

func (c *conn) feedFront(p []byte, t time.Duration) {
	lost := c.front.lost(c.compressed)
	c.front.fed += uint64(len(p))
	if c.compressed {
		c.front.frames.Feed(p, t)
	} else {
		c.front.packets.Feed(p, t)
	}
	if !lost && c.front.lost(c.compressed) && c.phase != phaseOver && !c.refuse() {
		c.lose()
	}
}

// skipFront passes over a gap.
func (c *conn) skipFront(n uint64, t time.Duration) {
	if c.front.lost(c.compressed) {
		return
	}
	c.front.fed += n
	if c.compressed {
		c.front.frames.Skip(n, t)
	} else {
		c.front.packets.Skip(n, t)
	}
	if c.front.lost(c.compressed) {
		c.lose()
	}
}

func packetSize(p []byte) (uint64, protocol.State) {
	if len(p) < header {
		return 0, protocol.NeedMore
	}
	return uint64(length(p) + header), protocol.Done
}

// takeFront takes a packet of the client.
func (c *conn) takeFront(f *protocol.Frame) {
	if c.fit == protocol.FitNo {
		return
	}
	if c.env.Marks != nil && !c.compressed {
		c.markFront(f)
	}
	n := c.front.account(f, c.compressed)
	payload, seq := f.Head[min(len(f.Head), header):], f.Head[3]
	size := f.Size - header
	goesOn := c.front.more
	c.front.more = size == maxPayload
	newest := c.queue.At(c.queue.Len() - 1)
	e := c.queue.Front()
	switch {
	case goesOn:
		if newest != nil {
			newest.extend(f, n)
			newest.seq = seq + 1
		}
	case c.phase == phaseLogin && seq >= 1:
		c.login(f, payload, n)
	case e != nil && seq != 0 && (e.reading == readAuth || e.reading == readData):
		e.sent += n
		if e.reading == readData {
			e.requestEnd = f.End
		}
		e.seq = seq + 1
	case seq == 0 && len(payload) > 0 && c.phase == phaseCommands:
		c.command(f, payload, n)
	default:
		c.front.packets.Lose()
	}
}

func (e *exchange) extend(f *protocol.Frame, n uint64) {
	if e.start == 0 && e.sent == 0 {
		e.start = f.Start
	}
	e.requestEnd = f.End
	e.sent += n
}

// login takes Protocol::HandshakeResponse or SSLRequest.
func (c *conn) login(f *protocol.Frame, p []byte, n uint64) {
	if len(p) < 4 {
		c.front.packets.Lose()
		return
	}
	caps := binary.LittleEndian.Uint32(p)
	if caps&capProtocol41 == 0 {
		caps &= 0xffff
	}
	if caps&capSSL != 0 && f.Size == 32+header {
		c.encrypt()
		return
	}
	c.capabilities = caps
	c.noEOF, c.knowsEOF = caps&capNoEOF != 0, true
	e := exchange{command: commandLogin, reading: readAuth, seq: f.Head[3] + 1, turn: c.turn}
	e.origin = c.front.originOf(f, c.compressed)
	e.extend(f, n)
	c.credentials(p, caps)
	e.user, e.database, e.switches = c.user, c.database, false
	c.phase = phaseCommands
	c.push(e)
}

// credentials takes the user and the database from a login.
func (c *conn) credentials(p []byte, caps uint32) {
	c.user, c.database = "", ""
	at := 32
	if caps&capProtocol41 == 0 {
		at = 5
	}
	if len(p) < at {
		return
	}
	user, rest, ok := text(p[at:])
	if !ok { // half a name is another
		return
	}
	c.user = c.name(user)
	rest, ok = skipSecret(rest, caps)
	if !ok || caps&capConnectDB == 0 {
		return
	}
	if database, _, ok := text(rest); ok {
		c.database = c.name(database)
	}
}

// skipSecret passes over the answer to the scramble.
func skipSecret(p []byte, caps uint32) ([]byte, bool) {
	switch {
	case caps&capLenencAuth != 0:
		n, rest, ok := lenenc(p)
		if !ok || n > uint64(len(rest)) {
			return nil, false
		}
		return rest[n:], true
	case caps&capSecure != 0:
		if len(p) == 0 || int(p[0]) >= len(p) {
			return nil, len(p) > 0 && int(p[0]) < len(p)
		}
		return p[1+int(p[0]):], true
	}
	_, rest, ok := text(p)
	return rest, ok
}

// lenenc reads a length-encoded integer.
func lenenc(p []byte) (n uint64, rest []byte, ok bool) {
	if len(p) == 0 {
		return 0, nil, false
	}
	size := 0
	switch p[0] {
	case 0xfc:
		size = 2
	case 0xfd:
		size = 3
	case 0xfe:
		size = 8
	case 0xfb, 0xff:
		return 0, nil, false
	default:
		return uint64(p[0]), p[1:], true
	}
	if len(p) <= size {
		return 0, nil, false
	}
	for i := size; i > 0; i-- {
		n = n<<8 | uint64(p[i])
	}
	return n, p[1+size:], true
}

// encrypt hands the connection to the TLS parser.
func (c *conn) encrypt() {
	c.fit.Yes()
	c.phase = phaseOver
	c.front.packets.Lose()
	c.inner = c.env.Open("tls", protocol.Start{Client: c.client, Base: c.pos})
}

// command takes the first packet of a command.
func (c *conn) command(f *protocol.Frame, p []byte, n uint64) {
	com := p[0]
	e := exchange{command: commandName(com), operation: operationName(com), reading: firstReading(com), seq: f.Head[3] + 1, turn: c.turn}
	if e.command == "" {
		c.front.packets.Lose()
		return
	}
	e.origin = c.front.originOf(f, c.compressed)
	if com == comStmtExecute && c.lead.sent > 0 {
		e.origin, e.start, e.sent = c.lead.origin, c.lead.start, c.lead.sent
		c.lead = exchange{}
	}
	e.extend(f, n)
	switch com {
	case comStmtLongData:
		if c.lead.sent == 0 {
			c.lead.origin = e.origin
		}
		c.lead.extend(f, n)
		return
	case comQuit:
		c.oneWay(&e)
		return
	case comStmtClose:
		if len(p) >= 5 {
			id := binary.LittleEndian.Uint32(p[1:])
			e.id = id
			if st, ok := c.statements.Take(id); ok {
				e.statement = st
			}
		}
		c.oneWay(&e)
		return
	}
	c.argument(&e, com, p[1:], f)
	c.push(e)
}

// argument reads what a command is about.
func (c *conn) argument(e *exchange, com byte, p []byte, f *protocol.Frame) {
	switch com {
	case comQuery:
		query, ok := c.query(p)
		if !ok {
			e.cut = true
			return
		}
		st, use := c.read(query, false, !f.Whole)
		if st.fields == nil {
			st.fields = contextOf(p[:len(p)-len(query)])
		}
		e.statement = st
		if use != "" {
			e.database, e.switches = use, true
		}
	case comStmtPrepare:
		e.statement, _ = c.read(p, true, !f.Whole)
		e.batch = 0
		c.prepared = e.statement
		c.prepared.fields = nil
	case comStmtExecute, comStmtFetch, comStmtReset, comStmtBulkExecute:
		if len(p) < 4 {
			return
		}
		id := binary.LittleEndian.Uint32(p)
		if st := c.statements.Get(id); st != nil {
			e.statement = *st
		} else if e.id = id; id == 1<<32-1 { // MariaDB: the statement prepared last, whose number is not known yet
			e.statement = c.prepared
		}
	case comInitDB:
		if e.switches = true; f.Whole {
			e.database = c.name(p)
		}
	case comFieldList:
		if table, _, ok := text(p); ok || f.Whole {
			e.collection = c.name(table)
		}
	case comChangeUser:
		c.changeUser(e, p)
	}
}

// changeUser takes the user and the database from a COM_CHANGE_USER.
func (c *conn) changeUser(e *exchange, p []byte) {
	e.switches = true
	user, rest, ok := text(p)
	if !ok {
		return
	}
	e.user = c.name(user)
	caps := c.capabilities&^capLenencAuth | capSecure
	if rest, ok = skipSecret(rest, caps); ok {
		if database, _, ok := text(rest); ok {
			e.database = c.name(database)
		}
	}
}

// query returns the text of a COM_QUERY, behind its attributes.
func (c *conn) query(p []byte) ([]byte, bool) {
	attributes := c.capabilities&capAttributes != 0
	if c.capabilities == 0 { // no text begins like this
		attributes = len(p) >= 2 && p[1] == 1 && p[0] < ' '
	}
	if !attributes {
		return p, true
	}
	count, rest, ok := lenenc(p)
	_, rest, sets := lenenc(rest)
	if !ok || !sets || count > 0xffff {
		return nil, false
	}
	if count == 0 {
		return rest, true
	}
	return skipAttributes(rest, int(count))
}

// skipAttributes passes over the names, types and values of count attributes.
func skipAttributes(p []byte, count int) ([]byte, bool) {
	nulls := (count + 7) / 8
	if len(p) <= nulls || p[nulls] != 1 { // their types have to be sent with them
		return nil, false
	}
	null, p := p[:nulls], p[nulls+1:]
	types := make([]byte, 0, min(count, 64))
	for range count {
		if len(p) < 3 {
			return nil, false
		}
		types = append(types, p[0])
		n, rest, ok := lenenc(p[2:])
		if !ok || n > uint64(len(rest)) {
			return nil, false
		}
		p = rest[n:]
	}
	for i, kind := range types {
		if null[i/8]&(1<<(i%8)) != 0 {
			continue
		}
		var ok bool
		if p, ok = skipValue(p, kind); !ok {
			return nil, false
		}
	}
	return p, true
}

// skipValue passes over a value of the binary protocol.
func skipValue(p []byte, kind byte) ([]byte, bool) {
	n := uint64(0)
	switch kind {
	case 0x06: // NULL
	case 0x01: // TINY
		n = 1
	case 0x02, 0x0d: // SHORT, YEAR
		n = 2
	case 0x03, 0x09, 0x04: // LONG, INT24, FLOAT
		n = 4
	case 0x08, 0x05: // LONGLONG, DOUBLE
		n = 8
	default: // strings, dates and times say their length
		var ok bool
		if n, p, ok = lenenc(p); !ok {
			return nil, false
		}
	}
	if n > uint64(len(p)) {
		return nil, false
	}
	return p[n:], true
}

// isPrintableVersion tells whether a greeting's version is one of MariaDB's.
func isMariaDB(version []byte) bool {
	return bytes.Contains(version, []byte("MariaDB")) || bytes.HasPrefix(version, []byte("5.5.5-"))
}
