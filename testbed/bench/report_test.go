// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseWrkReadsTotalsAndPercentiles(t *testing.T) {
	const out = `Running 4s test @ http://127.0.0.1:8080/bytes/1024
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   550.06us  122.14us   5.50ms   94.24%
  Latency Distribution
     50%  523.00us
     75%  560.00us
     90%  622.00us
     99%    1.07ms
  463040 requests in 4.00s, 558.90MB read
Requests/sec: 115712.34
Transfer/sec:    139.69MB
`
	got, err := parseWrk(out)
	if want := (traffic{463040, 115712.34, 523 * time.Microsecond, 1070 * time.Microsecond}); err != nil || got != want {
		t.Errorf("got %+v, want %+v: %v", got, want, err)
	}
	if _, err := parseWrk(out + "  Socket errors: connect 0, read 3, write 0, timeout 0\n"); err == nil {
		t.Error("socket errors went unnoticed")
	}
}

func TestRatioIsTakenWithinARound(t *testing.T) {
	name := scenarios()[0].name
	r := &report{Samples: []sample{
		// The machine was half as fast in the second round, for both.
		{Scenario: name, Config: none, Round: 0, Traffic: traffic{PerSec: 100}},
		{Scenario: name, Config: agent, Round: 0, Traffic: traffic{PerSec: 90}},
		{Scenario: name, Config: agent, Round: 1, Traffic: traffic{PerSec: 45}},
		{Scenario: name, Config: none, Round: 1, Traffic: traffic{PerSec: 50}},
	}}
	if got := r.ratio(name, agent, throughput); got != (spread{0.9, 0.9, 0.9}) {
		t.Errorf("ratio %+v, want 0.9 in both rounds", got)
	}
	var b strings.Builder
	r.print(&b)
	if !strings.Contains(b.String(), "| "+name+" | sonde | 0.900 | 68 |") {
		t.Errorf("the table lacks the row of sonde:\n%s", b.String())
	}
}
