// SPDX-License-Identifier: Apache-2.0

package text

import (
	"net/netip"
	"strconv"
	"time"

	"sonde/agent/model"
	"sonde/agent/units"
)

// unknown is the duration of what has no beginning or no end yet.
const unknown time.Duration = -1

// row is what both formats show of an event. Exactly one of request and flow is set.
type row struct {
	at             time.Duration
	role           string
	process        *model.Process // of the observed end
	iface          string         // in place of a process, for counters of an interface
	client, server netip.AddrPort
	protocol       string
	duration       time.Duration
	sent, received uint64 // client to server, server to client

	request *model.Request
	flow    *model.Flow
}

func requestRow(r *model.Request) row {
	w := row{
		at: r.Start, role: roleName(r.Role), client: r.Client.Addr, server: r.Server.Addr, protocol: r.Protocol.String(),
		duration: r.Duration(), sent: r.RequestBytes, received: r.ResponseBytes, request: r,
	}
	w.process = localProcess(r.Role, &r.Client, &r.Server)
	return w
}

func flowRow(f *model.Flow) row {
	w := row{
		at: f.End, role: roleName(f.Role), client: f.Client.Addr, server: f.Server.Addr, protocol: f.Transport,
		duration: f.End - f.Start, sent: f.BytesSent, received: f.BytesReceived, flow: f,
	}
	if f.End == 0 {
		w.at = f.Start
	}
	if f.Start == 0 || f.End == 0 {
		w.duration = unknown
	}
	if f.View == model.ViewInterface {
		w.role, w.iface = "iface", f.Interface
		return w
	}
	w.process = localProcess(f.Role, &f.Client, &f.Server)
	return w
}

// roleName is empty where a name would say nothing.
func roleName(r model.Role) string {
	if r == model.RoleUnknown {
		return ""
	}
	return r.String()
}

func localProcess(role model.Role, client, server *model.Endpoint) *model.Process {
	switch role {
	case model.RoleClient:
		return client.Process
	case model.RoleServer:
		return server.Process
	}
	return nil
}

func (w *row) appendActor(b []byte) []byte {
	if w.flow != nil && w.flow.View == model.ViewInterface {
		return units.AppendEscaped(b, w.iface)
	}
	return units.AppendProcess(b, w.process)
}

// appendNotes adds what sets a request apart from one that was seen whole, each note after a space.
func appendNotes(b []byte, r *model.Request) []byte {
	if r.Outcome == model.OutcomeIncomplete && r.Reason != "" {
		b = units.AppendEscaped(append(b, ' '), r.Reason)
	}
	if r.HTTP != nil && r.HTTP.HeadTruncated && r.RPC == nil {
		b = append(b, " head-truncated"...)
	}
	return b
}

// appendFlowNotes adds what the kernel says about a flow, each note after a space.
func appendFlowNotes(b []byte, f *model.Flow) []byte {
	if f.Transport == "tcp" && f.View == model.ViewSocket {
		if f.TCP.SRTT > 0 {
			b = units.AppendDuration(append(b, " rtt "...), f.TCP.SRTT, 1)
		}
		b = strconv.AppendUint(append(b, " retrans "...), uint64(f.TCP.Retransmits), 10)
	}
	if f.Drops > 0 {
		b = strconv.AppendUint(append(b, " drops "...), f.Drops, 10)
	}
	if f.Error != "" {
		b = units.AppendEscaped(append(b, ' '), f.Error)
	}
	if f.Protocol != model.ProtocolUnknown {
		b = append(append(b, ' '), f.Protocol.String()...)
	}
	if f.Encryption != "" && f.Encryption != "none" {
		b = units.AppendEscaped(append(b, ' '), f.Encryption)
	}
	if f.JoinedMid {
		b = append(b, " joined-mid-stream"...)
	}
	return b
}

// appendLoss adds "lost 12 records in ring", "lost 3 server requests in ring".
func appendLoss(b []byte, l *model.Loss) []byte {
	b = strconv.AppendUint(append(b, "lost "...), l.Count, 10)
	if l.Role != model.RoleUnknown {
		b = append(append(b, ' '), l.Role.String()...)
	}
	b = units.AppendEscaped(append(b, ' '), l.What)
	return units.AppendEscaped(append(b, " in "...), l.Where)
}
