// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strings"

	"sonde/agent/model"
)

// dnsKey identifies a series of the metrics of DNS.
type dnsKey struct{ service, name, failure string }

func (a *Aggregator) dns(r *model.Request, o *observation) {
	k := dnsKey{service: serviceOf(r.Local()), name: questionOf(r.DNS.Name), failure: failureOf(r)}
	t := &a.dnsClients
	if r.Role == model.RoleServer {
		t = &a.dnsServers
	}
	t.recently(place(r, len(r.DNS.Name)<<2+int(r.Outcome)), k, a.now).observe(o, a.requestLayout)
}

// namesThatComeAgain returns a guard for a table of names.
func namesThatComeAgain() func(dnsKey) bool {
	var d doorkeeper
	return func(k dnsKey) bool { return d.admit(hashOf(k.service, k.name, k.failure)) }
}

// questionOf folds the names of reverse lookups, which are addresses, and the case of letters, which resolvers mix at random
// (DNS 0x20). It allocates for names with upper case letters only.
func questionOf(name string) string {
	name = strings.ToLower(labelText(name))
	for _, zone := range [...]string{".in-addr.arpa", ".ip6.arpa"} {
		if strings.HasSuffix(name, zone) {
			return zone[1:]
		}
	}
	return name
}

func describeDNS(k dnsKey) (dnsKey, []model.Label) {
	own(&k.service, &k.name, &k.failure)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrDNSName, Value: k.name},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
	)
}

// sessionKey identifies a series of handshakes or sessions.
type sessionKey struct {
	service, version, failure string
	protocol                  model.Protocol
	role                      model.Role
}

func (a *Aggregator) handshake(r *model.Request, o *observation) {
	k := sessionKey{
		service: serviceOf(r.Local()), version: labelText(r.TLS.Version), failure: failureOf(r), protocol: r.Protocol, role: r.Role,
	}
	a.handshakes.recently(place(r, int(r.Outcome)), k, a.now).observe(o, a.requestLayout)
}

func (a *Aggregator) session(r *model.Request, o *observation) {
	k := sessionKey{service: serviceOf(r.Local()), failure: failureOf(r), role: r.Role}
	a.sessions.recently(place(r, int(r.Outcome)), k, a.now).observe(o, a.lifetimeLayout)
}

func describeSession(k sessionKey) (sessionKey, []model.Label) {
	own(&k.service, &k.version, &k.failure)
	return k, labels(
		model.Label{Attr: model.AttrService, Value: k.service},
		model.Label{Attr: model.AttrRole, Value: k.role.String()},
		model.Label{Attr: model.AttrProtocol, Value: k.protocol.String()},
		model.Label{Attr: model.AttrTLSVersion, Value: k.version},
		model.Label{Attr: model.AttrErrorType, Value: k.failure},
	)
}
