// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"
	"time"

	"sonde/agent/units"
	"sonde/agent/view"
)

// overview says what the top of each page does, and notes what a reader must know.
func (b *builder) overview() {
	w, o := b.w, &b.out.Overview
	seconds := b.span.seconds()
	both := b.summary()
	o.Requests, o.Errors = float64(both.shown)/seconds, float64(both.failed)/seconds
	b.observedRate = float64(both.observed) / seconds
	o.Total = w.observed
	o.Services = len(b.tallyPresence(services))
	o.Flows = w.openFlows[0]
	bytes := &w.sockets
	if !bytes.any {
		o.Flows, bytes = w.openFlows[1], &w.packets
	}
	o.BytesPerS = float64(bytes.within(&b.span)) / seconds
	o.Lost, o.LostRecent = w.lost.total, w.lost.within(&b.span)
	if last := b.spent.last; last != nil {
		o.Lost, o.LostRecent = max(o.Lost, last.Lost), max(o.LostRecent, b.spent.lost)
		o.CPU, o.MemoryBytes = b.spent.cpu+b.spent.probeCPU, last.Resident
	}
	b.notes()
}

// sums are counts of all edges.
type sums struct{ shown, failed, observed uint64 }

// summary adds up the edges without their durations, which the overview does not show.
func (b *builder) summary() sums {
	at := map[*group]*[sides][2]uint64{}
	b.span.holds(&b.w.kinds[edges], func(sl *slot) {
		for i := range sl.records {
			r := &sl.records[i]
			g := at[r.group]
			if g == nil {
				g = new([sides][2]uint64)
				at[r.group] = g
			}
			g[r.side][0] += uint64(r.count)
			g[r.side][1] += uint64(r.failed)
		}
	})
	var s sums
	for _, g := range at {
		shown := g[sideServer]
		if secondShown(g[sideServer][0], g[sideClient][0]) {
			shown = g[sideClient]
		}
		s.shown += shown[0]
		s.failed += shown[1]
		s.observed += g[sideServer][0] + g[sideClient][0]
	}
	return s
}

func (b *builder) note(text string) { b.out.Notes = append(b.out.Notes, text) }

func (b *builder) notes() {
	if n := b.out.Overview.LostRecent; n > 0 {
		b.note(fmt.Sprintf("%d %s lost in the last %s: counts are too low",
			n, choose(n == 1, "record was", "records were"), windowText(b.q.Window)))
	}
	if covered := b.out.Covered; b.w.config.Mode == OnDemand().Mode && covered < b.q.Window && b.q.Page != view.PageAgent {
		since := "from now on"
		if covered >= time.Second {
			since = fmt.Sprintf("for %s", units.AppendDuration(nil, covered, 1))
		}
		b.note("the agent keeps what it sees while somebody looks: " + since + " (sonde run --history always: from its start)")
	}
	b.noteRing()
	if b.w.fewFlows && (b.q.Page == view.PageFlows || b.q.Page == view.PageConns) {
		b.note(fmt.Sprintf("only %d connections are kept: the oldest were forgotten", b.w.config.Flows))
	}
	k, shown := map[view.Page]kind{
		view.PageServices: services, view.PageRoutes: routes, view.PageMap: edges, view.PageProcesses: processes, view.PageDNS: names,
	}[b.q.Page]
	if shown && slices.ContainsFunc(b.tallyPresence(k), func(g *group) bool { return g.rest }) {
		b.note("there are more rows than are kept: the rest is counted as " + otherName)
	}
}

// noteRing says how far back requests are kept, where that is less than the page shows.
func (b *builder) noteRing() {
	r := &b.w.ring
	listed := b.q.Page == view.PageRequests || b.filter != nil && b.q.Page != view.PageFlows && b.q.Page != view.PageConns
	if !listed || r.first <= 1 || r.len() == 0 {
		return
	}
	if kept := b.w.now - r.get(r.first).at; kept < b.span.covered {
		b.note(fmt.Sprintf("requests are kept for the last %s only", units.AppendDuration(nil, kept, 1)))
	}
}

func windowText(w time.Duration) string {
	switch w {
	case 10 * time.Second:
		return "10 seconds"
	case time.Minute:
		return "minute"
	}
	return fmt.Sprintf("%d minutes", int(w/time.Minute))
}

func choose(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}
