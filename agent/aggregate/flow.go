// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strings"

	"sonde/agent/model"
)

// flowKey identifies the series of one kind of flows, in both directions.
type flowKey struct {
	service, iface, transport string
	view                      model.FlowView
}

type flowCounters struct {
	bytesTransmitted, bytesReceived     uint64
	packetsTransmitted, packetsReceived uint64
}

// tcpKey identifies a series of TCP connections. detail is the outcome or the error, "" in metrics without either.
type tcpKey struct {
	service, detail string
	role            model.Role
}

// Flow counts what a flow added since its last report: d, never the totals of f. It keeps nothing of f but, for a series
// not seen before, copies of its strings. A flow that had several reports is counted as one connection, by the final one.
func (a *Aggregator) Flow(f *model.Flow, d model.FlowDelta) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := flowKey{iface: valid(f.Interface), transport: valid(f.Transport), view: f.View}
	if f.View == model.ViewSocket {
		k.service = flowService(f)
	}
	c := a.flows.at(k, a.now)
	c.bytesTransmitted += d.BytesTransmitted
	c.bytesReceived += d.BytesReceived
	c.packetsTransmitted += d.PacketsTransmitted
	c.packetsReceived += d.PacketsReceived
	if f.View == model.ViewSocket && f.Transport == "tcp" {
		a.tcp(f, d, tcpKey{service: k.service, role: f.Role})
	}
}

// flowService returns the service of the observed socket. Where its role is not known, it is the end with a process, if
// only one has.
func flowService(f *model.Flow) string {
	client, server := serviceOf(&f.Client), serviceOf(&f.Server)
	switch {
	case f.Role == model.RoleClient, f.Role == model.RoleUnknown && server == "":
		return client
	case f.Role == model.RoleServer, f.Role == model.RoleUnknown && client == "":
		return server
	}
	return ""
}

func (a *Aggregator) tcp(f *model.Flow, d model.FlowDelta, k tcpKey) {
	if d.Retransmits > 0 {
		*a.retransmits.at(k, a.now) += d.Retransmits
	}
	if f.TCP.SRTT > 0 && d.BytesTransmitted+d.BytesReceived > 0 {
		a.rtt.at(k, a.now).took(f.TCP.SRTT, a.rttLayout)
	}
	if d.Final && f.State != model.FlowActive { // active: sonde stopped watching, the connection goes on
		a.connectionEnded(f, k)
	}
}

func (a *Aggregator) connectionEnded(f *model.Flow, k tcpKey) {
	outcome := k
	outcome.detail = f.State.String()
	*a.ended.at(outcome, a.now)++
	switch f.State {
	case model.FlowRefused, model.FlowTimedOut, model.FlowFailed:
		failure := k
		failure.detail = valid(f.Error)
		if failure.detail == "" {
			failure.detail = otherName
		}
		*a.failures.at(failure, a.now)++
	case model.FlowClosed, model.FlowReset:
		if !f.JoinedMid && f.Start > 0 { // else the beginning was not seen
			a.lifetime.at(k, a.now).took(f.End-f.Start, a.lifetimeLayout)
		}
	}
}

func describeFlow(k flowKey) (flowKey, []model.Label) {
	k.service, k.iface, k.transport = strings.Clone(k.service), strings.Clone(k.iface), strings.Clone(k.transport)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrView, Value: k.view.String()},
		model.Label{Attr: model.AttrInterface, Value: k.iface},
		model.Label{Attr: model.AttrTransport, Value: k.transport},
	)
}

// describeTCP shows the detail of a key as attr.
func describeTCP(attr model.Attr) func(tcpKey) (tcpKey, []model.Label) {
	return func(k tcpKey) (tcpKey, []model.Label) {
		k.service, k.detail = strings.Clone(k.service), strings.Clone(k.detail)
		return k, labels(
			model.Label{Attr: model.AttrService, Value: k.service},
			model.Label{Attr: model.AttrRole, Value: k.role.String()},
			model.Label{Attr: attr, Value: k.detail},
		)
	}
}
