// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"strconv"
	"strings"

	"sonde/agent/model"
)

// otherName is what the conventions call a value that has no name of its own.
const otherName = "_OTHER"

// httpKey identifies a series of the HTTP metrics. It is small on purpose: hashing it is most of the cost of a request.
type httpKey struct {
	service string
	target  string // route, in client series the address of the server that was asked
	reason  string // why the exchange failed without a status that says so
	port    uint16
	status  uint16 // 0 when there is none
	method  uint8  // index in the method table
	scheme  uint8  // index in schemes; server series only
	version uint8  // index in versions
}

var (
	schemes  = [...]string{"", "http", "https"}
	versions = [...]string{"", "1.0", "1.1", "2", "3"}
)

// httpSeries are the values of the HTTP metrics with equal labels.
type httpSeries struct {
	duration              histogram
	requestBody, response sizes  // of the bodies
	host                  string // client series only: a Host field that stands for the address and port of the key
}

func (a *Aggregator) http(r *model.Request, o *observation) {
	s, e := a.httpCells(r)
	s.value.duration.observe(o, a.requestLayout)
	s.value.requestBody.observe(r.HTTP.RequestBodyBytes, a.bodyLayout)
	if r.HTTP.Status != 0 {
		s.value.response.observe(r.HTTP.ResponseBodyBytes, a.bodyLayout)
	}
	s.touch(a.now)
	a.countEdge(e, r, o, s.key.failed(leastError(r.Role)))
}

// recentHTTP remembers where a connection's last request was counted. Most requests are like the one before: comparing costs
// a third of making keys and finding them.
type recentHTTP struct {
	series         *cell[httpKey, httpSeries]
	edge           *cell[edgeKey, edgeSeries] // nil where there is none
	client, server *model.Process
	clientAddr     netip.AddrPort
	serverAddr     netip.AddrPort
	removals       uint64 // of the aggregator, when this was remembered
	role           model.Role
	scheme         uint8 // index in schemes
}

// httpCells returns where r is counted. The cells are the caller's until it lets go of the lock.
func (a *Aggregator) httpCells(r *model.Request) (*cell[httpKey, httpSeries], *cell[edgeKey, edgeSeries]) {
	recent := &a.recentHTTP[place(r, r.HTTP.Status)]
	if recent.fits(a, r) {
		return recent.series, recent.edge
	}
	t, k := &a.httpServers, httpKey{}
	if r.Role == model.RoleServer {
		k = a.serverKey(r)
	} else {
		t, k = &a.httpClients, a.clientKey(r)
	}
	*recent = recentHTTP{
		series: t.cell(k, a.now), edge: a.edge(r, directEdge, k.target), role: r.Role, scheme: schemeIndex(r.HTTP.Scheme),
		removals: a.removals, client: r.Client.Process, server: r.Server.Process, clientAddr: r.Client.Addr, serverAddr: r.Server.Addr,
	}
	if s := recent.series; r.Role == model.RoleClient && s.value.host == "" && len(r.HTTP.Host) <= maxText {
		s.value.host = strings.Clone(r.HTTP.Host)
	}
	return recent.series, recent.edge
}

// fits tells whether r has the labels of the remembered series. It may be wrong about those that it does not fit.
func (c *recentHTTP) fits(a *Aggregator, r *model.Request) bool {
	if c.series == nil || c.removals != a.removals || c.role != r.Role || c.client != r.Client.Process || c.server != r.Server.Process ||
		c.clientAddr != r.Client.Addr || c.serverAddr != r.Server.Addr {
		return false
	}
	h, k := r.HTTP, &c.series.key
	if r.Outcome > model.OutcomeError || int(k.status) != h.Status || k.status == 0 || k.reason != "" {
		return false
	}
	if k.method == 0 || a.methods[k.method] != h.Method || versions[k.version] != h.Version {
		return false // method 0 stands for several
	}
	if c.scheme == 0 || schemes[c.scheme] != h.Scheme {
		return false
	}
	if r.Role == model.RoleServer {
		return k.target == h.Route
	}
	return c.series.value.host == h.Host
}

