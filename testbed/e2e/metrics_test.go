// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// Families that the tests read.
const (
	serverCount = "http_server_request_duration_seconds"
	clientCount = "http_client_request_duration_seconds"
	lostCount   = "sonde_requests_lost_total"
)

func (l *lab) run(t *testing.T, args ...string) *harness.Daemon {
	t.Helper()
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	d, err := harness.Run(harness.Options{Bin: l.bin, Args: args}, "127.0.0.1:"+strconv.Itoa(port))
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

func scrape(t *testing.T, d *harness.Daemon) harness.Metrics {
	t.Helper()
	m, err := d.Scrape()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// settled polls value until it is want or eight seconds pass: what was lost last is found by a listing, waits a moment for excess, and returns it.
func settled(t *testing.T, value func() float64, want float64) float64 {
	t.Helper()
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end) && value() != want; {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	return value()
}

func TestMetricsCountEveryRequestByMethodAndStatus(t *testing.T) {
	l := newLab(t)
	d := l.run(t)
	s := l.server(t, apps.Go, "127.0.0.1")
	c := l.client(t, apps.GoClient, s)
	defer c.Close()
	send(t, c, plan("metrics"), harness.Counts{})
	byKind := map[[2]string]float64{}
	for _, r := range plan("metrics") {
		byKind[[2]string{r.method, strconv.Itoa(r.status)}]++
	}
	for family, service := range map[string]string{serverCount: s.Name(), clientCount: c.Name()} {
		for kind, want := range byKind {
			labels := map[string]string{"service_name": service, "http_request_method": kind[0], "http_response_status_code": kind[1]}
			if got := settled(t, func() float64 { return scrape(t, d).Sum(family, labels) }, want); got != want {
				t.Errorf("%s%v: %v, want %v", family, labels, got, want)
			}
		}
		labels := map[string]string{"service_name": service}
		if got := scrape(t, d).Sum(family, labels); got != 23 {
			t.Errorf("%s%v: %v, want 23", family, labels, got)
		}
	}
}

func TestHealthAndReadinessAnswer(t *testing.T) {
	d := newLab(t).run(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if code, body, err := d.Get(path); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v %.200s", path, code, err, body)
		}
	}
	if code, _, err := d.Get("/nowhere"); err != nil || code != http.StatusNotFound {
		t.Errorf("/nowhere: %d %v", code, err)
	}
	if _, err := d.Stop(); err != nil {
		t.Error(err)
	}
}

func TestDaemonDoesNotObserveItself(t *testing.T) {
	d := newLab(t).run(t)
	for range 23 {
		scrape(t, d)
	}
	time.Sleep(500 * time.Millisecond)
	if got := scrape(t, d).Sum(serverCount, map[string]string{"service_name": apps.ProcessName(d.PID())}); got != 0 {
		t.Errorf("the daemon reports %v requests to itself", got)
	}
}
