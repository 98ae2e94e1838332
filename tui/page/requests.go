// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"
	"strings"

	"sonde/agent/view"
	"sonde/tui/render"
)

var requests = table[view.Request](func(s *view.Snapshot) []view.Request { return s.Requests })

var requestsPage = &Page{
	View: view.PageRequests, Title: "Requests", Key: '2',
	Columns: []Column{
		{
			Title: "TIME", Sort: "time", Min: render.ClockWidth, Drop: 2,
			Cell: requests.text(func(r *view.Request) string { return render.Clock(r.Time) }, render.Dim),
		},
		{Title: "", Min: 1, Cell: requests.cell(func(c *render.Canvas, r *view.Request) { render.Left(c, requestMark(r), requestStyle(r)) })},
		{Title: "CLIENT", Min: 8, Max: 20, Drop: 4, Cell: requests.text(func(r *view.Request) string { return r.Client }, render.Text)},
		{Title: "AT", Min: 2, Max: 6, Drop: 3, Cell: requests.cell(side)},
		{Title: "SERVER", Sort: "server", Min: 8, Max: 20, Drop: 3, Cell: requests.text(func(r *view.Request) string { return r.Server }, render.Text)},
		{Title: "PROTO", Min: 6, Max: 10, Drop: 5, Cell: requests.text(func(r *view.Request) string { return r.Protocol }, render.Text)},
		{Title: "TARGET", Min: 22, Max: 160, Cell: requests.text(func(r *view.Request) string { return r.Target }, render.Strong)},
		{Title: "STATUS", Sort: "status", Min: 7, Max: 12, Drop: 1, Cell: requests.cell(status)},
		{Title: "DURATION", Sort: "duration", Min: 9, Right: true, Cell: requests.cell(duration)},
		{
			Title: "BYTES", Sort: "bytes", Min: render.SizeWidth, Right: true, Drop: 6,
			Cell: requests.number(func(r *view.Request) string { return render.Size(r.BytesIn + r.BytesOut) }),
		},
	},
	Rows:        requests.count,
	ID:          requests.id(func(r *view.Request) string { return number64(r.ID) }),
	Mark:        requests.mark(func(*view.Request) render.Style { return render.Text }), // there is a column for it, which says more
	Panel:       requestPanel,
	PanelHeight: 9,
	Enter:       enterRequest,
	Crumb:       crumb,
	Empty:       noRequests,
}

// requestMark says in a character what is wrong with a request.
func requestMark(r *view.Request) string {
	switch {
	case r.Outcome == "error":
		return render.FailedMark
	case r.Outcome == "incomplete":
		return "?"
	case r.Slow:
		return "~"
	}
	return " "
}

func requestStyle(r *view.Request) render.Style {
	switch requestMark(r) {
	case render.FailedMark:
		return render.Bad
	case " ":
		return render.Text
	}
	return render.Warn
}

// side draws which end a request was seen at, in a word where there is room; of both, the one that the row is of.
func side(c *render.Canvas, r *view.Request) {
	arrow := "→"
	switch r.Role {
	case "client":
		arrow = "•→"
	case "server":
		arrow = "→•"
	}
	if c.W >= len("client") {
		arrow = r.Role
	}
	left(c, arrow, render.Dim)
}

func status(c *render.Canvas, r *view.Request) { left(c, r.Status, requestStyle(r)) }

// duration draws how long a request took; it is not known where its end was not seen.
func duration(c *render.Canvas, r *view.Request) {
	switch {
	case r.EndUnseen:
		number(c, render.Unknown, render.Dim)
	case r.Slow:
		number(c, render.Duration(r.Duration), render.Warn)
	default:
		number(c, render.Duration(r.Duration), render.Text)
	}
}

// enterRequest leads to the trace of a request, or to the request itself where it belongs to none.
func enterRequest(s *view.Snapshot, row int, _ view.Scope) (view.Page, view.Scope, bool) {
	r := requests.at(s, row)
	switch {
	case r == nil:
		return "", view.Scope{}, false
	case r.TraceID != "":
		return view.PageTrace, view.Scope{Trace: r.TraceID}, true
	}
	return view.PageRequest, view.Scope{Request: r.ID}, true
}

func requestPanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := requests.at(s, row)
	if r == nil {
		total(c, s, "All requests of this page")
		return
	}
	render.Left(c, r.Target, render.Title)
	factsBeside(c.Part(0, 1, c.W, c.H-1), requestFacts(r), s.Total, r)
}

// requestFacts is what a list knows of a request.
func requestFacts(r *view.Request) []fact {
	retrans, style := strconv.FormatUint(uint64(r.Retrans), 10)+" of its connection", render.Text
	switch {
	case r.Retrans > 0:
		style = render.Warn
	case r.SRTT <= 0: // where no round trip was measured, nobody counted
		retrans = render.Unknown
	}
	parent := ""
	if r.ParentID != "" {
		parent = r.ParentID + " by " + evidence(r)
	}
	return []fact{
		{label: "outcome", value: outcome(r), style: requestStyle(r)},
		{label: "reason", value: r.Reason, style: requestStyle(r)},
		{label: "between", value: r.Client + " → " + r.Server},
		{label: "took", value: took(r)},
		{label: "bytes", value: render.Size(r.BytesIn) + " asked, " + render.Size(r.BytesOut) + " answered"},
		{label: "rtt", value: quantile(r.SRTT)},
		{label: "retransmits", value: retrans, style: style},
		{label: "seen at", value: seenAt(r)},
		{label: "operation", value: r.Operation},
		{label: "trace", value: r.TraceID},
		{label: "span", value: r.SpanID},
		{label: "parent", value: parent},
		{label: "error", value: r.Error, style: render.Bad},
	}
}

// outcome says in words what requestMark says in a character.
func outcome(r *view.Request) string {
	words := []string{r.Outcome}
	if r.Slow {
		words = append(words, "slow for its operation")
	}
	if r.Status != "" && r.Status != render.Unknown {
		words = append(words, "status "+r.Status)
	}
	return strings.Join(words, ", ")
}

// took is the duration of a request that has one.
func took(r *view.Request) string {
	if r.EndUnseen {
		return "no end seen"
	}
	return render.Duration(r.Duration)
}

// seenAt says whose end a request was observed at.
func seenAt(r *view.Request) string {
	switch {
	case r.Role == "wire":
		return "the wire"
	case r.Role == "":
		return ""
	case r.PID == 0:
		return "the " + r.Role
	}
	return "the " + r.Role + ", pid " + number64(uint64(r.PID))
}

// evidence is why the parent of a span is known; a root has none.
func evidence(r *view.Request) string {
	if r.Evidence == "" || r.Evidence == "none" {
		return render.Unknown
	}
	return strings.ReplaceAll(r.Evidence, "_", " ")
}
