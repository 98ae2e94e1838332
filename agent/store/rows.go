// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"

	"sonde/agent/model"
	"sonde/agent/view"
)

// servicesPage has a row for each service with an observed process. Its total are all exchanges: also those with servers that
// have no row.
func (b *builder) servicesPage() {
	pairs := b.tally(services)
	seen := b.processesOf()
	all := make([]order, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		in, out := p.side[sideServer], p.side[sideClient]
		all[i] = b.orderOf(in, i)
		all[i].name = p.group.key.a
		switch b.q.Sort {
		case "name":
			all[i].text = p.group.key.a
		case "rate":
			all[i].second = counted(out)
		case "calls":
			all[i].number = counted(out)
		case "cost":
			all[i].number = counted(in) + counted(out)
		}
	}
	perRequest := b.costPerRequest()
	for _, i := range b.arranged(all) {
		p := &pairs[i]
		row := view.Service{
			Name: p.group.key.a, Processes: seen[p.group.key.a], In: p.side[sideServer].red(&b.span), Out: p.side[sideClient].red(&b.span),
			CostNS: perRequest,
		}
		if in := p.side[sideServer]; in != nil {
			row.Protocols = protocolsOf(in.bits)
		}
		row.CostCPU = perRequest * (row.In.Rate + row.Out.Rate) / 1e9
		b.out.Services = append(b.out.Services, row)
	}
	b.exchanges()
}

// exchanges makes the total of all exchanges.
func (b *builder) exchanges() { b.total(b.tally(edges)) }

func counted(t *tally) float64 {
	if t == nil {
		return 0
	}
	return float64(t.count)
}

// costPerRequest shares what the probes took equally among the observed requests, in nanoseconds.
func (b *builder) costPerRequest() float64 {
	if b.spent.over == 0 || b.observedRate == 0 {
		return 0
	}
	return float64(b.spent.runTime) / b.spent.over.Seconds() / b.observedRate
}

// processesOf counts the processes of each service that did anything in the window.
func (b *builder) processesOf() map[string]int {
	seen := map[string]int{}
	pids := map[key]bool{}
	for _, p := range b.tallyPresence(processes) {
		k := key{a: p.key.a, pid: p.key.pid}
		if p.key.pid != 0 && !pids[k] {
			pids[k] = true
			seen[k.a]++
		}
	}
	return seen
}

// tallyPresence lists the groups of a kind that anything happened to in the window.
func (b *builder) tallyPresence(k kind) []*group {
	var all []*group
	seen := map[*group]bool{}
	b.span.holds(&b.w.kinds[k], func(sl *slot) {
		for i := range sl.records {
			if g := sl.records[i].group; !seen[g] {
				seen[g] = true
				all = append(all, g)
			}
		}
	})
	return all
}

func protocolsOf(bits uint32) []string {
	var all []string
	for p := model.ProtocolUnknown + 1; p < 32 && p.String() != ""; p++ {
		if bits&(1<<p) != 0 {
			all = append(all, p.String())
		}
	}
	return all
}

// orders places groups with three names. first and second are the keys of the page that sort by the first two of them.
func (b *builder) orders(pairs []pair, first, second string) []order {
	all := make([]order, len(pairs))
	for i := range pairs {
		k := &pairs[i].group.key
		all[i] = b.orderOf(pairs[i].shown(), i)
		all[i].name = k.a + "\x00" + k.b + "\x00" + k.c
		switch b.q.Sort {
		case first:
			all[i].text = k.a
		case second:
			all[i].text = k.b
		}
	}
	return all
}

// routesPage has a row for each operation of a service.
func (b *builder) routesPage() {
	pairs := b.tally(routes)
	for _, i := range b.arranged(b.orders(pairs, "service", "operation")) {
		k := &pairs[i].group.key
		b.out.Routes = append(b.out.Routes, view.Route{
			Service: k.a, Operation: k.b, Protocol: k.c, RED: pairs[i].shown().red(&b.span),
		})
	}
	b.total(pairs)
}

// mapPage has a row for each edge of the service graph.
func (b *builder) mapPage() {
	pairs := b.tally(edges)
	for _, i := range b.arranged(b.orders(pairs, "client", "server")) {
		p := &pairs[i]
		k := &p.group.key
		b.out.Edges = append(b.out.Edges, view.Edge{
			Client: k.a, Server: k.b, Protocol: k.c, Encryption: encryption(p.shown().bits), Side: p.sideName(), RED: p.shown().red(&b.span),
		})
	}
	b.total(pairs)
}

func encryption(bits uint32) string {
	switch bits & (bitPlain | bitTLS) {
	case bitPlain:
		return "none"
	case bitTLS:
		return "tls"
	case bitPlain | bitTLS:
		return "mixed"
	}
	return ""
}

// lookup is a name on its way to a row of the DNS page.
type lookup struct {
	name string
	pair pair
	of   []*pair // by type and code
	who  []*pair // by client and server
}

