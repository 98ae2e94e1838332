// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strings"

	"sonde/agent/model"
)

// messagingKey identifies a series of the metrics of messaging.
type messagingKey struct {
	service, system    string
	operation, kind    string
	destination, group string
	address            string // client series only
	failure            string
	port               uint16 // client series only
}

// messagingSeries are the values of the messaging metrics with equal labels.
type messagingSeries struct {
	duration histogram
	messages [2]messageCount // by place in messageMetrics: the overflow series has both
}

type messageCount struct {
	count uint64
	known bool // there was a request that told a number, be it 0
}

var messageMetrics = [...]model.Metric{model.MetricMessagingSent, model.MetricMessagingConsumed}

// count adds the messages of d. Those that are being processed were counted when they were received.
func (s *messagingSeries) count(d *model.Messaging) {
	if d.Messages < 0 {
		return
	}
	switch d.OperationType {
	case "send":
		s.messages[0].add(d.Messages)
	case "receive":
		s.messages[1].add(d.Messages)
	}
}

func (c *messageCount) add(n int) {
	c.count += uint64(n)
	c.known = true
}

func (a *Aggregator) messaging(r *model.Request, o *observation) {
	d := r.Messaging
	k := messagingKey{
		system: labelText(d.System), operation: labelText(d.Operation), kind: labelText(d.OperationType),
		destination: destinationOf(d), group: labelText(d.Group), failure: failureOf(r),
	}
	at := place(r, len(d.Destination)+len(d.Operation)<<8+len(d.Group)<<4)
	if r.Role == model.RoleServer {
		k.service = serviceOf(&r.Server)
		a.messagingServers.recently(at, k, a.now).observe(o, a.requestLayout)
		a.countEdge(a.edge(r, messagingEdge, ""), r, o, k.failure != "")
		return
	}
	k.service = serviceOf(&r.Client)
	k.address, k.port = a.peerServer(r)
	t := &a.messagingClients
	if d.OperationType == "process" {
		t = &a.processes
	}
	s := t.recently(at, k, a.now)
	s.duration.observe(o, a.requestLayout)
	s.count(d)
	a.countEdge(a.edge(r, messagingEdge, k.address), r, o, k.failure != "")
}

// temporary stands for destinations that live no longer than a reply or a connection.
const temporary = "(temporary)"

// temporaryPrefixes begin the names that clients and brokers make up: NATS's replies and acknowledgements, whose subjects hold
// a number for each message, and AMQP's queues that the broker names.
var temporaryPrefixes = [...]struct{ system, prefix string }{
	{"nats", "_INBOX."},
	{"nats", "$JS.ACK."},
	{"nats", "_R_."},
	{"nats", "$JS.FC."},
	{"rabbitmq", "amq.gen-"},
	{"rabbitmq", "amq.rabbitmq.reply-to"},
}

func destinationOf(d *model.Messaging) string {
	for i := range temporaryPrefixes {
		if p := &temporaryPrefixes[i]; strings.HasPrefix(d.Destination, p.prefix) && p.system == d.System {
			return temporary
		}
	}
	return labelText(d.Destination)
}

func describeMessaging(k messagingKey) (messagingKey, []model.Label) {
	own(&k.service, &k.system, &k.operation, &k.kind, &k.destination, &k.group, &k.address, &k.failure)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrMessagingSystem, Value: k.system},
		model.Label{Attr: model.AttrMessagingOp, Value: k.operation},
		model.Label{Attr: model.AttrDestination, Value: k.destination},
		model.Label{Attr: model.AttrConsumerGroup, Value: k.group},
		model.Label{Attr: model.AttrServerAddress, Value: k.address},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
		model.Label{Attr: model.AttrMessagingType, Value: k.kind}, // the last, see untyped
	)
}

// untyped leaves the kind of the operation out, for metrics that are of one kind only.
func untyped(ls []model.Label) []model.Label {
	if n := len(ls) - 1; ls[n].Attr == model.AttrMessagingType {
		return ls[:n:n]
	}
	return ls
}
