// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"encoding/binary"
	"strings"
	"time"

	"sonde/agent/protocol"
)

func (c *conn) feedFront(p []byte, t time.Duration) {
	if c.phase == phaseOpen {
		if c.phase = phaseMessages; p[0] == 0 {
			c.phase = phaseStartup
		}
	}
	lost := c.front.Lost()
	c.front.Pos = c.pos[c.client] - uint64(len(p))
	c.front.Feed(p, t)
	if !lost && c.front.Lost() {
		if c.fit == protocol.FitOpen {
			c.fit.No()
			return
		}
		c.lost()
	}
}

// skipFront passes over a gap.
func (c *conn) skipFront(n uint64, t time.Duration) {
	if c.front.Lost() {
		return
	}
	c.front.Skip(n, t)
	if c.front.Lost() {
		c.lost()
	}
}

func (c *conn) measureFront(p []byte) (uint64, protocol.State) {
	if c.phase == phaseStartup {
		return startupSize(p)
	}
	return frontSize(p)
}

// takeFront takes a message of the client.
func (c *conn) takeFront(f *protocol.Frame) {
	if c.fit == protocol.FitNo {
		return
	}
	if c.env.Marks != nil {
		c.markFront(f)
	}
	if c.phase == phaseStartup {
		c.startup(f)
		return
	}
	if len(f.Head) < header {
		return
	}
	body := f.Head[header:]
	switch f.Head[0] {
	case 'Q':
		c.query(f, body)
	case 'P':
		c.addLead(f, commandParse)
		c.parse(f, body)
	case 'B':
		c.addLead(f, commandBind)
		c.bind(body)
	case 'D':
		c.addLead(f, commandDescribe)
	case 'C':
		c.addLead(f, commandClose)
		c.closeNamed(body)
	case 'E':
		c.execute(f, body)
	case 'S':
		c.sync(f)
	case 'H':
		c.flush(f)
	case 'F':
		c.function(f)
	case 'd', 'c', 'f', 'p':
		c.carry(f)
	case 'X':
		c.oneWay(commandEnd, f)
	}
}

// startup takes a packet of the beginning of a connection.
func (c *conn) startup(f *protocol.Frame) {
	e := c.begun("")
	e.syncs = 1
	e.extend(f)
	switch code := binary.BigEndian.Uint32(f.Head[4:]); {
	case code == codeCancel:
		c.oneWay(commandCancel, f)
		return
	case code == codeSSL:
		e.command = commandSSL
	case code == codeGSS:
		e.command = commandGSS
	default:
		e.command = commandStartup
		c.readParameters(f.Head[8:])
		e.user = c.user
		c.phase = phaseMessages
		c.fit.Yes()
	}
	c.endGroup()
	c.push(e)
}

// readParameters takes the user and the database from a StartupMessage. The database is called after the user where it is
// not named.
func (c *conn) readParameters(p []byte) {
	for len(p) > 0 && p[0] != 0 {
		name, rest, ok := text(p)
		value, rest, valued := text(rest)
		if !ok || !valued {
			break
		}
		switch string(name) {
		case "user":
			c.user = c.name(value)
		case "database":
			c.database = c.name(value)
		}
		p = rest
	}
	if c.database == "" {
		c.database = c.user
	}
}

// name keeps a name.
func (c *conn) name(b []byte) string {
	return strings.ToValidUTF8(c.shared.text.Intern(b[:min(len(b), maxName)]), "\uFFFD")
}

// query takes a simple Query.
func (c *conn) query(f *protocol.Frame, body []byte) {
	c.flushLead()
	s, _, ended := text(body)
	e := c.begun(commandQuery)
	e.statement, e.syncs = c.read(s, false, !ended), 1
	if e.batch < 2 {
		e.batch = 0
	}
	if renames(e.summary) {
		c.forget()
	}
	e.extend(f)
	c.endGroup()
	c.push(e)
}

// renames tells whether a statement may change what the names of prepared statements mean.
func renames(summary string) bool {
	for _, word := range []string{"DEALLOCATE", "DISCARD", "PREPARE"} {
		if len(summary) >= len(word) && strings.EqualFold(summary[:len(word)], word) {
			return true
		}
	}
	return false
}

// begun makes a request of the turn and the group at hand: what the next Sync ends.
func (c *conn) begun(command string) exchange {
	c.inGroup = true
	return exchange{command: command, group: c.groups, turn: c.turn}
}

func (c *conn) endGroup() {
	c.inGroup = false
	c.groups++
}

// parse takes the text of a prepared statement.
func (c *conn) parse(f *protocol.Frame, body []byte) {
	c.parses++
	name, rest, ok := text(body)
	s, _, ended := text(rest)
	if !ok {
		c.forget()
		return
	}
	st := c.read(s, true, !ended)
	st.batch = 0
	key := c.name(name)
	st.name = key
	c.lead.statement = st
	if len(name) == 0 {
		c.unnamed = st
		return
	}
	if len(name) > maxName {
		return
	}
	c.statements.Add(key, st)
	if len(c.unconfirmed) < MaxStatements {
		c.unconfirmed = append(c.unconfirmed, key)
	}
}

