// SPDX-License-Identifier: Apache-2.0

package page

import (
	"sonde/agent/view"
	"sonde/tui/render"
)

var edges = table[view.Edge](func(s *view.Snapshot) []view.Edge { return s.Edges })

func edgeRED(r *view.Edge) *view.RED { return &r.RED }

var mapPage = &Page{
	View: view.PageMap, Title: "Map", Key: '4',
	Columns: []Column{
		{Title: "CLIENT", Sort: "client", Min: 8, Max: 32, Cell: edgeClient},
		{Title: "", Min: 4, Cell: edgeBranch},
		{Title: "SERVER", Sort: "server", Min: 11, Max: 40, Cell: edges.text(func(r *view.Edge) string { return r.Server }, render.Strong)},
		{Title: "PROTO", Min: 6, Max: 10, Drop: 4, Cell: edges.text(func(r *view.Edge) string { return r.Protocol }, render.Text)},
		{Title: "REQ/s", Sort: "rate", Min: render.RateWidth, Right: true, Cell: edges.rate(edgeRED)},
		{Title: "ERR", Sort: "errors", Min: errorsMin, Max: errorsMax, Right: true, Cell: edges.errors(edgeRED)},
		{Title: "P50", Sort: "p50", Min: render.DurationWidth, Right: true, Drop: 2, Cell: edges.quantile(edgeRED, p50)},
		{Title: "P95", Sort: "p95", Min: render.DurationWidth, Right: true, Drop: 1, Cell: edges.quantile(edgeRED, p95)},
		{Title: "P99", Sort: "p99", Min: render.DurationWidth, Right: true, Drop: 3, Cell: edges.quantile(edgeRED, p99)},
		{Title: "ENC", Min: 5, Drop: 5, Cell: edges.cell(func(c *render.Canvas, r *view.Edge) { encryption(c, r.Encryption) })},
		{Title: "SEEN BY", Min: 7, Drop: 6, Cell: edges.text(func(r *view.Edge) string { return r.Side }, render.Dim)},
	},
	Rows:        edges.count,
	ID:          edges.id(func(r *view.Edge) string { return key(r.Client, r.Server, r.Protocol) }),
	Mark:        edges.mark(func(r *view.Edge) render.Style { return health(&r.RED) }),
	Panel:       edgePanel,
	PanelHeight: tallPanel,
	Enter: edges.enter(view.PageRequests, func(r *view.Edge, to *view.Scope) bool {
		*to = view.Scope{Client: r.Client, Server: r.Server, Protocol: r.Protocol}
		return true
	}),
	Crumb:   crumb,
	Empty:   noRequests,
	Arrange: groupEdges,
}

// groupEdges puts edges of the same client below each other, whatever they are sorted by: clients in the order of their first
// edge, edges of a client in the order that they had.
func groupEdges(s *view.Snapshot) {
	place := make(map[string]int, len(s.Edges))
	var groups [][]view.Edge
	for _, e := range s.Edges {
		i, seen := place[e.Client]
		if !seen {
			i = len(groups)
			place[e.Client] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	grouped := s.Edges[:0]
	for _, g := range groups {
		grouped = append(grouped, g...)
	}
}

// sameClient says whether two rows, one below the other, have the same client.
func sameClient(s *view.Snapshot, row, other int) bool {
	a, b := edges.at(s, row), edges.at(s, other)
	return a != nil && b != nil && a.Client == b.Client
}

// edgeClient draws the client at the first of its edges.
func edgeClient(c *render.Canvas, s *view.Snapshot, row int) {
	if r := edges.at(s, row); r != nil && !sameClient(s, row, row-1) {
		left(c, r.Client, render.Strong)
	}
}

// edgeBranch draws the line from the client to the server.
func edgeBranch(c *render.Canvas, s *view.Snapshot, row int) {
	branch := "───>"
	switch above, below := sameClient(s, row, row-1), sameClient(s, row, row+1); {
	case above && below:
		branch = " ├─>"
	case above:
		branch = " └─>"
	case below:
		branch = "─┬─>"
	}
	if edges.at(s, row) != nil {
		render.Left(c, branch, render.Frame)
	}
}

func edgePanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := edges.at(s, row)
	if r == nil {
		total(c, s, "All edges")
		return
	}
	lines := append(redFacts(&r.RED, s),
		fact{label: "protocol", value: r.Protocol},
		fact{label: "encryption", value: encryptionWords(r.Encryption)},
		fact{label: "measured at", value: r.Side},
	)
	panel(c, r.Client+" → "+r.Server, lines, &r.RED)
}
