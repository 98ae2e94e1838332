// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strconv"
	"strings"

	"sonde/agent/model"
)

// rpcKey identifies a series of the RPC metrics.
type rpcKey struct {
	service string
	method  string
	address string // of the server that was asked; client series only
	failure string
	port    uint16
	status  uint8 // 1 more than the gRPC status, 0 when it has no name
}

// rpcSeries are the values of the RPC metrics with equal labels.
type rpcSeries struct {
	duration histogram
	old      []model.Label // under the old names; nil before they are asked for
}

func (a *Aggregator) rpc(r *model.Request, o *observation) {
	k := rpcKey{method: methodOf(r), failure: failureOf(r)}
	if model.GRPCStatus(r.RPC.Status) != "" {
		k.status = uint8(r.RPC.Status + 1)
	}
	t := &a.rpcServers
	if r.Role == model.RoleServer {
		k.service = serviceOf(&r.Server)
	} else {
		t, k.service = &a.rpcClients, serviceOf(&r.Client)
		k.address, k.port = a.askedServer(r)
	}
	t.recently(place(r, len(k.method)<<8+r.RPC.Status), k, a.now).duration.observe(o, a.requestLayout)
	a.countEdge(a.edge(r, directEdge, k.address), r, o, k.failure != "")
}

// methodOf returns the method where it is one of the server's. Whoever calls can make up others: they have one name, as the
// conventions say. An answer that the service did not give proves nothing: the method counts then if it was answered before,
// which is what a route says.
func methodOf(r *model.Request) string {
	c := r.RPC
	answered := c.Status >= 0 && !c.StatusInferred && c.Status != model.GRPCUnimplemented
	if c.Method != "" && !answered && (c.Status == model.GRPCUnimplemented || r.HTTP == nil || r.HTTP.Route == "") {
		return otherName
	}
	return labelText(c.Method)
}

func describeRPC(k rpcKey) (rpcKey, []model.Label) {
	own(&k.service, &k.method, &k.address, &k.failure)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrRPCSystem, Value: "grpc"},
		model.Label{Attr: model.AttrRPCMethod, Value: k.method},
		model.Label{Attr: model.AttrServerAddress, Value: k.address},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrRPCStatus, Value: model.GRPCStatus(int(k.status) - 1)},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
	)
}

// oldLabels are those of the conventions up to 1.37. They tell the same series apart.
func oldLabels(c *cell[rpcKey, rpcSeries]) []model.Label {
	if c.labels[0].Attr == model.AttrOverflow {
		return c.labels
	}
	if c.value.old == nil {
		c.value.old = c.key.oldLabels()
	}
	return c.value.old
}

func (k *rpcKey) oldLabels() []model.Label {
	service, method, found := strings.Cut(k.method, "/")
	if !found || service == "" {
		service, method = "", k.method
	}
	status := ""
	if k.status > 0 {
		status = strconv.Itoa(int(k.status) - 1)
	}
	return labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrRPCSystemOld, Value: "grpc"},
		model.Label{Attr: model.AttrRPCServiceOld, Value: service},
		model.Label{Attr: model.AttrRPCMethod, Value: method},
		model.Label{Attr: model.AttrServerAddress, Value: k.address},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrRPCStatusOld, Value: status},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
	)
}

// milliseconds is the histogram of a metric that is not in seconds. Exponential buckets do not move by a factor of 1000.
func milliseconds(h *model.Histogram, bounds []float64) *model.Histogram {
	return &model.Histogram{Bounds: bounds, Counts: h.Counts, Sum: h.Sum * 1000, Exemplars: inMilliseconds(h.Exemplars)}
}

func inMilliseconds(all []model.Exemplar) []model.Exemplar {
	out := make([]model.Exemplar, len(all))
	for i, x := range all {
		x.Value *= 1000
		out[i] = x
	}
	return out
}
