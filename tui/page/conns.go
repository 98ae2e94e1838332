// SPDX-License-Identifier: Apache-2.0

package page

import (
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

var conns = table[view.Conn](func(s *view.Snapshot) []view.Conn { return s.Conns })

var connsPage = &Page{
	View: view.PageConns, Title: "Connections",
	Columns: []Column{
		{Title: "CLIENT", Sort: "client", Min: 15, Max: 48, Cell: conns.text(func(r *view.Conn) string { return end(r.ClientAddr, r.Client) }, render.Strong)},
		{Title: "SERVER", Sort: "server", Min: 15, Max: 48, Cell: conns.text(func(r *view.Conn) string { return end(r.ServerAddr, r.Server) }, render.Strong)},
		{Title: "ROLE", Min: 6, Drop: 8, Cell: conns.text(func(r *view.Conn) string { return r.Role }, render.Dim)},
		{Title: "STATE", Sort: "state", Min: 7, Max: 22, Cell: conns.cell(connState)},
		{Title: "AGE", Sort: "started", Min: render.DurationWidth, Right: true, Drop: 4, Cell: connAge},
		{Title: "OUT/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Drop: 1, Cell: conns.number(func(r *view.Conn) string { return render.SizeRate(r.SentPerS) })},
		{Title: "IN/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Drop: 1, Cell: conns.number(func(r *view.Conn) string { return render.SizeRate(r.ReceivedPerS) })},
		{Title: "OUT", Min: render.SizeWidth, Right: true, Drop: 5, Cell: conns.number(func(r *view.Conn) string { return render.Size(r.Sent) })},
		{Title: "IN", Min: render.SizeWidth, Right: true, Drop: 5, Cell: conns.number(func(r *view.Conn) string { return render.Size(r.Received) })},
		{Title: "PACKETS", Sort: "packets", Min: 8, Right: true, Drop: 9, Cell: conns.number(func(r *view.Conn) string { return known(r.Packets) })},
		{Title: "RTT", Sort: "rtt", Min: render.DurationWidth, Right: true, Drop: 2, Cell: conns.number(func(r *view.Conn) string { return quantile(r.SRTT) })},
		{Title: "RETRANS", Sort: "retransmits", Min: 8, Right: true, Drop: 3, Cell: conns.cell(connRetransmits)},
		{Title: "REQS", Min: render.CountWidth, Right: true, Drop: 6, Cell: conns.number(func(r *view.Conn) string { return render.Count(r.Requests) })},
		{Title: "PROTO", Min: 6, Max: 10, Drop: 7, Cell: conns.text(connProtocol, render.Text)},
	},
	Rows: conns.count,
	ID:   conns.id(func(r *view.Conn) string { return number64(r.ID) }),
	Mark: conns.mark(func(r *view.Conn) render.Style {
		if connFailed(r) {
			return render.Bad
		}
		return render.Text
	}),
	Panel:       connPanel,
	PanelHeight: 6,
	Enter: conns.enter(view.PageRequests, func(r *view.Conn, to *view.Scope) bool {
		*to = view.Scope{Conn: r.ID}
		return r.ID != 0
	}),
	Crumb: crumb,
	Empty: func(*view.Snapshot) string {
		return "No connection between these ends is kept any more.\nThose that have ended are forgotten first; go back with Esc."
	},
}

// end is an address, with the name behind it where there is one.
func end(addr, name string) string {
	if name == "" || name == addr {
		return addr
	}
	if addr == "" {
		return name
	}
	return addr + " " + name
}

// connFailed says whether a connection ended as it should not.
func connFailed(r *view.Conn) bool {
	switch r.State {
	case "reset", "refused", "timed_out", "failed":
		return true
	}
	return r.Error != ""
}

func connState(c *render.Canvas, r *view.Conn) {
	switch {
	case connFailed(r) && r.Error != "":
		left(c, r.State+" "+r.Error, render.Bad)
	case connFailed(r):
		left(c, r.State, render.Bad)
	case !r.Ended.IsZero():
		left(c, r.State, render.Dim)
	default:
		left(c, r.State, render.Text)
	}
}

// connAge draws how long a connection has been, or was, open; more than that where it was joined.
func connAge(c *render.Canvas, s *view.Snapshot, row int) {
	if r := conns.at(s, row); r != nil {
		number(c, age(r, s.Time), render.Text)
	}
}

func age(r *view.Conn, now time.Time) string {
	if r.Started.IsZero() {
		return render.Unknown
	}
	until := r.Ended
	if until.IsZero() {
		until = now
	}
	text := render.Age(until.Sub(r.Started))
	if r.JoinedMid && text != render.Unknown {
		return ">" + text
	}
	return text
}

func connRetransmits(c *render.Canvas, r *view.Conn) {
	switch {
	case r.Retrans > 0:
		number(c, render.Count(uint64(r.Retrans)), render.Warn)
	case r.Transport != "tcp":
		number(c, render.Unknown, render.Dim)
	default:
		number(c, "0", render.Dim)
	}
}

func connProtocol(r *view.Conn) string {
	if r.Protocol == "" {
		return r.Transport
	}
	return r.Protocol
}

func connPanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := conns.at(s, row)
	if r == nil {
		total(c, s, "All connections of this page")
		return
	}
	mid := ""
	if r.JoinedMid {
		mid = "mid-stream"
	}
	ended := ""
	if !r.Ended.IsZero() {
		ended = render.Clock(r.Ended)
	}
	render.Left(c, end(r.ClientAddr, r.Client)+" → "+end(r.ServerAddr, r.Server), render.Title)
	facts(c.Part(0, 1, c.W, c.H-1), []fact{
		{label: "state", value: r.State},
		{label: "error", value: r.Error, style: render.Bad},
		{label: "protocol", value: connProtocol(r) + " over " + r.Transport},
		{label: "encryption", value: encryptionWords(r.Encryption)},
		{label: "began", value: render.Clock(r.Started)},
		{label: "ended", value: ended},
		{label: "joined", value: mid, style: render.Warn},
		{label: "sent", value: render.Size(r.Sent)},
		{label: "received", value: render.Size(r.Received)},
		{label: "packets", value: known(r.Packets)},
		{label: "rtt", value: quantile(r.SRTT)},
		{label: "requests", value: render.Count(r.Requests) + " kept"},
	})
}
