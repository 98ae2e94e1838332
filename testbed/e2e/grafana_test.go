// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sonde/deploy/grafana"
	"sonde/testbed/apps"
	"sonde/testbed/backends"
	"sonde/testbed/e2e/harness"
)

// TestEveryPanelHasData runs the queries of all dashboards against a Prometheus that scraped an agent which saw a shop.
// There is no Grafana here: what its variables would be is put in their place.
func TestEveryPanelHasData(t *testing.T) {
	l := newLab(t)
	d := l.runWith(t, harness.Options{Args: []string{"--traces-file", filepath.Join(t.TempDir(), "spans.jsonl")}})
	p := prometheus(t, d)
	s := l.shop(t)
	names := l.backend(t, apps.Dnsmasq)
	g := l.grpcServer(t, "127.0.0.1") // the methods of the shop have the numbers of orders: each is called once
	const first, orders = 5001, 100
	for round := range 4 { // rates want counters that are seen to grow
		buy(t, s, first+round*orders, orders, 10)
		dig(t, names, 5, []string{"a.shop.test A", "nothing.shop.test A"})
		l.calls(t, nil, g, "-cases", "empty_unary,large_unary,status_code_and_message")
		time.Sleep(1500 * time.Millisecond)
	}
	panels, quiet := 0, 0
	for _, board := range grafana.Dashboards() {
		for _, v := range board.Variables {
			expectVariable(t, p, &board, v.Query)
		}
		for _, row := range board.Rows {
			for _, panel := range row.Panels {
				panels++
				for _, q := range panel.Queries {
					n, err := numbers(p, withVariables(q.Expr))
					switch {
					case err != nil:
						t.Errorf("%s, %s: %s: %v", board.Title, panel.Title, q.Expr, err)
					case n == 0 && q.Quiet:
						quiet++
					case n == 0:
						t.Errorf("%s, %s: no data: %s", board.Title, panel.Title, withVariables(q.Expr))
					}
				}
			}
		}
	}
	t.Logf("%d panels, %d queries that may be quiet were", panels, quiet)
}

func withVariables(expr string) string {
	return strings.NewReplacer("$service", ".*", "$__rate_interval", "30s").Replace(expr)
}

// numbers is how many series an answer has that are numbers: a quantile of nothing is none.
func numbers(p *backends.RunningPrometheus, expr string) (n int, err error) {
	samples, err := p.Query(expr)
	for i := range samples {
		if !math.IsNaN(samples[i].Value) {
			n++
		}
	}
	return n, err
}

var labelValues = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)

func expectVariable(t *testing.T, p *backends.RunningPrometheus, d *grafana.Dashboard, query string) {
	t.Helper()
	parts := labelValues.FindStringSubmatch(query)
	if parts == nil {
		t.Fatalf("%s: the query %q of a variable is not understood", d.Title, query)
	}
	if n, err := numbers(p, fmt.Sprintf(`count by (%s) (%s{%s!=""})`, parts[2], parts[1], parts[2])); err != nil || n == 0 {
		t.Errorf("%s: variable %q has no values: %v", d.Title, query, err)
	}
}
