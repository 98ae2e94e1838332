// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/shop"
	"sonde/testbed/backends"
	"sonde/testbed/e2e/harness"
)

// program returns a backend that is built from source, from the cache.
func program(t *testing.T, p backends.Program) string {
	t.Helper()
	bin, err := backends.Build(t.Context(), p, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func collector(t *testing.T) *backends.RunningCollector {
	t.Helper()
	c, err := backends.StartCollector(program(t, backends.Collector), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// prometheus starts Debian's Prometheus, which scrapes the daemon.
func prometheus(t *testing.T, d *harness.Daemon) *backends.RunningPrometheus {
	t.Helper()
	bin, err := backends.DebianPrometheus()
	if err != nil {
		t.Fatal(err)
	}
	return scraper(t, bin, backends.ScrapeConfig{Targets: []string{strings.TrimPrefix(d.URL, "http://")}})
}

func scraper(t *testing.T, bin string, c backends.ScrapeConfig, flags ...string) *backends.RunningPrometheus {
	t.Helper()
	p, err := backends.StartPrometheus(bin, t.TempDir(), c, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// runWith starts `sonde run` with flags and environment.
func (l *lab) runWith(t *testing.T, o harness.Options) *harness.Daemon {
	t.Helper()
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	o.Bin, o.Env = l.bin, append([]string{roomyRing}, o.Env...)
	d, err := harness.Run(o, "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.Alive() {
			d.Kill()
		}
	})
	return d
}

// processes are the names under which a correct observer knows the services of the shop.
func processes(s *shop.Shop) map[string]string {
	names := map[string]string{"buyer": "buyer"}
	for name, service := range s.Services {
		names[name] = apps.ProcessName(service.PID)
	}
	return names
}

// ofShop leaves those spans of a backend that are of a shop's services: the machine has other traffic.
func ofShop(s *shop.Shop, all []backends.Span) []backends.Span {
	ports := s.Ports()
	return slices.DeleteFunc(all, func(b backends.Span) bool {
		for _, key := range []string{"server.port", "network.peer.port", "network.local.port"} {
			if n, err := strconv.Atoi(b.Attributes[key]); err == nil && slices.Contains(ports, n) {
				return false
			}
		}
		return true
	})
}

// spansFrom turns a backend's spans into those that judge looks at.
func spansFrom(all []backends.Span) []span {
	var spans []span
	for _, b := range all {
		name := shop.Name(func(key string) string { return b.Attributes[key] })
		if name != "" {
			spans = append(spans, span{
				call: name, role: b.Kind, trace: b.TraceID, id: b.SpanID, parent: b.ParentID,
				evidence: b.Attributes["sonde.parent.evidence"], failed: b.Status == "error",
			})
		}
	}
	return spans
}

// judgeBackend holds what a backend has against what the shop says: every end of every call once, right parents, names of
// services and statuses. It returns the edges by language.
func judgeBackend(t *testing.T, s *shop.Shop, all []backends.Span, first, orders int) edges {
	t.Helper()
	names := processes(s)
	mine := ofShop(s, slices.Clone(all))
	calls, complaints := callsOf(first, orders), 0
	for _, b := range mine {
		c, known := calls[shop.Name(func(key string) string { return b.Attributes[key] })]
		if !known {
			continue
		}
		service, failed := c.From, c.ClientFailed
		if b.Kind == "server" {
			service, failed = c.To, c.ServerFailed
		}
		if b.Service != names[service] || (b.Status == "error") != failed || b.Status == "ok" {
			if complaints++; complaints <= 5 {
				t.Errorf("%s of %q: service %q, status %q; want %q, failed %v", b.Kind, c.Name, b.Service, b.Status, names[service], failed)
			}
		}
	}
	if complaints > 5 {
		t.Errorf("%d spans with a wrong service or status", complaints)
	}
	return judge(t, spansFrom(mine), first, orders)
}

// awaitSpans polls until there are n spans of orders, or none came for some seconds.
func awaitSpans(t *testing.T, n int, s *shop.Shop, read func() ([]backends.Span, error)) []backends.Span {
	t.Helper()
	var spans []backends.Span
	for last := time.Now(); len(spansFrom(ofShop(s, slices.Clone(spans)))) < n && time.Since(last) < 15*time.Second; time.Sleep(250 * time.Millisecond) {
		now, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if len(now) != len(spans) {
			spans, last = now, time.Now()
		}
	}
	return spans
}

// statuses counts the orders by what the calls to a service end with.
func statuses(first, orders int, to, protocol string) map[string]float64 {
	counts := map[string]float64{}
	for n := range orders {
		for _, c := range shop.Calls(first + n) {
			if c.To == to && c.Protocol == protocol {
				counts[c.Status]++
			}
		}
	}
	return counts
}

// expectSum waits until the sum of a query is want.
func expectSum(t *testing.T, p *backends.RunningPrometheus, expr string, want float64) {
	t.Helper()
	var got float64
	var err error
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got, err = p.Sum(expr); err == nil && got == want {
			return
		}
	}
	t.Errorf("%s is %v in Prometheus, want %v: %v", expr, got, want, err)
}

// known returns the ids of the traces.
func known(spans []backends.Span) map[string]bool {
	ids := map[string]bool{}
	for i := range spans {
		ids[spans[i].TraceID] = true
	}
	return ids
}
