// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"

	"sonde/agent/model"
)

// edgeKind is the connection_type of an edge.
type edgeKind uint8

const (
	directEdge edgeKind = iota
	virtualEdge
	databaseEdge
	messagingEdge
)

var edgeKinds = [...]string{"", "virtual_node", "database", "messaging_system"}

// edgeKey identifies an edge of the service graph.
type edgeKey struct {
	client, server string
	kind           edgeKind
}

// edgeSeries are the values of one edge. An edge is seen from one end as a rule: the other's histogram is never made.
type edgeSeries struct {
	total, failed  uint64
	server, client *histogram
}

// userNode is the name of clients out of sight, as Grafana Tempo and the Collector call them: each address of the Internet
// would be an edge of its own otherwise.
const userNode = "user"

// edge returns the edge that a request between two services counts in, nil for none: requests count at their server, and at
// their client only where the server is not observed, or each would count twice. asked is the host that the client asked
// for. A service's requests to itself are no edge.
func (a *Aggregator) edge(r *model.Request, kind edgeKind, asked string) *cell[edgeKey, edgeSeries] {
	if r.Role != model.RoleServer && r.Server.Process != nil {
		return nil
	}
	k := edgeKey{client: serviceOf(&r.Client), server: serviceOf(&r.Server), kind: kind}
	if k.client == "" || k.server == "" {
		a.outOfSight(r, &k, asked)
	}
	if k.client == k.server {
		return nil
	}
	return a.edges.recentCell(place(r, int(kind)), k, a.now)
}

// countEdge counts r in edge e, if there is one.
func (a *Aggregator) countEdge(e *cell[edgeKey, edgeSeries], r *model.Request, o *observation, failed bool) {
	if e == nil {
		return
	}
	e.touch(a.now)
	e.value.total++
	if failed {
		e.value.failed++
	}
	h := &e.value.server
	if r.Role != model.RoleServer {
		h = &e.value.client
	}
	if *h == nil {
		*h = &histogram{}
	}
	(*h).observe(o, a.requestLayout)
}

// outOfSight names the ends that have no process.
func (a *Aggregator) outOfSight(r *model.Request, k *edgeKey, asked string) {
	if k.kind == directEdge {
		k.kind = virtualEdge
	}
	if k.client == "" {
		k.client = a.clientNode(r.Client.Addr.Addr())
	}
	if k.server == "" {
		if k.server = asked; asked == "" || r.Role == model.RoleServer { // a server's own address is not what its client wrote
			k.server, _ = a.peerServer(r)
		}
	}
}

func (a *Aggregator) clientNode(addr netip.Addr) string {
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return a.addresses.text(addr)
	}
	return userNode
}

func describeEdge(k edgeKey) (edgeKey, []model.Label) {
	own(&k.client, &k.server)
	return k, labels(
		model.Label{Attr: model.AttrClient, Value: k.client},
		model.Label{Attr: model.AttrServer, Value: k.server},
		model.Label{Attr: model.AttrConnectionType, Value: edgeKinds[k.kind]},
	)
}
