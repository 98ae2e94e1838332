// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Types of the key that FindCoordinator looks for.
const (
	coordinatorOfGroup = 0
	coordinatorOfShare = 2 // "group:topic id:partition"
)

// describe fills in what a request says. unreadable says that its body contradicts its layout: nothing of it is believed.
func (c *conn) describe(x *exchange, h *header, w *walk, unreadable bool) {
	s := c.shared
	d := &x.detail
	*d = model.Messaging{
		System: "kafka", API: nameOf(h.key), APIVersion: int(h.version), CorrelationID: int64(h.id),
		Partition: -1, Messages: -1, Offset: -1, QoS: -1,
	}
	d.Operation, d.OperationType = operationOf(h.key)
	if h.key < int16(len(apis)) {
		d.ClientID = s.intern(h.client)
	}
	if h.api == nil || unreadable {
		return
	}
	f := &w.found
	c.place(d, f)
	d.Group = s.intern(f.group)
	if f.offsetKnown && f.partitions == 1 {
		d.Offset = f.offset
	}
	switch h.key {
	case keyProduce:
		x.oneWay = f.acks == 0 && f.acksKnown
		d.Headers = f.headers
		countMessages(d, w)
	case keyFindCoordinator:
		if f.keyType == coordinatorOfGroup {
			d.Group = s.intern(f.key)
		}
	case keySASLHandshake:
		c.mechanism = s.intern(f.mechanism)
	}
	if h.key == keySASLHandshake || h.key == keySASLAuthenticate {
		d.Mechanism = c.mechanism
	}
}

// place fills in the topic and the partition.
func (c *conn) place(d *model.Messaging, f *facts) {
	d.Destination, d.Destinations = c.shared.topic(f), f.topics
	if f.partitions == 1 && f.topics == 1 {
		d.Partition = f.partition
	}
}

// countMessages fills in how many records there are, where all partitions were looked at.
func countMessages(d *model.Messaging, w *walk) {
	f := &w.found
	all := w.end == endExact || w.end == endCut && f.batches && f.topics == 1 && f.partitions == 1
	if !all {
		return
	}
	d.BodyBytes = f.batchBytes
	if !f.recordsHidden {
		d.Messages = f.records
	}
}

// read fills in what an answer says. It is false for an answer that contradicts its layout.
func (c *conn) read(x *exchange, f *protocol.Frame) bool {
	x.responseStart, x.responseEnd, x.responseBytes = f.Start, f.End, f.Size
	a := lookup(x.key, x.version)
	if a == nil {
		return true
	}
	w := &c.shared.walk
	w.start(f.Head, f.Size)
	w.at = 2 * lengthBytes
	w.flexible = a.flexibleResponse(x.key, x.version)
	if w.flexible && !w.tags() {
		return w.end != endBad
	}
	if w.message(a.response, x.version, x.version >= a.flexible) == endBad {
		return x.key == keyAPIVersions && w.found.err != 0
	}
	c.answered(x, w)
	return true
}

func (c *conn) answered(x *exchange, w *walk) {
	d, f := &x.detail, &w.found
	c.shared.learn(w.learnt)
	d.Error = errorName(f.err)
	switch x.key {
	case keyFetch:
		if d.Destinations == 0 { // a fetch session goes on: only the answer says with what
			c.place(d, f)
		}
		d.Headers = f.headers
		countMessages(d, w)
	case keySASLHandshake:
		c.raw = x.version == 0 && f.err == 0
	}
	if f.offsetKnown && f.partitions == 1 && d.Partition >= 0 && f.err == 0 {
		d.Offset = f.offset
	}
}