func (a *Aggregator) serverKey(r *model.Request) httpKey {
	k := a.commonKey(r, serviceOf(&r.Server))
	k.scheme, k.target = schemeIndex(r.HTTP.Scheme), r.HTTP.Route
	return k
}

func (a *Aggregator) clientKey(r *model.Request) httpKey {
	k := a.commonKey(r, serviceOf(&r.Client))
	k.target, k.port = a.askedServer(r)
	return k
}

func (a *Aggregator) commonKey(r *model.Request, service string) httpKey {
	k := httpKey{service: service, method: a.methods.index(r.HTTP.Method), version: versionIndex(r.HTTP.Version)}
	switch r.Outcome {
	case model.OutcomeOK, model.OutcomeError:
		k.status = statusOf(r.HTTP)
		if k.status == 0 && r.Outcome == model.OutcomeError {
			k.reason = reasonOf(r)
		}
	default:
		// A status line may have been seen, but the exchange is not one that ended with it.
		k.reason = reasonOf(r)
	}
	return k
}

func statusOf(h *model.HTTP) uint16 {
	if h.Status < 0 || h.Status > 999 { // RFC 9112 4: three digits
		return 0
	}
	return uint16(h.Status)
}

func schemeIndex(s string) uint8 {
	switch s {
	case "http":
		return 1
	case "https":
		return 2
	}
	return 0
}

func versionIndex(s string) uint8 {
	switch s {
	case "1.0":
		return 1
	case "1.1":
		return 2
	case "2":
		return 3
	case "3":
		return 4
	}
	return 0
}

func leastError(role model.Role) uint16 {
	if role == model.RoleServer {
		return serverError
	}
	return clientError
}

// Least status that is an error, by side: a client's mistake is not a failure of the server (OpenTelemetry HTTP spans).
const (
	serverError = 500
	clientError = 400
)

func (a *Aggregator) describeServer(k httpKey) (httpKey, []model.Label) {
	own(&k.service, &k.target, &k.reason)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrMethod, Value: a.methods[k.method]},
		model.Label{Attr: model.AttrRoute, Value: k.target},
		model.Label{Attr: model.AttrScheme, Value: schemes[k.scheme]},
		model.Label{Attr: model.AttrStatus, Value: number(k.status)},
		model.Label{Attr: model.AttrErrorType, Value: k.errorType(serverError)},
		model.Label{Attr: model.AttrVersion, Value: versions[k.version]},
	)
}

func (a *Aggregator) describeClient(k httpKey) (httpKey, []model.Label) {
	own(&k.service, &k.target, &k.reason)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrMethod, Value: a.methods[k.method]},
		model.Label{Attr: model.AttrServerAddress, Value: k.target},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrStatus, Value: number(k.status)},
		model.Label{Attr: model.AttrErrorType, Value: k.errorType(clientError)},
		model.Label{Attr: model.AttrVersion, Value: versions[k.version]},
	)
}

func (k *httpKey) failed(least uint16) bool {
	return k.reason != "" || k.status >= least || (k.status > 0 && k.status < 100)
}

func (k *httpKey) errorType(least uint16) string {
	switch {
	case k.reason != "":
		return k.reason
	case k.failed(least):
		return number(k.status)
	}
	return ""
}

// number returns "" for 0, which stands for unknown.
func number(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// methodTable gives known methods small numbers. Index 0 is every other method.
type methodTable []string

func newMethodTable(known []string) methodTable {
	t := methodTable{otherName}
	for _, m := range known {
		if m != otherName {
			t = append(t, m)
		}
	}
	return t
}

// index looks at one after the other: for ten methods with the frequent ones in front that is faster than a map.
func (t methodTable) index(method string) uint8 {
	for i := 1; i < len(t); i++ {
		if t[i] == method {
			return uint8(i)
		}
	}
	return 0
}
