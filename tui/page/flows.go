// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"

	"sonde/agent/view"
	"sonde/tui/render"
)

var flows = table[view.FlowGroup](func(s *view.Snapshot) []view.FlowGroup { return s.Flows })

var flowsPage = &Page{
	View: view.PageFlows, Title: "Flows", Key: '3',
	Columns: []Column{
		{Title: "CLIENT", Sort: "client", Min: 10, Max: 32, Cell: flows.text(func(r *view.FlowGroup) string { return r.Client }, render.Strong)},
		{Title: "SERVER:PORT", Sort: "server", Min: 12, Max: 40, Cell: flows.cell(flowServer)},
		{Title: "PROTO", Min: 6, Max: 10, Drop: 2, Cell: flows.text(flowProtocol, render.Text)},
		{Title: "ENC", Min: 5, Drop: 1, Cell: flows.cell(func(c *render.Canvas, r *view.FlowGroup) { encryption(c, r.Encryption) })},
		{Title: "OPEN", Sort: "conns", Min: 5, Right: true, Drop: 6, Cell: flows.number(func(r *view.FlowGroup) string { return strconv.Itoa(r.Open) })},
		{Title: "OUT/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Cell: flows.number(func(r *view.FlowGroup) string { return render.SizeRate(r.SentPerS) })},
		{Title: "IN/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Cell: flows.number(func(r *view.FlowGroup) string { return render.SizeRate(r.ReceivedPerS) })},
		{Title: "PACKETS", Sort: "packets", Min: 8, Right: true, Drop: 7, Cell: flows.number(func(r *view.FlowGroup) string { return known(r.Packets) })},
		{Title: "RTT", Sort: "rtt", Min: render.DurationWidth, Right: true, Drop: 3, Cell: flows.number(func(r *view.FlowGroup) string { return quantile(r.SRTT) })},
		{Title: "RETRANS", Sort: "retransmits", Min: 8, Right: true, Drop: 4, Cell: flows.cell(flowRetransmits)},
		{Title: "DROPS", Sort: "drops", Min: render.CountWidth, Right: true, Drop: 8, Cell: flows.cell(flowDrops)},
		{Title: "FAILED", Sort: "failed", Min: render.CountWidth + 1, Right: true, Drop: 5, Cell: flows.cell(flowFailed)},
		{Title: "SEEN AT", Min: 7, Max: 15, Drop: 9, Cell: flows.text(flowSeenAt, render.Dim)},
	},
	Rows: flows.count,
	ID: flows.id(func(r *view.FlowGroup) string {
		return key(r.Client, r.Server, strconv.Itoa(int(r.Port)), r.Transport, r.View, r.Interface)
	}),
	Mark: flows.mark(func(r *view.FlowGroup) render.Style {
		if r.Failed > 0 {
			return render.Warn
		}
		return render.Text
	}),
	Panel:       flowPanel,
	PanelHeight: 6,
	Enter: flows.enter(view.PageConns, func(r *view.FlowGroup, to *view.Scope) bool {
		to.Client, to.Server, to.Port = r.Client, r.Server, r.Port
		return true
	}),
	Crumb: crumb,
	Empty: func(s *view.Snapshot) string {
		if s != nil && replayed(s) {
			return "No connection in the " + span(s.Window) + " before this position.\nPlay on (p), seek (] and }), or look at a longer window (t)."
		}
		return "No connection was seen yet.\n" +
			"Those that were open before show up with their first byte; (/) takes a filter away.\n" +
			"Agent (7) tells where probes are attached, sonde doctor what cannot be seen here."
	},
}

// serverPort is the server's end: "redis:6379".
func serverPort(r *view.FlowGroup) string {
	if r.Port == 0 || r.Server == "" {
		return r.Server
	}
	return r.Server + ":" + strconv.Itoa(int(r.Port))
}

// flowServer draws the server's end. A name that is too long is cut before its port, by which servers are known.
func flowServer(c *render.Canvas, r *view.FlowGroup) {
	name := r.Server
	if port := ":" + strconv.Itoa(int(r.Port)); r.Port != 0 && name != "" {
		name = render.Cut(name, max(c.W-len(port), 1)) + port
	}
	left(c, name, render.Strong)
}

// flowProtocol is what is spoken, or what carries it where that is not known.
func flowProtocol(r *view.FlowGroup) string {
	if r.Protocol == "" {
		return r.Transport
	}
	return r.Protocol
}

// flowSeenAt labels the two views of the same packets.
func flowSeenAt(r *view.FlowGroup) string {
	if r.View != "interface" {
		return r.View
	}
	if r.Interface == "" {
		return "interface"
	}
	return r.Interface
}

// flowRetransmits are counted by TCP sockets alone.
func flowRetransmits(c *render.Canvas, r *view.FlowGroup) {
	switch {
	case r.Retrans > 0:
		number(c, render.Count(r.Retrans), render.Warn)
	case r.View == "interface" || r.Transport != "tcp":
		number(c, render.Unknown, render.Dim)
	default:
		number(c, "0", render.Dim)
	}
}

func flowDrops(c *render.Canvas, r *view.FlowGroup) { number(c, render.Count(r.Drops), render.Bad) }

func flowFailed(c *render.Canvas, r *view.FlowGroup) { number(c, render.Count(r.Failed), render.Bad) }

func flowPanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := flows.at(s, row)
	if r == nil {
		total(c, s, "All flows")
		return
	}
	failed := render.Text
	if r.Failed > 0 {
		failed = render.Bad
	}
	render.Left(c, r.Client+" → "+serverPort(r), render.Title)
	facts(c.Part(0, 1, c.W, c.H-1), []fact{
		{label: "sent", value: render.Size(r.Sent) + ", " + render.SizeRate(r.SentPerS) + "/s"},
		{label: "received", value: render.Size(r.Received) + ", " + render.SizeRate(r.ReceivedPerS) + "/s"},
		{label: "packets", value: known(r.Packets)},
		{label: "connections", value: strconv.Itoa(r.Open) + " open, " + render.Count(r.Opened) + " new in " + covered(s)},
		{label: "failed", value: render.Count(r.Failed) + " in " + covered(s), style: failed},
		{label: "encryption", value: encryptionWords(r.Encryption)},
		{label: "rtt", value: quantile(r.SRTT)},
		{label: "retransmits", value: render.Count(r.Retrans)},
		{label: "drops", value: render.Count(r.Drops)},
		{label: "seen at", value: flowWhere(r)},
		{label: "over", value: r.Transport},
	})
}

func flowWhere(r *view.FlowGroup) string {
	if r.View != "interface" {
		return "the sockets of its ends"
	}
	return "interface " + orAny(r.Interface)
}

func encryptionWords(kind string) string {
	switch kind {
	case "tls":
		return "TLS"
	case "none":
		return "none: readable"
	case "mixed":
		return "some connections"
	case "":
		return "not known"
	}
	return kind
}
