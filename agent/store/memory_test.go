// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// perSecond is how many requests a second of the day has. More takes longer and shows the same: all bounds are reached.
const perSecond = 10

// TestMemoryIsFlatOverADay plays 24 hours in which names, processes and connections come and go and nothing comes twice, as in
// a cluster that starts a container for each job.
func TestMemoryIsFlatOverADay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	c := Default()
	c.Requests, c.RequestBytes, c.Flows = 5_000, 16<<20, 1_000 // so that all bounds are reached within two hours
	sc := newScript(t, c)
	var p *model.Process
	conn := uint64(0)
	heaps := map[int]uint64{}
	for second := range 24 * 3600 {
		if second%20 == 0 {
			p = running(fmt.Sprintf("job-%d", second), uint32(second+10))
		}
		for i := range perSecond {
			if i%5 == 0 {
				conn++
			}
			sc.churn(p, conn, i)
		}
		sc.wait(time.Second)
		if hour := second / 3600; second%3600 == 3599 && (hour == 1 || hour == 23) {
			heaps[hour] = heap()
			t.Logf("hour %d: %d bytes, %d flows, %d routes, %d texts", hour+1, heaps[hour], len(sc.s.flows.reports), len(sc.s.tables[routes].groups), len(sc.s.texts))
		}
	}
	// Maps that lose as much as they get still grow by up to a half, once (Go splits what fills up with deleted places).
	if early, late := heaps[1], heaps[23]; late > early+early/6 {
		t.Errorf("%d bytes after two hours, %d after 24", early, late)
	}
	if got := sc.ask(view.Query{Page: view.PageMap, Window: 15 * time.Minute}); got.Total.Count < 900*perSecond || got.Total.Count > 910*perSecond {
		t.Errorf("%d requests in 15 minutes", got.Total.Count)
	}
}

// churn reports a request of p, whose peer and connection nobody saw before.
func (sc *script) churn(p *model.Process, conn uint64, i int) {
	r := sc.get(model.RoleServer, fmt.Sprintf("/%s/%d", p.Name, i%3), time.Millisecond)
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(conn >> 16), byte(conn >> 8), byte(conn)}), uint16(conn))
	r.Conn, r.Client, r.Server.Process = conn, model.Endpoint{Addr: client}, p
	if i%10 == 0 {
		r.HTTP, r.Protocol, r.DNS = nil, model.ProtocolDNS, &model.DNS{Name: fmt.Sprintf("name-%d.example", conn), Type: "A", RCode: "NOERROR"}
	}
	sc.s.Request(r)
	if i%5 != 0 && i%5 != 4 {
		return
	}
	f := model.Flow{Transport: "tcp", Role: model.RoleServer, Conn: conn, Client: r.Client, Server: r.Server, Start: sc.now, End: sc.now, BytesSent: uint64(i)}
	over := i%5 == 4 && conn%10_000 != 0 // of the ends of some nobody hears
	sc.s.Flow(&f, model.FlowDelta{BytesReceived: 1, Final: over})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
