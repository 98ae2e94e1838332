// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"

	"sonde/agent/view"
	"sonde/tui/render"
)

var processes = table[view.Process](func(s *view.Snapshot) []view.Process { return s.Processes })

func processIn(r *view.Process) *view.RED  { return &r.In }
func processOut(r *view.Process) *view.RED { return &r.Out }

var processesPage = &Page{
	View: view.PageProcesses, Title: "Processes", Key: '5',
	Columns: []Column{
		{Title: "PID", Sort: "pid", Min: 7, Right: true, Cell: processes.number(func(r *view.Process) string { return number64(uint64(r.PID)) })},
		{Title: "NAME", Sort: "name", Min: 9, Max: 24, Cell: processes.text(func(r *view.Process) string { return r.Name }, render.Strong)},
		{Title: "SERVICE", Min: 10, Max: 28, Drop: 2, Cell: processes.text(func(r *view.Process) string { return r.Service }, render.Text)},
		{Title: "CONTAINER/UNIT", Min: 14, Max: 28, Drop: 5, Cell: processes.text(home, render.Text)},
		{Title: "REQ/s", Sort: "rate", Min: render.RateWidth, Right: true, Cell: processes.rate(processIn)},
		{Title: "ERR", Sort: "errors", Min: errorsMin, Max: errorsMax, Right: true, Cell: processes.errors(processIn)},
		{Title: "P95", Sort: "p95", Min: render.DurationWidth, Right: true, Cell: processes.quantile(processIn, p95)},
		{Title: "OUT/s", Sort: "calls", Min: render.RateWidth, Right: true, Drop: 3, Cell: processes.rate(processOut)},
		{Title: "CONNS", Sort: "conns", Min: 6, Right: true, Drop: 4, Cell: processes.number(func(r *view.Process) string { return strconv.Itoa(r.Conns) })},
		{Title: "TX/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Drop: 1, Cell: processes.number(func(r *view.Process) string { return render.SizeRate(r.TransmitPerS) })},
		{Title: "RX/s", Sort: "bytes", Min: render.SizeWidth, Right: true, Drop: 1, Cell: processes.number(func(r *view.Process) string { return render.SizeRate(r.ReceivePerS) })},
	},
	Rows:        processes.count,
	ID:          processes.id(func(r *view.Process) string { return key(number64(uint64(r.PID)), r.Name) }),
	Mark:        processes.mark(func(r *view.Process) render.Style { return health(&r.In) }),
	Panel:       processPanel,
	PanelHeight: tallPanel,
	Enter: processes.enter(view.PageRequests, func(r *view.Process, to *view.Scope) bool {
		*to = view.Scope{PID: r.PID}
		return r.PID != 0
	}),
	Crumb: crumb,
	Empty: func(s *view.Snapshot) string {
		if s != nil && replayed(s) {
			return "No process is known at this position.\nA capture file holds packets and no processes; a recording tells of them in time."
		}
		return "No process with a connection was seen yet.\n" +
			"Take the filter away (/) if there is one; Agent (7) tells where probes are attached."
	},
}

// home is where a process lives: its container, shortened as container tools do, or its unit.
func home(r *view.Process) string {
	const short = 12
	if len(r.Container) == 64 {
		return r.Container[:short]
	}
	if r.Container != "" {
		return r.Container
	}
	return r.Unit
}

func processPanel(c *render.Canvas, s *view.Snapshot, row int) {
	r := processes.at(s, row)
	if r == nil {
		total(c, s, "All processes")
		return
	}
	lines := append(redFacts(&r.In, s),
		fact{label: "calls", value: render.Count(r.Out.Count) + ", " + render.Count(r.Out.Errors) + " failed"},
		fact{label: "path", value: r.Path},
		fact{label: "container", value: r.Container},
		fact{label: "unit", value: r.Unit},
	)
	panel(c, r.Name+" "+number64(uint64(r.PID)), lines, &r.In)
}