// bind gives a portal the text of its statement. The trace that the text was sent in is that of the portal when both are part
// of one group, or the client asked for the answer to an unnamed Parse before it went on: who executes a statement later does
// so in another trace.
func (c *conn) bind(body []byte) {
	portal, rest, ok := text(body)
	name, _, named := text(rest)
	if !ok || !named {
		c.forgetUnnamed()
		return
	}
	st := c.unnamed
	if len(name) > 0 {
		st = statement{name: c.name(name)}
		if known := c.statements.Get(c.name(name)); known != nil && len(name) <= maxName {
			st = known.in(c.groups)
		}
	} else if c.unnamed.bound || st.group+1 != c.groups {
		st = st.in(c.groups)
	}
	c.unnamed.bound = c.unnamed.bound || len(name) == 0
	st.group = c.groups
	c.lead.statement = st
	if len(portal) == 0 {
		c.unnamedPortal = st
	} else if len(portal) <= maxName {
		c.portals.Add(c.name(portal), st)
	}
}

func (c *conn) closeNamed(body []byte) {
	if len(body) < 2 {
		return
	}
	name, _, ok := text(body[1:])
	switch {
	case !ok || len(name) == 0 || len(name) > maxName:
	case body[0] == 'S':
		c.statements.Take(c.name(name))
	case body[0] == 'P':
		c.portals.Take(c.name(name))
	}
}

// addLead adds a message that prepares for an Execute.
func (c *conn) addLead(f *protocol.Frame, command string) {
	if !c.hasLead {
		c.hasLead = true
		c.lead = c.begun(command)
	} else if rank(command) < rank(c.lead.command) {
		c.lead.command = command
	}
	c.lead.extend(f)
	c.lead.replies++
	c.flushed = false
}

func rank(command string) int {
	for i, c := range [...]string{commandParse, commandDescribe, commandBind, commandClose} {
		if c == command {
			return i
		}
	}
	return -1
}

// execute takes an Execute, with what has prepared it.
func (c *conn) execute(f *protocol.Frame, body []byte) {
	e := c.begun(commandExecute)
	if c.hasLead {
		e, c.hasLead = c.lead, false
	}
	e.command, e.todo, e.statement = commandExecute, 1, statement{}
	portal, _, ok := text(body)
	switch {
	case !ok:
	case len(portal) == 0:
		e.statement = c.unnamedPortal.in(c.groups)
	default:
		if st := c.portals.Get(c.name(portal)); st != nil && len(portal) <= maxName {
			e.statement = st.in(c.groups)
		}
	}
	e.extend(f)
	c.push(e)
}

// sync ends what the client has asked for since the Sync before.
func (c *conn) sync(f *protocol.Frame) {
	last := c.newest()
	switch {
	case last != nil && last.copying && !c.hasLead:
		last.extend(f)
		if last.copied || last.failed {
			last.syncs++
		}
	case c.inGroup && last != nil && last.command == commandExecute && last.group == c.groups:
		if c.hasLead { // a Close behind the last Execute
			last.sent += c.lead.sent
			c.hasLead = false
		}
		last.extend(f)
		last.syncs++
	case c.hasLead:
		c.lead.extend(f)
		c.endLead()
	default: // the Executes before have been answered, or there was nothing
		e := c.begun(commandSync)
		e.syncs, e.silent = 1, true
		e.extend(f)
		c.push(e)
	}
	c.endGroup()
}

// endLead makes a request of its own of messages that no Execute followed.
func (c *conn) endLead() {
	e := c.lead
	c.hasLead, c.lead = false, exchange{}
	e.syncs = 1
	c.push(e)
}

// flushLead does the same without a Sync: a Query takes its place, or the answers come because of a Flush.
func (c *conn) flushLead() {
	if c.hasLead {
		e := c.lead
		c.hasLead = false
		c.push(e)
	}
}

func (c *conn) flush(f *protocol.Frame) {
	if c.hasLead {
		c.lead.extend(f)
		c.flushed = true
	} else if last := c.newest(); last != nil {
		last.extend(f)
	}
}

func (c *conn) function(f *protocol.Frame) {
	c.flushLead()
	e := c.begun(commandFunction)
	e.syncs = 1
	e.extend(f)
	c.endGroup()
	c.push(e)
}

// carry adds data, or a step of an authentication, to the request that it belongs to.
func (c *conn) carry(f *protocol.Frame) {
	e := c.queue.Front()
	if e == nil {
		return
	}
	if last := c.newest(); f.Head[0] == 'c' || f.Head[0] == 'f' {
		last.copied = true
	}
	if e.command == commandStartup {
		e.sent += f.Size
		return
	}
	e.extend(f)
}
