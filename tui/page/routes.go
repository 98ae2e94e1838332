// SPDX-License-Identifier: Apache-2.0

package page

import (
	"sonde/agent/view"
	"sonde/tui/render"
)

var routes = table[view.Route](func(s *view.Snapshot) []view.Route { return s.Routes })

func routeRED(r *view.Route) *view.RED { return &r.RED }

var routesPage = &Page{
	View: view.PageRoutes, Title: "Routes",
	Columns: []Column{
		{Title: "OPERATION", Sort: "operation", Min: 24, Max: 80, Cell: routes.text(func(r *view.Route) string { return r.Operation }, render.Strong)},
		{Title: "SERVICE", Sort: "service", Min: 8, Max: 20, Drop: 7, Cell: routes.text(func(r *view.Route) string { return r.Service }, render.Text)},
		{Title: "PROTO", Min: 6, Max: 10, Drop: 5, Cell: routes.text(func(r *view.Route) string { return r.Protocol }, render.Text)},
		{Title: "REQ/s", Sort: "rate", Min: render.RateWidth, Right: true, Cell: routes.rate(routeRED)},
		{Title: "ERR", Sort: "errors", Min: errorsMin, Max: errorsMax, Right: true, Cell: routes.errors(routeRED)},
		{Title: "P50", Sort: "p50", Min: render.DurationWidth, Right: true, Drop: 2, Cell: routes.quantile(routeRED, p50)},
		{Title: "P95", Sort: "p95", Min: render.DurationWidth, Right: true, Drop: 1, Cell: routes.quantile(routeRED, p95)},
		{Title: "P99", Sort: "p99", Min: render.DurationWidth, Right: true, Drop: 3, Cell: routes.quantile(routeRED, p99)},
		{Title: "MAX", Min: render.DurationWidth, Right: true, Drop: 6, Cell: routes.quantile(routeRED, most)},
		{Title: "TREND", Min: 8, Max: 30, Drop: 4, Cell: routes.spark(routeRED)},
	},
	Rows: routes.count,
	ID:   routes.id(func(r *view.Route) string { return key(r.Service, r.Operation, r.Protocol) }),
	Mark: routes.mark(func(r *view.Route) render.Style { return health(&r.RED) }),
	Panel: func(c *render.Canvas, s *view.Snapshot, row int) {
		if r := routes.at(s, row); r != nil {
			panel(c, r.Operation, redFacts(&r.RED, s), &r.RED)
			return
		}
		total(c, s, "All operations")
	},
	PanelHeight: tallPanel,
	Enter: routes.enter(view.PageRequests, func(r *view.Route, to *view.Scope) bool {
		to.Service, to.Route, to.Protocol = r.Service, r.Operation, r.Protocol
		return true
	}),
	Crumb: crumb,
	Empty: noRequests,
}
