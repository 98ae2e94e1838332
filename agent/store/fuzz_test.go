// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// draw takes numbers from the bytes of a fuzzer, zeros at their end.
type draw struct{ from []byte }

func (d *draw) n(below int) int {
	if len(d.from) == 0 {
		return 0
	}
	n := int(d.from[0]) % below
	d.from = d.from[1:]
	return n
}

var drawnProcesses = []*model.Process{nil, curl, shop, other, running("curl", 17), running("", 0), running("\xff\x1b[2J", 1<<31)}

func (d *draw) process() *model.Process { return drawnProcesses[d.n(len(drawnProcesses))] }

func (d *draw) address() netip.AddrPort {
	all := []netip.AddrPort{{}, curlAddr, shopAddr, addr("[fe80::1%eth0]:53"), addr("10.0.0.1:0"), addr("[fd00::7]:443")}
	return all[d.n(len(all))]
}

func (d *draw) time() time.Duration {
	all := []time.Duration{0, 1, -1, time.Second - 1, time.Second, 9 * time.Second, 61 * time.Second, 301 * time.Second, time.Hour}
	return all[d.n(len(all))]
}

func (d *draw) request(sc *script) *model.Request {
	r := sc.get(model.Role(d.n(4)), []string{"", "/a", "/b"}[d.n(3)], d.time())
	r.Conn = uint64(d.n(5))
	r.Protocol = model.Protocol(d.n(17))
	r.Client, r.Server = model.Endpoint{Addr: d.address(), Process: d.process()}, model.Endpoint{Addr: d.address(), Process: d.process()}
	r.Outcome = model.Outcome(d.n(4))
	r.HTTP.Status = d.n(2) * 500
	r.Span.TraceID, r.Span.SpanID, r.Span.Parent = model.TraceID{15: byte(d.n(3))}, model.SpanID{byte(d.n(5))}, model.SpanID{byte(d.n(5))}
	r.RequestEnd += d.time()
	switch d.n(4) {
	case 0:
		r.HTTP, r.DNS = nil, &model.DNS{Name: []string{"", "a.example", "B.example"}[d.n(3)], Type: "A", RCode: []string{"", "NOERROR"}[d.n(2)]}
	case 1:
		r.HTTP = nil
	}
	return r
}

func (d *draw) flow(sc *script) (*model.Flow, model.FlowDelta) {
	f := &model.Flow{
		Transport: []string{"tcp", "udp"}[d.n(2)], View: model.FlowView(d.n(2)), Role: model.Role(d.n(4)), State: model.FlowState(d.n(6)),
		Client: model.Endpoint{Addr: d.address(), Process: d.process()}, Server: model.Endpoint{Addr: d.address(), Process: d.process()},
		Conn: uint64(d.n(12)), Start: sc.now - d.time(), End: sc.now - d.time(), BytesSent: uint64(d.n(256)) << 20, BytesReceived: uint64(d.n(256)),
		Protocol: model.Protocol(d.n(17)), JoinedMid: d.n(2) == 1,
	}
	return f, model.FlowDelta{BytesTransmitted: uint64(d.n(256)) << 20, BytesReceived: uint64(d.n(256)), Final: d.n(4) == 0}
}

func (d *draw) scope() view.Scope {
	s := view.Scope{}
	switch d.n(12) {
	case 0:
		s.Service = []string{"shop", "127.0.0.1:80", "127.0.0.1"}[d.n(3)]
	case 1:
		s.Route = "GET /a"
	case 2:
		s.Client, s.Server = "curl", "shop"
	case 3:
		s.PID = 7
	case 4:
		s.Conn = 1
	case 5:
		s.DNSName = "a.example"
	case 6:
		s.Trace = scopeFor(view.PageTrace).Trace
	case 7:
		s.Protocol = "http"
	}
	return s
}

func (d *draw) query() view.Query {
	page := pages[d.n(len(pages))]
	keys := view.SortKeys(page)
	q := view.Query{
		Page: page, Window: view.Windows[d.n(4)], Filter: []string{"", "", "--protocol http", "shop", "--pid 7", "--not --port 80"}[d.n(6)],
		Sort: keys[d.n(len(keys))], Reverse: d.n(2) == 1, Within: d.scope(),
	}
	switch page {
	case view.PageTrace:
		q.Within.Trace = scopeFor(page).Trace
	case view.PageRequest:
		q.Within.Request = uint64(1 + d.n(50))
	}
	return q
}

// FuzzStore feeds events in any order and holds what must be true of every answer.
func FuzzStore(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	f.Add([]byte("a walk through some bytes that are as good as any others, and then on for quite some more"))
	for seed := range byte(10) {
		long := make([]byte, 6000)
		if _, err := rand.NewChaCha8([32]byte{seed}).Read(long); err != nil {
			f.Fatal(err)
		}
		f.Add(long)
	}
	f.Fuzz(func(t *testing.T, from []byte) {
		c := Default()
		c.Requests, c.Groups, c.Flows = 20, 3, 8
		sc := newScript(t, c)
		d := &draw{from}
		var frozen []uint64
		for steps := 0; len(d.from) > 0 && steps < 400; steps++ {
			switch d.n(8) {
			case 0, 1, 2:
				sc.s.Request(d.request(sc))
			case 3, 4:
				sc.s.Flow(d.flow(sc))
			case 5:
				sc.now = max(start, sc.now+d.time())
				sc.s.Tick(sc.now)
			case 6:
				id, err := sc.s.Freeze(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				frozen = append(frozen[max(0, len(frozen)-maxFrozen+1):], id)
			case 7:
				hold(t, sc, d.query())
			}
		}
		for range 4 {
			q := d.query()
			hold(t, sc, q)
			for _, q.Frozen = range frozen {
				hold(t, sc, q)
			}
		}
	})
}

func hold(t *testing.T, sc *script, q view.Query) {
	whole := q
	whole.Limit = view.MaxLimit
	all := sc.ask(whole)
	if _, err := json.Marshal(all); err != nil { // no rate is infinite
		t.Fatalf("%+v: %v", q, err)
	}
	if all.Covered < 0 || all.Covered > all.Window || all.Overview.Requests < 0 || math.IsNaN(all.Overview.BytesPerS) {
		t.Fatalf("%+v: covers %v, overview %+v", q, all.Covered, all.Overview)
	}
	rows := rowsOf(all)
	if one := q.Page == view.PageAgent || q.Page == view.PageRequest; !one && len(rows) != all.Rows {
		t.Fatalf("%+v: %d rows of %d", q, len(rows), all.Rows)
	}
	q.Offset, q.Limit = 1, 2
	part := rowsOf(sc.ask(q))
	if want := rows[min(1, len(rows)):min(3, len(rows))]; len(part) != len(want) {
		t.Fatalf("%+v: %d rows, want %d", q, len(part), len(want))
	}
	for i, r := range part {
		if r != rows[i+1] {
			t.Fatalf("%+v: row %d is %q, was %q", q, i+1, r.name, rows[i+1].name)
		}
	}
	if addsUp := q.Page == view.PageRoutes || q.Page == view.PageMap || q.Page == view.PageDNS; addsUp {
		var sum uint64
		for _, r := range rows {
			sum += r.count
		}
		if sum != all.Total.Count {
			t.Fatalf("%+v: rows have %d, the total %d", q, sum, all.Total.Count)
		}
	}
}
