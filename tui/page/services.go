// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"

	"sonde/agent/view"
	"sonde/tui/render"
)

var services = table[view.Service](func(s *view.Snapshot) []view.Service { return s.Services })

func answered(r *view.Service) *view.RED { return &r.In }
func made(r *view.Service) *view.RED     { return &r.Out }

var servicesPage = &Page{
	View: view.PageServices, Title: "Services", Key: '1',
	Columns: []Column{
		{Title: "SERVICE", Sort: "name", Min: 12, Max: 40, Cell: services.text(func(r *view.Service) string { return r.Name }, render.Strong)},
		{Title: "REQ/s", Sort: "rate", Min: render.RateWidth, Right: true, Cell: services.rate(answered)},
		{Title: "ERR", Sort: "errors", Min: errorsMin, Max: errorsMax, Right: true, Cell: services.errors(answered)},
		{Title: "P50", Sort: "p50", Min: render.DurationWidth, Right: true, Drop: 1, Cell: services.quantile(answered, p50)},
		{Title: "P95", Sort: "p95", Min: render.DurationWidth, Right: true, Cell: services.quantile(answered, p95)},
		{Title: "P99", Sort: "p99", Min: render.DurationWidth, Right: true, Drop: 2, Cell: services.quantile(answered, p99)},
		{Title: "TREND", Min: 10, Max: 30, Drop: 4, Cell: services.spark(answered)},
		{Title: "OUT/s", Sort: "calls", Min: render.RateWidth, Right: true, Drop: 3, Cell: services.rate(made)},
		{Title: "OUT ERR", Min: 7, Max: errorsMax, Right: true, Drop: 6, Cell: services.errors(made)},
		{
			Title: "COST/req", Min: 8, Right: true, Drop: 7,
			Cell: services.number(func(r *view.Service) string { return render.Nanoseconds(r.CostNS) }),
		},
		{Title: "COST", Sort: "cost", Min: render.CoresWidth, Right: true, Drop: 5, Cell: services.number(cost)},
		{Title: "PROTO", Min: 8, Max: 20, Drop: 8, Cell: services.text(func(r *view.Service) string { return joined(r.Protocols) }, render.Text)},
		{
			Title: "PROCS", Min: 5, Right: true, Drop: 9,
			Cell: services.number(func(r *view.Service) string { return strconv.Itoa(r.Processes) }),
		},
	},
	Rows:        services.count,
	ID:          services.id(func(r *view.Service) string { return r.Name }),
	Mark:        services.mark(func(r *view.Service) render.Style { return health(&r.In) }),
	Panel:       servicePanel,
	PanelHeight: tallPanel,
	Enter: services.enter(view.PageRoutes, func(r *view.Service, to *view.Scope) bool {
		to.Service = r.Name
		return true
	}),
	Crumb: crumb,
	Empty: noRequests,
}

// cost is what the probes take of a core for a service.
func cost(r *view.Service) string {
	if r.CostCPU <= 0 {
		return render.Unknown
	}
	return render.Cores(r.CostCPU)
}

func servicePanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := services.at(s, row)
	if r == nil {
		total(c, s, "All services")
		return
	}
	lines := append(redFacts(&r.In, s),
		fact{label: "calls", value: render.Count(r.Out.Count) + ", " + render.Count(r.Out.Errors) + " failed", style: max(health(&r.Out), render.Text)},
		fact{label: "processes", value: strconv.Itoa(r.Processes) + "  " + joined(r.Protocols)},
		fact{label: "probes cost", value: render.Nanoseconds(r.CostNS) + "/req, " + cost(r) + " core"},
	)
	panel(c, r.Name+" answers", lines, &r.In)
}
