// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"
	"strings"

	"sonde/agent/view"
	"sonde/tui/render"
)

var agentPage = &Page{
	View: view.PageAgent, Title: "Agent", Key: '7',
	Rows: func(s *view.Snapshot) int {
		if s == nil || s.Agent == nil {
			return 0
		}
		return 1
	},
	ID:    func(*view.Snapshot, int) string { return "agent" },
	Mark:  func(*view.Snapshot, int) render.Style { return render.Text },
	Body:  agentBody,
	Enter: func(*view.Snapshot, int, view.Scope) (view.Page, view.Scope, bool) { return "", view.Scope{}, false },
	Crumb: crumb,
	Empty: agentSilent,
}

func agentSilent(s *view.Snapshot) string {
	if s != nil && replayed(s) {
		return "A file is played: there is no agent to tell of itself."
	}
	return "The agent has not told of itself yet."
}

func agentBody(c *render.Canvas, s *view.Snapshot, top int) int {
	if s == nil || s.Agent == nil {
		return nothing(c, top, agentSilent(s))
	}
	a, columns := s.Agent, columnsOf(c.W)
	first, second := columns[0], columns[1]
	agentSummary(first, a)
	agentLosses(first, a)
	agentQueues(first, a)
	agentExporters(first, a)
	agentCounts(first, "Memory", a.Memory, render.Size)
	agentCounts(first, "Connections", a.Conns, render.Count)
	agentPrograms(second, a)
	agentHooks(second, a)
	agentCounts(second, "Packets that the kernel dropped", a.Drops, render.Count)
	return scrolled(c, top, columns)
}

func agentSummary(k *stack, a *view.Agent) {
	coverage, style := render.Unknown, render.Text
	if a.Coverage > 0 {
		coverage = percentage(a.Coverage) + " of the payload bytes that the kernel acknowledged were read"
		if a.Coverage < 0.999 {
			style = render.Warn
		}
	}
	k.title("sonde " + a.Version)
	k.fact(fact{"kernel", a.Kernel, render.Text})
	if a.Uptime > 0 {
		k.fact(fact{"running for", render.Age(a.Uptime), render.Text})
	}
	k.fact(fact{"processor", measured(a.CPU) + " of a core, probes " + measured(a.ProbeCPU), render.Text})
	k.fact(fact{"events", strings.TrimSpace(render.Rate(a.Events)) + " a second", render.Text})
	k.fact(fact{"coverage", coverage, style})
	if a.Viewers > 0 {
		k.fact(fact{"viewers", strconv.Itoa(a.Viewers), render.Text})
	}
}

// measured writes cores; what takes none was not measured.
func measured(v float64) string {
	if v == 0 {
		return render.Unknown
	}
	return render.Cores(v)
}

// percentage writes a share; it is not 100 % before all is there.
func percentage(share float64) string {
	if share >= 1 {
		return "100%"
	}
	const whole = 1 << 40
	return render.Percent(uint64(max(share, 0)*whole), whole)
}

// agentLosses says what is missing in everything that the viewer shows: first in a sentence, then what was lost, then what was not.
func agentLosses(k *stack, a *view.Agent) {
	k.title("Losses")
	lost := 0
	for _, l := range a.Losses {
		if l.Count > 0 {
			lost++
		}
	}
	switch {
	case len(a.Losses) == 0:
		k.fold("not counted here", 0, render.Dim)
		return
	case lost == 0:
		k.fold("nothing lost", 0, render.Good)
	default:
		k.fold("what is shown is not all: "+strconv.Itoa(lost)+" of "+strconv.Itoa(len(a.Losses))+" kinds of loss happened", 0, render.Bad)
	}
	for _, happened := range []bool{true, false} {
		for _, l := range a.Losses {
			if l.Count > 0 == happened {
				k.add(1, func(c *render.Canvas) { lossLine(c, l) })
			}
		}
	}
}

func lossLine(c *render.Canvas, l view.Count) {
	style := render.Dim
	if l.Count > 0 {
		style = render.Bad
		c.Print(0, 0, render.FailedMark, style)
	}
	countLine(c.Part(2, 0, c.W-2, 1), l, render.Count, style)
}

