// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strconv"
	"strings"

	"sonde/agent/model"
)

// otherName is what the conventions call a value that has no name of its own.
const otherName = "_OTHER"

// httpKey identifies a series of the HTTP metrics. It is small on purpose: hashing it is most of the cost of a request.
type httpKey struct {
	service string
	address string // of the server that was asked; client series only
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

// Request counts r. It keeps nothing of r but, for a series not seen before, copies of its strings.
func (a *Aggregator) Request(r *model.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.HTTP == nil || r.RPC != nil || (r.Role != model.RoleServer && r.Role != model.RoleClient):
		*a.unaggregated.at(protocolKey{r.Protocol, r.Role}, a.now)++
	case r.Role == model.RoleServer:
		a.server.recently(place(r), a.serverKey(r), a.now).observe(r.Duration(), a.httpBounds)
	default:
		a.client.recently(place(r), a.clientKey(r), a.now).observe(r.Duration(), a.httpBounds)
	}
}

// place spreads connections, and the status codes of one.
func place(r *model.Request) uint8 {
	const golden = 0x9E3779B97F4A7C15 // Knuth's multiplier: connection ids may be addresses, whose low bits are equal
	return uint8((r.Conn + uint64(r.HTTP.Status)) * golden >> 56)
}

func (a *Aggregator) serverKey(r *model.Request) httpKey {
	k := a.commonKey(r, serviceOf(&r.Server))
	k.scheme = schemeIndex(r.HTTP.Scheme)
	return k
}

func (a *Aggregator) clientKey(r *model.Request) httpKey {
	k := a.commonKey(r, serviceOf(&r.Client))
	k.address, k.port = a.askedServer(r)
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

func reasonOf(r *model.Request) string {
	if r.Reason == "" {
		return otherName
	}
	return valid(r.Reason)
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

// Least status that is an error, by side: a client's mistake is not a failure of the server (OpenTelemetry HTTP spans).
const (
	serverError = 500
	clientError = 400
)

func (a *Aggregator) describeServer(k httpKey) (httpKey, []model.Label) {
	k.own()
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrMethod, Value: a.methods[k.method]},
		model.Label{Attr: model.AttrScheme, Value: schemes[k.scheme]},
		model.Label{Attr: model.AttrStatus, Value: number(k.status)},
		model.Label{Attr: model.AttrErrorType, Value: k.errorType(serverError)},
		model.Label{Attr: model.AttrVersion, Value: versions[k.version]},
	)
}

func (a *Aggregator) describeClient(k httpKey) (httpKey, []model.Label) {
	k.own()
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrMethod, Value: a.methods[k.method]},
		model.Label{Attr: model.AttrServerAddress, Value: k.address},
		model.Label{Attr: model.AttrServerPort, Value: number(k.port)},
		model.Label{Attr: model.AttrStatus, Value: number(k.status)},
		model.Label{Attr: model.AttrErrorType, Value: k.errorType(clientError)},
		model.Label{Attr: model.AttrVersion, Value: versions[k.version]},
	)
}

func (k *httpKey) own() {
	k.service = strings.Clone(k.service)
	k.address = strings.Clone(k.address)
	k.reason = strings.Clone(k.reason)
}

func (k *httpKey) errorType(least uint16) string {
	if k.reason != "" {
		return k.reason
	}
	if k.status >= least || (k.status > 0 && k.status < 100) {
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
