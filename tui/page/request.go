// SPDX-License-Identifier: Apache-2.0

package page

import (
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

var requestPage = &Page{
	View: view.PageRequest, Title: "Request",
	Rows: func(s *view.Snapshot) int {
		if s == nil || s.Request == nil {
			return 0
		}
		return 1
	},
	ID: func(s *view.Snapshot, _ int) string {
		if s == nil || s.Request == nil {
			return ""
		}
		return number64(s.Request.ID)
	},
	Mark: func(s *view.Snapshot, _ int) render.Style {
		if s == nil || s.Request == nil {
			return render.Text
		}
		return requestStyle(&s.Request.Request)
	},
	Body:  requestBody,
	Enter: func(*view.Snapshot, int, view.Scope) (view.Page, view.Scope, bool) { return "", view.Scope{}, false }, // the last page of the way
	Crumb: func(view.Scope) string { return "" },                                                                  // it says what it is
	Empty: requestGone,
}

func requestGone(*view.Snapshot) string {
	return "This request is not kept any more: newer ones took its place.\n" +
		"Pause (p) to look at one for as long as you like; sonde record keeps all of them."
}

func requestBody(c *render.Canvas, s *view.Snapshot, top int) int {
	if s == nil || s.Request == nil {
		return nothing(c, top, requestGone(s))
	}
	d, columns := s.Request, columnsOf(c.W)
	what, among := columns[0], columns[1]
	what.title(d.Protocol + " " + d.Target)
	told, behind := requestWhat(d)
	for _, f := range told {
		what.fact(f)
	}
	requestPhases(what, d)
	what.title("Network and trace")
	for _, f := range behind {
		what.fact(f)
	}
	requestPlace(among, d)
	requestAttributes(among, d)
	return scrolled(c, top, columns)
}

// requestWhat is what a list says of the request and who its ends were, and apart from that what is behind it.
func requestWhat(d *view.Detail) (told, behind []fact) {
	told = []fact{{label: "time", value: render.Clock(d.Time)}}
	for _, f := range requestFacts(&d.Request) {
		switch f.label {
		case "rtt", "retransmits", "trace", "span", "parent":
			behind = append(behind, f)
		case "between":
			told = append(told,
				fact{label: "client", value: party(d.Client, d.ClientProcess, d.ClientAddr), style: render.Strong},
				fact{label: "server", value: party(d.Server, d.ServerProcess, d.ServerAddr), style: render.Strong},
				fact{label: "container", value: d.Container},
				fact{label: "unit", value: d.Unit},
			)
		default:
			told = append(told, f)
		}
	}
	if d.Conn != 0 {
		behind = append(behind, fact{label: "connection", value: number64(d.Conn)})
	}
	return told, behind
}

// party is an end of a request: its service, its process, its address, each as far as it is known and says something new.
func party(name, process, addr string) string {
	s := name
	if process != "" && process != name {
		s += "  " + process
	}
	if addr != "" && addr != name {
		s += "  " + addr
	}
	if s == "" {
		return render.Unknown
	}
	return s
}

// phase is a part of a request's time; it is not known where it is negative.
type phase struct {
	name, fill string
	took       time.Duration
	style      render.Style
}

// requestPhases draws where the time went. Fills differ in more than colour.
func requestPhases(k *stack, d *view.Detail) {
	phases := []phase{
		{"sending", "░", d.Sending, render.Second},
		{"waiting", "▒", d.Waiting, render.Accent},
		{"receiving", "█", d.Receiving, render.Second},
	}
	k.title("Where the time went")
	k.add(1, func(c *render.Canvas) {
		parts := make([]render.Segment, len(phases))
		for i, p := range phases {
			parts[i] = render.Segment{Size: float64(p.took), Fill: p.fill, Style: p.style}
		}
		render.Segments(c, 0, 0, c.W, parts)
	})
	for _, p := range phases {
		k.add(1, func(c *render.Canvas) {
			c.Print(0, 0, p.fill, p.style)
			fact{p.name, render.Duration(p.took), render.Text}.draw(c.Part(2, 0, c.W-2, 1))
		})
	}
}

// placeLines is the height of the histogram on the page of a request at most.
const placeLines = 10

// requestPlace draws where the request lies among those of its operation.
func requestPlace(k *stack, d *view.Detail) {
	if d.Operations == nil {
		return
	}
	of := d.Operation
	if of == "" {
		of = "its operation"
	}
	k.title("Among the requests of " + d.Server + " " + of)
	lines := render.HistogramHeight(buckets(d.Operations), placeLines)
	k.add(lines, func(c *render.Canvas) { histogram(c, d.Operations, placeOf(&d.Request)...) })
}

func requestAttributes(k *stack, d *view.Detail) {
	if len(d.Attributes) == 0 {
		return
	}
	widest := 0
	for _, a := range d.Attributes {
		widest = max(widest, render.Width(a.Key))
	}
	k.title("Attributes")
	value := max(min(widest+2, k.width/2), 1)
	for _, a := range d.Attributes {
		k.pair(a.Key, a.Value, value, render.Text)
	}
}
