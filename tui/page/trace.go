// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// deepest is how far spans are indented at most, so that a deep trace leaves room for names.
const deepest = 12

var tracePage = &Page{
	View: view.PageTrace, Title: "Trace",
	Columns: []Column{
		{Title: "SPAN", Min: 24, Max: 70, Cell: requests.cell(spanName)},
		{Title: "TIME", Min: 16, Max: 70, Drop: 1, Cell: spanBar},
		{Title: "DURATION", Min: 8, Right: true, Cell: requests.cell(duration)},
		{Title: "STATUS", Min: 6, Max: 12, Drop: 2, Cell: requests.cell(status)},
		{
			Title: "RTT", Min: render.DurationWidth, Right: true, Drop: 4,
			Cell: requests.number(func(r *view.Request) string { return quantile(r.SRTT) }),
		},
		{Title: "RETRANS", Min: 7, Right: true, Drop: 5, Cell: requests.cell(spanRetransmits)},
		{Title: "EVIDENCE", Min: 10, Max: 16, Drop: 3, Cell: requests.text(evidence, render.Text)},
	},
	Rows:        requests.count,
	ID:          requests.id(func(r *view.Request) string { return number64(r.ID) }),
	Mark:        requests.mark(requestStyle),
	Panel:       spanPanel,
	PanelHeight: 9,
	Enter: func(s *view.Snapshot, row int, _ view.Scope) (view.Page, view.Scope, bool) {
		if r := requests.at(s, row); r != nil {
			return view.PageRequest, view.Scope{Request: r.ID}, true
		}
		return "", view.Scope{}, false
	},
	Crumb: func(within view.Scope) string { return within.Trace },
	Empty: func(s *view.Snapshot) string {
		return "No request of this trace is kept any more.\n" +
			"The newest requests are kept; pause (p) to look at one for as long as you like."
	},
}

// spanName draws whose span it is and what it did, indented below its parent: "frontend GET /orders/17". A client's span is its
// caller's, which stands above it, so an arrow says whom it called.
func spanName(c *render.Canvas, r *view.Request) {
	indent := strings.Repeat("  ", min(max(r.Depth, 0), deepest, c.W/4))
	who := r.Server
	switch {
	case r.Role == "client" && r.Depth > 0:
		who = "→" + r.Server
	case r.Role == "client":
		who = r.Client + "→" + r.Server
	}
	name := indent + who
	render.Left(c, name, render.Strong)
	if x := render.Width(name) + 1; x < c.W {
		render.Left(c.Part(x, 0, c.W-x, 1), r.Target, render.Text)
	}
}

// traceTimes is when the first span of a trace began, and how long it was until the last one had ended.
func traceTimes(s *view.Snapshot) (start time.Time, length time.Duration) {
	for i := range s.Requests {
		if t := s.Requests[i].Time; i == 0 || t.Before(start) {
			start = t
		}
	}
	for i := range s.Requests {
		after := s.Requests[i].Time.Sub(start)
		if d := max(s.Requests[i].Duration, 0); after+d >= after {
			after += d
		}
		length = max(length, after)
	}
	return start, length
}

// spanBar draws where in its trace a span lies.
func spanBar(c *render.Canvas, s *view.Snapshot, row int) {
	r := requests.at(s, row)
	if r == nil {
		return
	}
	start, length := traceTimes(s)
	from, to := share(r.Time.Sub(start), length), share(r.Time.Sub(start)+max(r.Duration, 0), length)
	render.Waterfall(c, 0, 0, c.W, from, to, r.Outcome == "error")
	if r.EndUnseen {
		x := min(int(to*float64(c.W))+1, c.W-1)
		c.Print(x, 0, "?", render.Warn)
	}
}

// share is part of whole; a trace without length is all of itself.
func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// spanRetransmits draws what was sent twice on the connection. Where no round trip was measured, nobody counted.
func spanRetransmits(c *render.Canvas, r *view.Request) {
	switch {
	case r.Retrans > 0:
		number(c, render.Count(uint64(r.Retrans)), render.Warn)
	case r.SRTT <= 0:
		number(c, render.Unknown, render.Dim)
	default:
		number(c, "0", render.Dim)
	}
}

func spanPanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := requests.at(s, row)
	if r == nil {
		total(c, s, "Trace")
		return
	}
	start, length := traceTimes(s)
	render.Left(c, r.Target, render.Title)
	at := fact{label: "began", value: "+" + render.Duration(r.Time.Sub(start)) + " of " + render.Duration(length)}
	facts(c.Part(0, 1, c.W, c.H-1), append([]fact{at}, requestFacts(r)...))
}
