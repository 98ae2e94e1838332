// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/receiver"
)

// Limits of an agent. A path that nobody asked for before may be the only one of its kind, so routes are learnt: until a segment
// has too many values they are taken for what they are.
const (
	mostSeries = 2000 // of each metric
	mostRoutes = 200  // of a service
)

// flood sends n requests no two of which are alike, and returns how many were answered.
func (l *lab) flood(t *testing.T, f fence, addr, n string) int {
	t.Helper()
	bin, err := l.Flood()
	if err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat(f.as("attacker"), []string{bin, "-addr", addr, "-conns", "16", "-depth", "1", "-n", n, "-d", "18s"})
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("flood: %v", err)
	}
	var result struct{ Answered int }
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	return result.Answered
}

// TestEveryPathHostAndMethodIsAnother is the attack over the live path. TestMillionValuesOfEveryLabelAreBounded in
// agent/aggregate has a million values of every label, and agent/route of every path.
func TestEveryPathHostAndMethodIsAnother(t *testing.T) {
	l := newLab(t)
	r, f := listen(t, receiver.GRPC), newFence(t)
	d := l.runWith(t, harness.Options{
		Env:  to(r, receiver.GRPC, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=2000", "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1", usualRing),
		Args: f.only(),
	})
	s := l.serverAs(t, f, "attacked", apps.Go)
	began := time.Now()
	sent := l.flood(t, f, s.Addr, "200000")
	t.Logf("%d requests in %.1f s", sent, time.Since(began).Seconds())
	if sent < 150_000 {
		t.Errorf("%d requests are no attack", sent)
	}
	m := awaitTotals(t, d, float64(sent))
	checkScrape(t, d)
	checkBounded(t, m)
	checkResident(t, d)
	if _, err := d.Stop(); err != nil {
		t.Error(err)
	}
	checkRoutes(t, r)
	conventions(t, r)
}

// awaitTotals waits until the requests of all series, and those that were lost and counted, are as many as were sent, at both
// ends. It looks rarely: a scrape is large now.
func awaitTotals(t *testing.T, d *harness.Daemon, sent float64) harness.Metrics {
	t.Helper()
	var m harness.Metrics
	totals := map[string]float64{}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		m = scrape(t, d)
		for role, family := range map[string]string{"server": serverCount, "client": clientCount} {
			totals[role] = m.Sum(family, nil) + m.Sum(lostCount, map[string]string{"role": role})
		}
		if totals["server"] == sent && totals["client"] == sent {
			return m
		}
	}
	t.Errorf("%v requests in all series, sent %v", totals, sent)
	return m
}

// checkScrape looks at the time that a scrape takes, and at its size.
func checkScrape(t *testing.T, d *harness.Daemon) {
	t.Helper()
	began := time.Now()
	code, body, err := d.Get("/metrics")
	took := time.Since(began)
	t.Logf("a scrape takes %v, %d kB", took, len(body)>>10)
	if code != http.StatusOK || err != nil || took > 2*time.Second {
		t.Errorf("a scrape takes %v: %d %v", took, code, err)
	}
}

// checkBounded looks at the number of series of each metric, and of routes and methods in them.
func checkBounded(t *testing.T, m harness.Metrics) {
	t.Helper()
	most, routes := 0, map[string]bool{}
	for name, family := range m {
		most = max(most, len(family.GetMetric()))
		if n := len(family.GetMetric()); n > mostSeries {
			t.Errorf("%s has %d series", name, n)
		}
		for _, metric := range family.GetMetric() {
			for _, l := range metric.GetLabel() {
				switch madeUp := strings.Contains(strings.ToLower(l.GetValue()), "zq"); {
				case madeUp && l.GetName() == "http_route":
					routes[l.GetValue()] = true
				case madeUp && l.GetName() != "server_address" && l.GetName() != "server":
					t.Errorf("%s has the label %s=%q", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
	t.Logf("%d series of one metric at most, %d routes made up", most, len(routes))
	if len(routes) > mostRoutes {
		t.Errorf("%d routes are in labels", len(routes))
	}
	if overflow := m.Sum(clientCount, map[string]string{"otel_metric_overflow": "true"}); overflow == 0 {
		t.Error("nothing overflowed: there were too few hosts to prove anything")
	}
}

// checkRoutes fails where a span's name or route was made up by who asked, once the first tenth of them has taught that they
// are.
func checkRoutes(t *testing.T, r *receiver.Receiver) {
	t.Helper()
	spans := r.Spans()
	slices.SortFunc(spans, func(a, b *tracepb.Span) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) })
	names, late := map[string]bool{}, 0
	for i, s := range spans {
		route := text(s.GetAttributes(), "http.route")
		short := strings.ToLower(s.GetName() + route + text(s.GetAttributes(), "http.request.method"))
		if !strings.Contains(short, "zq") {
			continue
		}
		names[s.GetName()] = true
		if i > len(spans)/10 {
			if late++; late <= 3 {
				t.Errorf("span %d of %d has the name %q and the route %q", i, len(spans), s.GetName(), route)
			}
		}
	}
	t.Logf("%d spans, %d names made up, %d late", len(spans), len(names), late)
	if len(spans) == 0 || len(names) > mostRoutes {
		t.Errorf("%d spans, %d names made up", len(spans), len(names))
	}
}
