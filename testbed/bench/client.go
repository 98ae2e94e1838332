// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/apps/load"
)

// traffic is what a client says about the requests it sent.
type traffic struct {
	Requests int
	PerSec   float64
	P50, P99 time.Duration
}

// loadCPU is where clients run; the server is on processor 0.
const loadCPU = "1"

// saturate runs wrk, which keeps every connection busy. It may leave one request per connection uncounted at its end.
func saturate(url string, conns int, d time.Duration) (traffic, error) {
	cmd := exec.Command("taskset", "-c", loadCPU, "wrk", "-t", "1", "-c", strconv.Itoa(conns),
		"-d", strconv.FormatFloat(max(1, d.Round(time.Second).Seconds()), 'f', 0, 64)+"s", "--latency", url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return traffic{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return parseWrk(string(out))
}

var (
	wrkTotal   = regexp.MustCompile(`(\d+) requests in`)
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkPercent = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$`)
	wrkErrors  = regexp.MustCompile(`(?m)^\s*(Socket errors:.*|Non-2xx.*)$`)
)

func parseWrk(out string) (traffic, error) {
	var t traffic
	if bad := wrkErrors.FindString(out); bad != "" {
		return t, fmt.Errorf("wrk: %s", bad)
	}
	total, rate := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	if total == nil || rate == nil {
		return t, fmt.Errorf("wrk printed no totals:\n%s", out)
	}
	t.Requests, _ = strconv.Atoi(total[1])
	t.PerSec, _ = strconv.ParseFloat(rate[1], 64)
	for _, m := range wrkPercent.FindAllStringSubmatch(out, -1) {
		d, err := time.ParseDuration(m[2] + m[3])
		if err != nil {
			return t, fmt.Errorf("wrk latency %q: %w", m[0], err)
		}
		if m[1] == "50" {
			t.P50 = d
		} else {
			t.P99 = d
		}
	}
	return t, nil
}

// pace sends at a fixed rate; latency counts from when a request was due.
func (b *bench) pace(addr, path string, conns int, rate float64, d time.Duration) (traffic, error) {
	cmd := exec.Command("taskset", "-c", loadCPU, b.kit.Path("loadclient"), "-addr", addr, "-mix", "GET "+path,
		"-conns", strconv.Itoa(conns), "-rate", strconv.FormatFloat(rate, 'f', -1, 64), "-d", d.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return traffic{}, fmt.Errorf("loadclient: %w", err)
	}
	var r load.Result
	if err := json.Unmarshal(out, &r); err != nil {
		return traffic{}, fmt.Errorf("loadclient: %w", err)
	}
	return traffic{Requests: r.Total, PerSec: float64(r.Total) * 1e9 / float64(r.ElapsedNS), P50: r.P50, P99: r.P99}, nil
}

// servedBy asks a server how many requests it has served. nginx counts the asking as well, goserver does not.
func servedBy(s *apps.Server) (int, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(s.URL() + "/count")
	if err != nil {
		return 0, fmt.Errorf("ask %s for its count: %w", s.Kind, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("ask %s for its count: %w", s.Kind, err)
	}
	return parseServed(s, string(b))
}

// parseServed reads goserver's plain number, or the third figure under "server accepts handled requests" of stub_status.
func parseServed(s *apps.Server, page string) (int, error) {
	text := page
	if s.Kind == apps.Nginx {
		_, rest, _ := strings.Cut(page, "handled requests\n")
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			return 0, fmt.Errorf("no count in stub_status: %q", page)
		}
		text = fields[2]
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("count of %s: %w", s.Kind, err)
	}
	return n, nil
}
