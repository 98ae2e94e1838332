// SPDX-License-Identifier: Apache-2.0

package mqtt

// connectHead is what a CONNECT says.
type connectHead struct {
	version  byte
	clientID []byte
	cut      bool // the client identifier was not captured
}

// readConnect reads the body of CONNECT (MQTT 5 section 3.1).
func readConnect(b []byte) (h connectHead, ok bool) {
	name, rest, ok := text(b)
	if !ok || len(rest) < 4 {
		return h, false
	}
	h.version = rest[0] &^ 0x80 // bridges of Mosquitto set the highest bit
	switch {
	case string(name) == "MQIsdp" && h.version == 3:
	case string(name) == "MQTT" && (h.version == 4 || h.version == 5):
	default:
		return h, false
	}
	rest = rest[4:] // flags and keep alive
	if h.version == 5 {
		if _, rest, ok = properties(rest); !ok {
			h.cut = true
			return h, true
		}
	}
	h.clientID, _, ok = text(rest)
	h.cut = !ok
	return h, true
}

// publishHead is what a PUBLISH says before its payload.
type publishHead struct {
	topic   []byte
	id      uint16
	alias   uint16
	payload uint64
	list    []byte // of properties
	cut     bool   // the identifier was not captured
}

func readPublish(p *packet) (h publishHead, ok bool) {
	topic, rest, ok := text(p.body)
	if !ok {
		h.cut = true
		if h.topic = p.body[min(2, len(p.body)):]; len(h.topic) < maxName { // less than would be kept: a part is no name
			h.topic = nil
		}
		return h, len(h.topic) == 0 || isTopic(h.topic[:maxName], true)
	}
	h.topic = topic
	if len(topic) > 0 && !isTopic(topic, false) {
		return h, false
	}
	before := 2 + len(topic)
	if p.qos() > 0 {
		if before += 2; uint64(before) > p.left {
			return h, false
		}
		if len(rest) < 2 {
			h.cut = true
			return h, true
		}
		if h.id, rest, ok = takeID(rest); !ok {
			return h, false
		}
	}
	if p.version == 5 || p.version == 0 && len(topic) == 0 {
		list, _, ok := properties(rest)
		if !ok {
			return h, !p.whole()
		}
		n, size := varint(rest)
		before += n + int(size)
		value, ok := property(list, propertyTopicAlias)
		if !ok {
			return h, false
		}
		h.list = list
		if len(value) == 2 {
			h.alias = uint16(value[0])<<8 | uint16(value[1])
		}
	}
	if h.payload = p.left - uint64(before); p.version == 0 && h.alias == 0 && beginsWithProperties(rest) {
		h.payload = 0 // of MQTT 5 it would be less
	}
	return h, len(topic) > 0 || h.alias != 0
}

// ackHead is what an acknowledgement says.
type ackHead struct {
	id      uint16
	failure string // name of the first code that is an error
}

// readAck reads PUBACK, PUBREC, PUBREL and PUBCOMP.
func readAck(p *packet) (h ackHead, ok bool) {
	id, rest, ok := takeID(p.body)
	if !ok {
		return h, false
	}
	h.id = id
	if p.left == 2 {
		return h, true
	}
	if p.version == 3 || p.version == 4 || len(rest) == 0 || !isReason(rest[0]) {
		return h, false
	}
	h.failure = reasonName(rest[0])
	if p.left == 3 || !p.whole() {
		return h, true
	}
	list, rest, ok := properties(rest[1:])
	if !ok || len(rest) > 0 {
		return h, false
	}
	_, ok = property(list, 0)
	return h, ok
}

// filterList is what SUBSCRIBE and UNSUBSCRIBE say.
type filterList struct {
	id      uint16
	first   []byte
	count   int
	version byte // 5 when it can be no older one, 4 when no newer one, else 0
}

// readFilters reads SUBSCRIBE or UNSUBSCRIBE. Where the version is not known, the list must fill the packet in one of two
// ways.
func readFilters(p *packet) (h filterList, ok bool) {
	id, rest, ok := takeID(p.body)
	if !ok {
		return h, false
	}
	if p.version != 5 {
		if h.first, h.count, ok = countFilters(rest, p); ok {
			h.id, h.version = id, 4
			return h, true
		}
	}
	if p.version == 5 || p.version == 0 {
		list, after, good := properties(rest)
		if !good {
			return h, false
		}
		if _, good = property(list, 0); !good {
			return h, false
		}
		h.first, h.count, ok = countFilters(after, p)
		h.id, h.version = id, 5
	}
	return h, ok
}

func countFilters(b []byte, p *packet) (first []byte, count int, ok bool) {
	for len(b) > 0 {
		filter, rest, ok := text(b)
		if !ok {
			return first, count, count > 0 && !p.whole()
		}
		if !isTopic(filter, true) {
			return nil, 0, false
		}
		if p.kind == kindSubscribe {
			if len(rest) == 0 {
				return first, count, count > 0 && !p.whole()
			}
			if rest[0]&3 == 3 || rest[0]&0xc0 != 0 { // MQTT 5 section 3.8.3.1
				return nil, 0, false
			}
			rest = rest[1:]
		}
		if count++; count == 1 {
			first = filter
		}
		b = rest
	}
	return first, count, count > 0
}

// readCodes reads SUBACK and UNSUBACK.
func readCodes(p *packet) (h ackHead, ok bool) {
	id, rest, ok := takeID(p.body)
	if !ok {
		return h, false
	}
	h.id = id
	if p.version == 5 {
		if _, rest, ok = properties(rest); !ok {
			return h, !p.whole()
		}
	} else if p.kind == kindUnsuback {
		return h, p.version == 0 || p.left == 2
	}
	for _, code := range rest {
		if h.failure = reasonName(code); h.failure != "" {
			break
		}
	}
	if h.failure != "" && p.version != 5 {
		h.failure = "failure" // MQTT 3.1.1 section 3.9.3 has no other
	}
	return h, true
}
