// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"sonde/agent/filter"
	"sonde/agent/view"
)

// Snapshot implements view.World.
func (s *Store) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := check(&q)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", view.ErrBadQuery, err)
	}
	s.renew()
	w, err := s.look(&q)
	if err != nil {
		return nil, err
	}
	b := newBuilder(w, &q, f)
	b.page()
	return b.out, nil
}

// pages lists those that exist, for what an error says.
var pages = []view.Page{
	view.PageServices, view.PageRoutes, view.PageRequests, view.PageFlows, view.PageConns, view.PageMap, view.PageProcesses,
	view.PageDNS, view.PageAgent, view.PageTrace, view.PageRequest,
}

// check fills in what q leaves out, and compiles its filter: nil when it has none.
func check(q *view.Query) (*filter.Filter, error) {
	keys := view.SortKeys(q.Page)
	if keys == nil {
		return nil, fmt.Errorf("page %q: accepted are %s", q.Page, quotedList(pages))
	}
	q.Window = cmp.Or(q.Window, view.DefaultWindow)
	if !slices.Contains(view.Windows, q.Window) {
		return nil, fmt.Errorf("window %v: accepted are 10s, 1m, 5m, 15m", q.Window)
	}
	if q.Sort = cmp.Or(q.Sort, keys[0]); !slices.Contains(keys, q.Sort) {
		return nil, fmt.Errorf("page %q sorted by %q: accepted are %s", q.Page, q.Sort, quotedList(keys))
	}
	if q.Offset < 0 || q.Limit < 0 {
		return nil, fmt.Errorf("offset %d, limit %d: accepted are numbers from 0 on", q.Offset, q.Limit)
	}
	q.Limit = min(cmp.Or(q.Limit, view.DefaultLimit), view.MaxLimit)
	if err := checkScope(q); err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.Filter) == "" {
		return nil, nil
	}
	c, err := filter.ParseLine(q.Filter)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	f, err := filter.Compile(c)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return f, nil
}

func checkScope(q *view.Query) error {
	if t := q.Within.Trace; t != "" || q.Page == view.PageTrace {
		if _, err := hex.DecodeString(t); err != nil || len(t) != 32 {
			return fmt.Errorf("trace %q: accepted are 32 hex digits", t)
		}
		q.Within.Trace = strings.ToLower(t)
	}
	if q.Page == view.PageRequest && q.Within.Request == 0 {
		return fmt.Errorf("page %q without a request: accepted is the id of one", q.Page)
	}
	return nil
}

func quotedList[S ~string](all []S) string {
	var b []byte
	for i, one := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, one...)
	}
	return string(b)
}

// builder makes one answer of a world.
type builder struct {
	w      *world
	q      *view.Query
	filter *filter.Filter // nil: none
	span   span
	spent  spent
	out    *view.Snapshot

	counted      *[kinds]tallies // kept requests, once they were looked through
	observedRate float64         // requests a second, both ends
	scope        *requestScope   // once it was asked for
	scratch      []byte
}

func newBuilder(w *world, q *view.Query, f *filter.Filter) *builder {
	b := &builder{w: w, q: q, filter: f, span: newSpan(q.Window, w.now, w.began)}
	b.spent = w.spent(&b.span)
	b.out = &view.Snapshot{
		Page: q.Page, Time: w.clock.Wall(w.now), Window: q.Window, Covered: min(b.span.covered, q.Window),
		Mode: w.config.Mode, Source: w.config.Source, Host: w.config.Host,
	}
	return b
}

func (b *builder) page() {
	b.overview()
	switch b.q.Page {
	case view.PageServices:
		b.servicesPage()
	case view.PageRoutes:
		b.routesPage()
	case view.PageRequests:
		b.requestsPage()
	case view.PageFlows:
		b.flowsPage()
	case view.PageConns:
		b.connsPage()
	case view.PageMap:
		b.mapPage()
	case view.PageProcesses:
		b.processesPage()
	case view.PageDNS:
		b.dnsPage()
	case view.PageAgent:
		b.agentPage()
	case view.PageTrace:
		b.tracePage()
	case view.PageRequest:
		b.requestPage()
	}
}

// orderOf places a row by the numbers that all pages of rates have.
func (b *builder) orderOf(t *tally, row int) order {
	o := order{row: row}
	if t == nil {
		return o
	}
	switch b.q.Sort {
	case "rate":
		o.number = float64(t.count)
	case "errors":
		o.number = float64(t.failed)
	case "p50":
		o.number = float64(t.quantile(0.5))
	case "p95":
		o.number = float64(t.quantile(0.95))
	case "p99":
		o.number = float64(t.quantile(0.99))
	}
	return o
}

// total adds up rows.
func (b *builder) total(all []pair) {
	var sum tally
	for i := range all {
		sum.add(all[i].shown())
	}
	b.setTotal(&sum)
}

func (b *builder) setTotal(sum *tally) {
	red := sum.red(&b.span)
	b.out.Total = &red
}

// tally adds up the groups of a kind that the query is about: slots answer it where they can, else the kept requests do.
func (b *builder) tally(k kind) []pair {
	if b.filter == nil && answers(k, &b.q.Within) {
		return b.tallySlots(k, func(g *group) bool { return inScope(g, &b.q.Within) })
	}
	return b.tallyRequests(k)
}

// tallySlots adds up the groups of a kind that pass keep; nil keeps all.
func (b *builder) tallySlots(k kind, keep func(*group) bool) []pair {
	var t tallies
	b.span.holds(&b.w.kinds[k], func(sl *slot) { t.addSlot(sl, &b.span) })
	if keep == nil {
		return t.all
	}
	return slices.DeleteFunc(t.all, func(p pair) bool { return !keep(p.group) })
}

// atLeast shortens what is covered to what was kept since a time.
func (b *builder) coveredSince(at time.Duration) {
	b.out.Covered = max(0, min(b.out.Covered, b.w.now-at))
}
