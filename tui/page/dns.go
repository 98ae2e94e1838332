// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"slices"
	"strings"

	"sonde/agent/view"
	"sonde/tui/render"
)

var names = table[view.DNS](func(s *view.Snapshot) []view.DNS { return s.DNS })

func nameRED(r *view.DNS) *view.RED { return &r.RED }

var dnsPage = &Page{
	View: view.PageDNS, Title: "DNS", Key: '6',
	Columns: []Column{
		{Title: "NAME", Sort: "name", Min: 17, Max: 60, Cell: names.text(func(r *view.DNS) string { return r.Name }, render.Strong)},
		{Title: "RATE", Sort: "rate", Min: render.RateWidth, Right: true, Cell: names.rate(nameRED)},
		{Title: "ERR", Sort: "errors", Min: errorsMin, Max: errorsMax, Right: true, Cell: names.errors(nameRED)},
		{Title: "P50", Sort: "p50", Min: render.DurationWidth, Right: true, Drop: 1, Cell: names.quantile(nameRED, p50)},
		{Title: "P99", Sort: "p99", Min: render.DurationWidth, Right: true, Cell: names.quantile(nameRED, p99)},
		{Title: "ANSWERS", Min: 16, Max: 40, Drop: 2, Cell: names.text(func(r *view.DNS) string { return answers(r.RCodes) }, render.Text)},
		{Title: "TYPES", Min: 6, Max: 14, Drop: 3, Cell: names.text(func(r *view.DNS) string { return joined(r.Types) }, render.Text)},
		{Title: "CLIENTS", Sort: "clients", Min: 8, Max: 24, Drop: 4, Cell: names.text(func(r *view.DNS) string { return joined(r.Clients) }, render.Text)},
		{Title: "SERVERS", Min: 10, Max: 24, Drop: 5, Cell: names.text(func(r *view.DNS) string { return joined(r.Servers) }, render.Dim)},
	},
	Rows:        names.count,
	ID:          names.id(func(r *view.DNS) string { return r.Name }),
	Mark:        names.mark(func(r *view.DNS) render.Style { return health(&r.RED) }),
	Panel:       namePanel,
	PanelHeight: tallPanel,
	Enter: names.enter(view.PageRequests, func(r *view.DNS, to *view.Scope) bool {
		*to = view.Scope{DNSName: r.Name}
		return r.Name != ""
	}),
	Crumb: crumb,
	Empty: func(s *view.Snapshot) string {
		if s != nil && replayed(s) {
			return "No lookup in the " + span(s.Window) + " before this position.\nPlay on (p), seek (] and }), or look at a longer window (t)."
		}
		return "No lookup over UDP or TCP in the last " + span(s.Window) + "; try: getent hosts example.org\n" +
			"Names from /etc/hosts and from caches ask nobody; DNS over TLS and HTTPS is not read.\n" +
			"Take the filter away (/) if there is one, or look at a longer window (t)."
	},
}

// answers writes response codes, the most frequent first: "NXDOMAIN 12, NOERROR 40".
func answers(codes map[string]uint64) string {
	type answer struct {
		code  string
		count uint64
	}
	all := make([]answer, 0, len(codes))
	for code, count := range codes {
		all = append(all, answer{code, count})
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.code, b.code)) })
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.code + " " + render.Count(a.count)
	}
	return strings.Join(words, ", ")
}

func namePanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := names.at(s, row)
	if r == nil {
		total(c, s, "All names")
		return
	}
	lines := append(redFacts(&r.RED, s),
		fact{label: "answers", value: answers(r.RCodes)},
		fact{label: "clients", value: joined(r.Clients)},
		fact{label: "servers", value: joined(r.Servers)},
	)
	panel(c, r.Name, lines, &r.RED)
}
