// SPDX-License-Identifier: Apache-2.0

package store

import (
	"net/netip"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/units"
	"sonde/agent/view"
)

// link is a connection with the reports of the ends that were observed. Where both were, the client's is shown: its counters are
// those that requests are seen with first. What only the other end knows is taken from there.
type link struct{ shown, other *flow }

// links pairs the reports that the query is about. Ends pair by their addresses; counters of sockets and of interfaces never do.
func (b *builder) links() []link {
	all := make([]link, 0, len(b.w.flows))
	at := make(map[uint64]int, len(b.w.flows))
	for _, f := range b.w.flows {
		if !b.flowPasses(f) {
			continue
		}
		if f.View != model.ViewSocket || f.Role != model.RoleClient && f.Role != model.RoleServer {
			all = append(all, link{shown: f})
			continue
		}
		i, known := at[f.ends]
		if known = known && all[i].other == nil && all[i].shown.Role != f.Role; !known {
			at[f.ends] = len(all)
			all = append(all, link{shown: f})
			continue
		}
		if all[i].other = f; f.Role == model.RoleClient {
			all[i].shown, all[i].other = f, all[i].shown
		}
	}
	if b.q.Within == (view.Scope{}) {
		return all
	}
	return slices.DeleteFunc(all, func(l link) bool { return !b.linkPasses(&l) })
}

// flowPasses tells whether a report is of what the query is about, as far as reports tell by themselves.
func (b *builder) flowPasses(f *flow) bool {
	w := &b.q.Within
	if w.Conn != 0 && w.Conn != f.Conn {
		return false
	}
	if p := f.local(); w.PID != 0 && (p == nil || p.PID != w.PID) {
		return false
	}
	return b.filter.Flow(&f.Flow)
}

// linkPasses looks at what is shown of a connection.
func (b *builder) linkPasses(l *link) bool {
	w := &b.q.Within
	is := func(wanted, have string) bool { return wanted == "" || wanted == have }
	if w.Port != 0 && w.Port != l.shown.Server.Addr.Port() {
		return false
	}
	return is(w.Client, l.client()) && is(w.Protocol, l.protocol()) && l.isServer(w.Server) && l.isServer(w.Service)
}

func (l *link) isServer(wanted string) bool {
	return wanted == "" || wanted == l.server() || wanted == l.shown.serverAddress()
}

// serverAddress is how edges name a server without a process.
func (f *flow) serverAddress() string {
	if f.Server.Process != nil {
		return f.serverName
	}
	return string(units.AppendAddr(nil, f.Server.Addr))
}

func (l *link) client() string {
	if l.shown.Client.Process == nil && l.other != nil {
		return l.other.clientName
	}
	return l.shown.clientName
}

func (l *link) server() string {
	if l.shown.Server.Process == nil && l.other != nil {
		return l.other.serverName
	}
	return l.shown.serverName
}

func (l *link) protocol() string {
	if l.shown.Protocol == model.ProtocolUnknown && l.other != nil {
		return l.other.Protocol.String()
	}
	return l.shown.Protocol.String()
}

func (l *link) encryption() string {
	if l.shown.Encryption == "" && l.other != nil {
		return l.other.Encryption
	}
	return l.shown.Encryption
}

// retransmits adds up those of both ends: each counts what it sent again itself.
func (l *link) retransmits() uint32 {
	n := l.shown.TCP.Retransmits
	if l.other != nil {
		n += l.other.TCP.Retransmits
	}
	return n
}

// drops are those of both directions, which both ends tell.
func (l *link) drops() uint64 {
	n := l.shown.Drops
	if l.other != nil {
		n = max(n, l.other.Drops)
	}
	return n
}

// groupKey is what the connections of a FlowGroup have in common.
type groupKey struct {
	client, server, transport, iface string
	port                             uint16
	view                             model.FlowView
}

// flowGroup is a row of the flows page on its way.
type flowGroup struct {
	view.FlowGroup
	rtts      []time.Duration
	protocols map[string]int // by connections
}

// flowsPage adds up the connections between the same ends.
func (b *builder) flowsPage() {
	groups := b.flowGroups()
	all := make([]order, len(groups))
	for i, g := range groups {
		slices.Sort(g.rtts)
		if n := len(g.rtts); n > 0 {
			g.SRTT = g.rtts[n/2]
		}
		g.Protocol = mostFrequent(g.protocols)
		all[i] = order{row: i, name: g.Client + "\x00" + g.Server + "\x00" + g.Transport + g.View + g.Interface, id: uint64(g.Port)}
		switch b.q.Sort {
		case "bytes":
			all[i].number, all[i].second = g.SentPerS+g.ReceivedPerS, float64(g.Sent)+float64(g.Received)
		case "client":
			all[i].text = g.Client
		case "server":
			all[i].text = g.Server
		case "conns":
			all[i].number = float64(g.Open)
		case "packets":
			all[i].number = float64(g.Packets)
		case "rtt":
			all[i].number = float64(g.SRTT)
		case "retransmits":
			all[i].number = float64(g.Retrans)
		case "failed":
			all[i].number = float64(g.Failed)
		case "drops":
			all[i].number = float64(g.Drops)
		}
	}
	for _, i := range b.arranged(all) {
		b.out.Flows = append(b.out.Flows, groups[i].FlowGroup)
	}
}

