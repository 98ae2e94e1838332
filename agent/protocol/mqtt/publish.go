// SPDX-License-Identifier: Apache-2.0

package mqtt

import "sonde/agent/protocol"

const flagDup = 8

// publish takes PUBLISH.
func (c *Conn) publish(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	h, ok := readPublish(p)
	if !ok {
		return false
	}
	c.suppose(d)
	c.prove(1)
	if p.qos() > 0 && p.flags&flagDup != 0 && c.again(d, h.id, f) {
		return true
	}
	e := c.begin(d, f, kindPublish)
	e.detail.QoS, e.detail.PacketID = p.qos(), int(h.id)
	e.detail.Destination, e.detail.Destinations = c.topic(d, &h), 1
	e.detail.Messages, e.detail.BodyBytes = 1, h.payload
	e.detail.Headers = headers(h.list)
	switch {
	case h.cut && (p.qos() > 0 || len(h.topic) == 0):
		c.giveUp(e, "lost", f.End)
	case p.qos() == 0:
		c.alone(e)
	default:
		e.want = kindPuback
		if p.qos() == 2 {
			e.want = kindPubrec
		}
		c.wait(d, h.id, e)
	}
	return true
}

// topic returns the topic of a PUBLISH of MQTT 5, which may be a number that stands for it (section 3.3.2.3.4). "" when it
// is not known.
func (c *Conn) topic(d protocol.Dir, h *publishHead) string {
	switch {
	case h.alias == 0:
		return clip(h.topic)
	case len(h.topic) == 0:
		return c.aliases[d][h.alias]
	}
	topic := clip(h.topic)
	if c.aliases[d] == nil {
		c.aliases[d] = map[uint16]string{}
	}
	if _, ok := c.aliases[d][h.alias]; ok || len(c.aliases[d]) < maxAliases {
		c.aliases[d][h.alias] = topic
	}
	return topic
}

// again tells whether a PUBLISH is one that waits already.
func (c *Conn) again(d protocol.Dir, id uint16, f *protocol.Frame) bool {
	e := c.waiting[d].Get(id)
	if e == nil || (*e).want != kindPuback && (*e).want != kindPubrec {
		return false
	}
	(*e).request.RequestBytes += f.Size
	return true
}

// wait adds a request that will be acknowledged.
func (c *Conn) wait(d protocol.Dir, id uint16, e *exchange) {
	c.waits(e)
	same := c.waiting[d].Get(id) != nil
	old, replaced := c.waiting[d].Add(id, e)
	switch {
	case !replaced:
	case !same:
		c.giveUp(old, "pipeline_limit", e.request.Start)
	case old.losses != c.losses:
		c.giveUp(old, "lost", e.request.Start)
	default:
		c.giveUp(old, "replaced", e.request.Start)
	}
}

// acknowledged finds the request of direction d that waits for a packet of the given kind. One that saw losses in both
// directions may be another by now.
func (c *Conn) acknowledged(d protocol.Dir, id uint16, k kind, f *protocol.Frame) *exchange {
	p := c.waiting[d].Get(id)
	if p == nil {
		return nil
	}
	e := *p
	if e.want != k && !(k == kindPubcomp && e.want == kindPubrec) { // PUBREC was lost
		return nil
	}
	if e.losses[0] != c.losses[0] && e.losses[1] != c.losses[1] {
		c.waiting[d].Take(id)
		c.giveUp(e, "lost", f.End)
		return nil
	}
	c.prove(2)
	return e
}

// acknowledge takes PUBACK, PUBREC and PUBCOMP.
func (c *Conn) acknowledge(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	h, ok := readAck(p)
	if !ok {
		return false
	}
	if p.left > 2 && c.version == 0 {
		c.version = 5
	}
	e := c.acknowledged(d.Other(), h.id, p.kind, f)
	if e == nil {
		return true
	}
	e.answer(f, h.failure)
	if p.kind == kindPubrec && h.failure == "" {
		e.want = kindPubcomp
		return true
	}
	c.waiting[d.Other()].Take(h.id)
	c.finish(e)
	return true
}

// releases takes PUBREL, the second half of a publication, or all that is seen of one of an earlier connection.
func (c *Conn) releases(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	h, ok := readAck(p)
	if !ok {
		return false
	}
	if e := c.waiting[d].Get(h.id); e != nil && ((*e).want == kindPubcomp || (*e).want == kindPubrec) {
		(*e).request.RequestBytes += f.Size
		return true
	}
	c.suppose(d)
	e := c.begin(d, f, kindPubrel)
	e.detail.QoS, e.detail.PacketID, e.want = 2, int(h.id), kindPubcomp
	e.fail(h.failure)
	c.wait(d, h.id, e)
	return true
}

// subscribe takes SUBSCRIBE and UNSUBSCRIBE.
func (c *Conn) subscribe(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	h, ok := readFilters(p)
	if !ok {
		return false
	}
	if c.version == 0 {
		c.version = h.version
	}
	e := c.begin(d, f, p.kind)
	e.detail.PacketID = int(h.id)
	e.detail.Destination, e.detail.Destinations = clip(h.first), h.count
	e.want = kindSuback
	if p.kind == kindUnsubscribe {
		e.want = kindUnsuback
	}
	c.wait(d, h.id, e)
	return true
}

// subscribed takes SUBACK and UNSUBACK.
func (c *Conn) subscribed(d protocol.Dir, p *packet, f *protocol.Frame) bool {
	h, ok := readCodes(p)
	if !ok {
		return false
	}
	if e := c.acknowledged(d.Other(), h.id, p.kind, f); e != nil {
		e.answer(f, h.failure)
		c.waiting[d.Other()].Take(h.id)
		c.finish(e)
	}
	return true
}
