// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// plainWords say of requests what tests look at.
type plainWords struct{}

func (plainWords) AppendTarget(b []byte, r *model.Request) []byte {
	switch {
	case r.HTTP != nil:
		return append(append(append(b, r.HTTP.Method...), ' '), r.HTTP.Path...)
	case r.DNS != nil:
		return append(append(append(b, r.DNS.Type...), ' '), r.DNS.Name...)
	}
	return append(b, '-')
}

func (plainWords) AppendStatus(b []byte, r *model.Request) []byte {
	switch {
	case r.HTTP != nil && r.HTTP.Status != 0:
		return strconv.AppendInt(b, int64(r.HTTP.Status), 10)
	case r.DNS != nil && r.DNS.RCode != "":
		return append(b, r.DNS.RCode...)
	}
	return append(b, '-')
}

func (plainWords) AppendOperation(b []byte, r *model.Request) []byte {
	if r.HTTP != nil {
		b = append(append(b, r.HTTP.Method...), ' ')
		if r.HTTP.Route != "" {
			return append(b, r.HTTP.Route...)
		}
		return append(b, '*')
	}
	return append(b, r.Protocol.String()...)
}

func (plainWords) Failed(r *model.Request) bool {
	return r.Outcome == model.OutcomeError || r.HTTP != nil && r.HTTP.Status >= 500
}

func (plainWords) Attributes(r *model.Request) []view.KeyValue {
	return []view.KeyValue{{Key: "network.protocol.name", Value: r.Protocol.String()}}
}

// script feeds a store, at a time of its own.
type script struct {
	t   testing.TB
	s   *Store
	now time.Duration
}

// start is when scripts begin: no slot begins with it.
const start = 1000*time.Second + 300*time.Millisecond

func newScript(t testing.TB, c Config) *script {
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	sc := &script{t: t, s: New(c, nil, plainWords{}, nil), now: start}
	sc.s.Watch()
	sc.s.Tick(start)
	return sc
}

// wait lets time pass, second by second as ticks do.
func (sc *script) wait(d time.Duration) {
	for end := sc.now + d; sc.now < end; {
		sc.now = min(end, sc.now+time.Second)
		sc.s.Tick(sc.now)
	}
}

func (sc *script) ask(q view.Query) *view.Snapshot {
	sc.t.Helper()
	got, err := sc.s.Snapshot(context.Background(), q)
	if err != nil {
		sc.t.Fatalf("%+v: %v", q, err)
	}
	return got
}

func running(name string, pid uint32) *model.Process {
	return &model.Process{PID: pid, Name: name, Path: "/usr/bin/" + name, ServiceName: name}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	curl, shop, other = running("curl", 7), running("shop", 8), running("other", 9)
	curlAddr          = addr("127.0.0.1:40000")
	shopAddr          = addr("127.0.0.1:80")
)

// get is an exchange that ended now, seen by the given role where both ends are known.
func (sc *script) get(role model.Role, route string, took time.Duration) *model.Request {
	return &model.Request{
		Protocol: model.ProtocolHTTP, Role: role, Start: sc.now - took, RequestEnd: sc.now - took, ResponseStart: sc.now, End: sc.now,
		Client: model.Endpoint{Addr: curlAddr, Process: curl}, Server: model.Endpoint{Addr: shopAddr, Process: shop},
		Conn: uint64(role), RequestBytes: 100, ResponseBytes: 200,
		HTTP: &model.HTTP{Version: "1.1", Method: "GET", Path: route, Route: route, Status: 200},
	}
}

// lookup is an answered query for an address.
func (sc *script) lookup(role model.Role, name, code string) *model.Request {
	r := sc.get(role, "", time.Millisecond)
	r.Protocol, r.Transport, r.HTTP = model.ProtocolDNS, model.TransportUDP, nil
	r.DNS = &model.DNS{Name: name, Type: "A", RCode: code}
	r.Server.Addr = addr("127.0.0.53:53")
	return r
}