// dnsPage has a row for each name that was looked up.
func (b *builder) dnsPage() {
	byCode, byEnds := b.tally(names), b.tally(lookups)
	rows := gather(byCode, byEnds)
	all := make([]order, len(rows))
	for i := range rows {
		all[i] = b.orderOf(rows[i].pair.shown(), i)
		all[i].name = rows[i].name
		switch b.q.Sort {
		case "name":
			all[i].text = rows[i].name
		case "clients":
			all[i].number = float64(len(clientsOf(&rows[i])))
		}
	}
	for _, i := range b.arranged(all) {
		b.out.DNS = append(b.out.DNS, b.dnsRow(&rows[i]))
	}
	var sum tally
	for i := range rows {
		sum.add(rows[i].pair.shown())
	}
	b.setTotal(&sum)
}

// gather puts together what belongs to one name.
func gather(byCode, byEnds []pair) []lookup {
	var rows []lookup
	at := map[string]int{}
	var room []tally
	for i := range byCode {
		p := &byCode[i]
		n, known := at[p.group.key.a]
		if !known {
			n = len(rows)
			at[p.group.key.a] = n
			rows = append(rows, lookup{name: p.group.key.a, pair: pair{group: p.group}})
		}
		rows[n].of = append(rows[n].of, p)
		for side, t := range p.side {
			if t != nil {
				rows[n].pair.at(uint8(side), &room).add(t)
			}
		}
	}
	for i := range byEnds {
		if n, known := at[byEnds[i].group.key.a]; known {
			rows[n].who = append(rows[n].who, &byEnds[i])
		}
	}
	return rows
}

// shownSide is the side that the row shows.
func (l *lookup) shownSide() int {
	if l.pair.shown() == l.pair.side[sideClient] {
		return sideClient
	}
	return sideServer
}

func (b *builder) dnsRow(l *lookup) view.DNS {
	row := view.DNS{Name: l.name, RED: l.pair.shown().red(&b.span), RCodes: map[string]uint64{}}
	side := l.shownSide()
	for _, p := range l.of {
		if t := p.side[side]; t != nil && p.group.key.c != "" {
			row.RCodes[p.group.key.c] += t.count
			row.Types = append(row.Types, p.group.key.b)
		}
	}
	for _, p := range l.who {
		if p.side[side] != nil {
			row.Servers = append(row.Servers, p.group.key.c)
		}
	}
	row.Types, row.Clients, row.Servers = distinct(row.Types), clientsOf(l), distinct(row.Servers)
	return row
}

func clientsOf(l *lookup) []string {
	var all []string
	side := l.shownSide()
	for _, p := range l.who {
		if p.side[side] != nil {
			all = append(all, p.group.key.b)
		}
	}
	return distinct(all)
}

func distinct(all []string) []string {
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
}

// process is a row of the processes page on its way.
type process struct {
	model          *model.Process
	pair           pair
	conns          int
	sent, received float64
}

// processesPage has a row for each observed process with requests in the window or open connections.
func (b *builder) processesPage() {
	rows := b.processRows()
	all := make([]order, len(rows))
	for i := range rows {
		r := &rows[i]
		all[i] = b.orderOf(r.pair.side[sideServer], i)
		all[i].name, all[i].id = r.model.ServiceName+"\x00"+r.model.Name, uint64(r.model.PID)
		out := counted(r.pair.side[sideClient])
		switch b.q.Sort {
		case "rate":
			all[i].second = out
		case "calls":
			all[i].number = out
		case "conns":
			all[i].number = float64(r.conns)
		case "bytes":
			all[i].number = r.sent + r.received
		case "pid":
			all[i].number = -float64(r.model.PID)
		case "name":
			all[i].text = r.model.Name
		}
	}
	for _, i := range b.arranged(all) {
		r := &rows[i]
		b.out.Processes = append(b.out.Processes, view.Process{
			PID: r.model.PID, Name: r.model.Name, Service: r.model.ServiceName, Container: r.model.ContainerID, Unit: r.model.Unit,
			Path: r.model.Path, In: r.pair.side[sideServer].red(&b.span), Out: r.pair.side[sideClient].red(&b.span), Conns: r.conns,
			TransmitPerS: r.sent, ReceivePerS: r.received,
		})
	}
	b.exchanges()
}

func (b *builder) processRows() []process {
	var rows []process
	at := map[key]int{}
	row := func(p *model.Process) *process {
		k := key{a: p.ServiceName, b: p.Name, pid: p.PID}
		i, known := at[k]
		if !known {
			i = len(rows)
			at[k] = i
			rows = append(rows, process{model: p})
		}
		return &rows[i]
	}
	for _, p := range b.tally(processes) {
		if p.group.process == nil {
			row(&model.Process{ServiceName: otherName, Name: otherName}).pair = p
			continue
		}
		row(p.group.process).pair = p
	}
	if !answers(processes, &b.q.Within) {
		return rows // of connections that is not known
	}
	for _, f := range b.w.flows {
		p := f.local()
		if p == nil || !b.ofProcess(p) || !b.filter.Flow(&f.Flow) {
			continue
		}
		sent, received := f.rates(&b.span)
		if f.Role == model.RoleServer {
			sent, received = received, sent
		}
		if !f.open() && sent+received == 0 {
			continue
		}
		r := row(p)
		r.sent += sent
		r.received += received
		if f.open() {
			r.conns++
		}
	}
	return rows
}

func (b *builder) ofProcess(p *model.Process) bool {
	w := &b.q.Within
	return (w.PID == 0 || w.PID == p.PID) && (w.Service == "" || w.Service == p.ServiceName)
}