// countWidth is where numbers of the agent's lists end: close to their names, in wide windows too.
const countWidth = 52

// countLine draws a name and, at its right, a number.
func countLine(c *render.Canvas, n view.Count, text func(uint64) string, style render.Style) {
	w := min(c.W, countWidth)
	split := max(w-render.SizeWidth-1, 0)
	render.Left(c.Part(0, 0, split, 1), n.Name, style)
	number(c.Part(split+1, 0, w-split-1, 1), text(n.Count), style)
}

func agentCounts(k *stack, title string, counts []view.Count, text func(uint64) string) {
	if len(counts) == 0 {
		return
	}
	k.title(title)
	for _, n := range counts {
		k.add(1, func(c *render.Canvas) { countLine(c, n, text, render.Text) })
	}
}

func agentQueues(k *stack, a *view.Agent) {
	if len(a.Queues) == 0 {
		return
	}
	k.title("Queues")
	for _, q := range a.Queues {
		k.add(1, func(c *render.Canvas) {
			const name, bar, depth = 18, 10, 14
			style := render.Accent
			if q.Depth > q.Capacity/2 {
				style = render.Warn
			}
			render.Left(c.Part(0, 0, name-1, 1), q.Name, render.Text)
			render.Gauge(c, name, 0, bar, q.Depth, q.Capacity, style)
			number(c.Part(name+bar, 0, depth, 1), render.Count(q.Depth)+"/"+render.Count(q.Capacity), render.Text)
			if q.Dropped > 0 {
				rest := c.Part(name+bar+depth+1, 0, c.W, 1)
				render.Left(rest, render.FailedMark+" "+render.Count(q.Dropped)+" dropped", render.Bad)
			}
		})
	}
}

func agentExporters(k *stack, a *view.Agent) {
	if len(a.Exporters) == 0 {
		return
	}
	k.title("Exporters")
	for _, e := range a.Exporters {
		k.add(1, func(c *render.Canvas) {
			const name, sent = 18, 16
			render.Left(c.Part(0, 0, name-1, 1), e.Type, render.Text)
			number(c.Part(name, 0, sent, 1), render.Count(e.Exported)+" exported", render.Text)
			if e.Failed > 0 {
				render.Left(c.Part(name+sent+1, 0, c.W, 1), render.FailedMark+" "+render.Count(e.Failed)+" failed", render.Bad)
			}
		})
	}
}

func agentPrograms(k *stack, a *view.Agent) {
	if len(a.Programs) == 0 {
		return
	}
	const name, column = 20, 9
	k.title("eBPF programs")
	k.add(1, func(c *render.Canvas) {
		render.Left(c.Part(0, 0, name, 1), "PROGRAM", render.Head)
		for i, title := range []string{"RUNS/s", "TIME/run", "CORE"} {
			render.Right(c.Part(name+i*column, 0, column, 1), title, render.Head)
		}
	})
	for _, p := range a.Programs {
		k.add(1, func(c *render.Canvas) {
			render.Left(c.Part(0, 0, name, 1), p.Name, render.Text)
			for i, value := range []string{render.Rate(p.RunsPerS), render.Nanoseconds(p.NSPerRun), measured(p.CPU)} {
				number(c.Part(name+i*column, 0, column, 1), value, render.Text)
			}
		})
	}
}

func agentHooks(k *stack, a *view.Agent) {
	if len(a.Hooks) == 0 {
		return
	}
	k.title("Hooks")
	const probe = 20
	for _, h := range a.Hooks {
		if len(h.Hook)+2+len(h.Why) <= k.width-probe {
			k.pair(h.Probe, strings.TrimSuffix(h.Hook+", "+h.Why, ", "), probe, render.Text)
			continue
		}
		k.pair(h.Probe, h.Hook, probe, render.Text)
		if h.Why != "" {
			k.fold(h.Why, probe, render.Dim)
		}
	}
}
