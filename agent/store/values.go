// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sonde/agent/model"
)

// maxValues is how many values of a flag are told.
const maxValues = 200

// Values implements view.World. The values are those of the kept requests and connections.
func (s *Store) Values(ctx context.Context, flag string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.renew()
	v := values{}
	request, flow := v.collect(flag)
	if request == nil && flow == nil {
		return nil, nil
	}
	w := s.capture(needs{flows: flow != nil})
	if request != nil {
		for id := w.ring.first; id < w.ring.end; id++ {
			request(w.ring.get(id))
		}
	}
	if flow != nil {
		for _, f := range w.flows {
			flow(f)
		}
	}
	return v.frequent(), nil
}

// values counts how often each value was seen.
type values map[string]int

func (v values) add(value string) {
	if value != "" {
		v[value]++
	}
}

// frequent lists the most frequent first, at most maxValues.
func (v values) frequent() []string {
	all := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return cmp.Or(cmp.Compare(v[b], v[a]), cmp.Compare(a, b)) })
	return all[:min(len(all), maxValues)]
}

// collect returns what adds the values that requests and flows have for a flag, nil for those that have none.
func (v values) collect(flag string) (request func(*entry), flow func(*flow)) {
	switch strings.TrimPrefix(strings.TrimPrefix(flag, "from-"), "to-") { // what one end has, the other may have
	case "protocol":
		return func(e *entry) { v.add(e.request.Protocol.String()) }, v.flowProtocol
	case "port":
		return v.requestPort, v.flowPort
	case "ip":
		return v.both(v.address), v.flowEnds(v.address)
	case "pid":
		return v.both(v.pid), v.flowEnds(v.pid)
	case "process":
		return v.both(v.process), v.flowEnds(v.process)
	case "service":
		return v.both(v.service), v.flowEnds(v.service)
	case "container":
		return v.both(v.container), v.flowEnds(v.container)
	case "dns-name":
		return v.dnsName, nil
	case "http-status":
		return v.http(func(h *model.HTTP) string { return number(h.Status) }), nil
	case "http-method":
		return v.http(func(h *model.HTTP) string { return h.Method }), nil
	case "http-path":
		return v.http(func(h *model.HTTP) string { return h.Path }), nil
	case "role":
		return func(e *entry) { v.add(roleName(e.request.Role)) }, nil
	case "outcome":
		return func(e *entry) { v.add(outcomeOf(e)) }, nil
	}
	return nil, nil
}

func (v values) flowProtocol(f *flow) {
	v.add(f.Protocol.String())
	v.add(f.Transport)
}

func (v values) requestPort(e *entry) { v.add(number(int(e.request.Server.Addr.Port()))) }

func (v values) flowPort(f *flow) { v.add(number(int(f.Server.Addr.Port()))) }

func (v values) both(one func(*model.Endpoint)) func(*entry) {
	return func(e *entry) {
		one(&e.request.Client)
		one(&e.request.Server)
	}
}

func (v values) flowEnds(one func(*model.Endpoint)) func(*flow) {
	return func(f *flow) {
		one(&f.Client)
		one(&f.Server)
	}
}

func (v values) address(e *model.Endpoint) {
	if a := e.Addr.Addr(); a.IsValid() {
		v.add(a.WithZone("").String())
	}
}

func (v values) pid(e *model.Endpoint) {
	if e.Process != nil {
		v.add(number(int(e.Process.PID)))
	}
}

func (v values) process(e *model.Endpoint) {
	if e.Process != nil {
		v.add(e.Process.Name)
	}
}

func (v values) service(e *model.Endpoint) {
	if e.Process != nil {
		v.add(e.Process.ServiceName)
	}
}

func (v values) container(e *model.Endpoint) {
	if e.Process != nil {
		v.add(e.Process.ContainerID)
	}
}

func (v values) dnsName(e *entry) {
	if e.request.DNS != nil {
		v.add(dnsName(e.request.DNS))
	}
}

func (v values) http(value func(*model.HTTP) string) func(*entry) {
	return func(e *entry) {
		if e.request.HTTP != nil {
			v.add(value(e.request.HTTP))
		}
	}
}

// number is the text of n, "" for the zero that says nothing.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
