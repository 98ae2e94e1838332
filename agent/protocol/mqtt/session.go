// SPDX-License-Identifier: Apache-2.0

package mqtt

import "sonde/agent/protocol"

// connects takes CONNECT. A second one is an error of the client, or the first one's answer was not seen.
func (c *Conn) connects(p *packet, f *protocol.Frame) bool {
	h, ok := readConnect(p.body)
	if !ok {
		return false
	}
	if c.connect != nil {
		c.giveUp(c.connect, "replaced", f.Start)
	}
	c.version, c.id = h.version, clip(h.clientID)
	c.aliases = [2]map[uint16]string{}
	c.connect = c.begin(c.client, f, kindConnect)
	c.waits(c.connect)
	return true
}

// connected takes CONNACK.
func (c *Conn) connected(p *packet, f *protocol.Frame) bool {
	if len(p.body) < 2 {
		return !p.whole()
	}
	c.prove(1)
	if p.left > 2 && c.version == 0 {
		c.version = 5
	}
	e := c.connect
	if c.connect = nil; e == nil {
		return true
	}
	if c.version == 5 && c.id == "" {
		if list, _, ok := properties(p.body[2:]); ok {
			if value, _ := property(list, propertyClientID); len(value) > 2 {
				c.id = clip(value[2:])
				e.detail.ClientID = c.id
			}
		}
	}
	e.answer(f, connackName(p.body[1]))
	c.finish(e)
	return true
}

func (c *Conn) ping(f *protocol.Frame) {
	e := c.begin(c.client, f, kindPingreq)
	if f.Start < c.quiet {
		c.giveUp(e, "lost", f.End)
		return
	}
	c.waits(e)
	if old, full := c.pings.Push(e); full {
		c.giveUp(old, "pipeline_limit", f.Start)
		c.quiet = f.Start + settle
		c.endSingle("lost", f.Start)
	}
}

func (c *Conn) pong(f *protocol.Frame) {
	if e, ok := c.pings.Pop(); ok {
		c.prove(2)
		e.answer(f, "")
		c.finish(e)
	}
}

// disconnect takes DISCONNECT, which a server sends as well in MQTT 5.
func (c *Conn) disconnect(d protocol.Dir, p *packet, f *protocol.Frame) {
	if c.version < 5 {
		c.suppose(d)
	}
	e := c.begin(d, f, kindDisconnect)
	if len(p.body) > 0 {
		e.fail(reasonName(p.body[0]))
	}
	if c.known {
		c.alone(e)
	}
}

// authenticate takes AUTH: a step of CONNECT, or of authentication again, which the client begins (MQTT 5 section 4.12).
func (c *Conn) authenticate(d protocol.Dir, p *packet, f *protocol.Frame) {
	c.version = 5
	code := byte(0)
	if len(p.body) > 0 {
		code = p.body[0]
	}
	e := c.connect
	if e == nil {
		e = c.auth
	}
	switch {
	case !c.known:
	case d == c.client && e != nil:
		e.request.RequestBytes += f.Size
	case d == c.client:
		c.auth = c.begin(d, f, kindAuth)
		c.waits(c.auth)
	case e != nil && code == codeContinue:
		e.request.ResponseBytes += f.Size
	case e != nil && e == c.auth:
		c.auth = nil
		e.answer(f, reasonName(code))
		c.finish(e)
	}
}