func (b *builder) flowGroups() []*flowGroup {
	var groups []*flowGroup
	at := map[groupKey]*flowGroup{}
	links := b.links()
	for i := range links {
		l := &links[i]
		f := l.shown
		k := groupKey{l.client(), l.server(), f.Transport, f.Interface, f.Server.Addr.Port(), f.View}
		g := at[k]
		if g == nil {
			g = &flowGroup{protocols: map[string]int{}, FlowGroup: view.FlowGroup{
				Client: k.client, Server: k.server, Port: k.port, Transport: k.transport, View: k.view.String(), Interface: k.iface,
			}}
			at[k] = g
			groups = append(groups, g)
		}
		b.addLink(g, l)
	}
	return groups
}

func (b *builder) addLink(g *flowGroup, l *link) {
	f := l.shown
	sent, received := f.rates(&b.span)
	g.SentPerS += sent
	g.ReceivedPerS += received
	g.Sent += f.BytesSent
	g.Received += f.BytesReceived
	g.Packets += f.PacketsSent + f.PacketsReceived
	g.Retrans += uint64(l.retransmits())
	g.Drops += l.drops()
	if f.open() {
		g.Open++
	}
	if begin := b.span.begin(); f.Start >= begin && f.Start > 0 && !f.JoinedMid {
		g.Opened++
	}
	if f.failed() && f.at >= b.span.begin() {
		g.Failed++
	}
	if f.TCP.SRTT > 0 {
		g.rtts = append(g.rtts, f.TCP.SRTT)
	}
	if p := l.protocol(); p != "" {
		g.protocols[p]++
	}
	switch e := l.encryption(); {
	case g.Encryption == "":
		g.Encryption = e
	case e != "" && e != g.Encryption:
		g.Encryption = "mixed"
	}
}

func mostFrequent(counts map[string]int) string {
	best := ""
	for name, n := range counts {
		if n > counts[best] || n == counts[best] && name < best {
			best = name
		}
	}
	return best
}

// connsPage lists single connections, once where both ends reported them.
func (b *builder) connsPage() {
	links := b.links()
	all := make([]order, len(links))
	for i := range links {
		all[i] = b.connOrder(&links[i], i)
	}
	shown := b.arranged(all)
	requests := b.requestsOf(links, shown)
	for _, i := range shown {
		l := &links[i]
		row := b.connRow(l)
		row.Requests = requests[row.ID]
		b.out.Conns = append(b.out.Conns, row)
	}
}

func (b *builder) connOrder(l *link, i int) order {
	f := l.shown
	o := order{row: i, id: f.Conn}
	switch b.q.Sort {
	case "bytes":
		sent, received := f.rates(&b.span)
		o.number, o.second = sent+received, float64(f.BytesSent)+float64(f.BytesReceived)
	case "started":
		o.number = float64(f.Start)
	case "packets":
		o.number = float64(f.PacketsSent) + float64(f.PacketsReceived)
	case "rtt":
		o.number = float64(f.TCP.SRTT)
	case "retransmits":
		o.number = float64(l.retransmits())
	case "client":
		o.text = l.client()
	case "server":
		o.text = l.server()
	case "state":
		o.text = stateOf(f)
	}
	return o
}

func stateOf(f *flow) string { return f.State.String() }

// requestsOf counts the kept requests of the connections shown.
func (b *builder) requestsOf(links []link, shown []int) map[uint64]uint64 {
	counts := make(map[uint64]uint64, len(shown))
	for _, i := range shown {
		counts[links[i].shown.Conn] = 0
	}
	if len(counts) == 0 {
		return counts
	}
	r := &b.w.ring
	for id := r.first; id < r.end; id++ {
		conn := r.get(id).conn
		if n, listed := counts[conn]; listed {
			counts[conn] = n + 1
		}
	}
	return counts
}

func (b *builder) connRow(l *link) view.Conn {
	f := l.shown
	row := view.Conn{
		ID: f.Conn, Client: l.client(), Server: l.server(), ClientAddr: addressText(f.Client.Addr), ServerAddr: addressText(f.Server.Addr),
		Role: roleName(f.Role), Transport: f.Transport, Protocol: l.protocol(), Encryption: l.encryption(), State: stateOf(f),
		Error: f.Error, JoinedMid: f.JoinedMid, Sent: f.BytesSent, Received: f.BytesReceived, Packets: f.PacketsSent + f.PacketsReceived,
		SRTT: f.TCP.SRTT, Retrans: l.retransmits(), Drops: l.drops(),
	}
	row.SentPerS, row.ReceivedPerS = f.rates(&b.span)
	if f.Start > 0 {
		row.Started = b.w.clock.Wall(f.Start)
	}
	if !f.open() {
		row.Ended = b.w.clock.Wall(f.End)
	}
	return row
}

func addressText(a netip.AddrPort) string { return string(units.AppendAddr(nil, a)) }
