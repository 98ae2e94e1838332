// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is everything that was measured; it is what -json writes.
type report struct {
	Machine string
	Rounds  int
	Load    time.Duration
	Samples []sample
	Idle    *idle
}

// machine is a line about where the figures come from.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	cpus := 0
	b, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown processor"
	for line := range strings.Lines(string(b)) {
		if _, name, found := strings.Cut(line, "model name\t: "); found {
			cpus++
			model = strings.TrimSpace(name)
		}
	}
	return fmt.Sprintf("Linux %s %s, %d x %s", unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), cpus, model)
}

func perRequest(d time.Duration, requests int) float64 {
	if requests == 0 {
		return 0
	}
	return float64(d) / float64(requests)
}

// spread is the median of some values with their extremes.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return spread{mid, v[0], v[len(v)-1]}
}

// text writes "0.93 (0.90-0.95)", or the value alone where there is only one.
func (s spread) text(digits int) string {
	if s == (spread{}) {
		return "-"
	}
	if s.low == s.high {
		return fmt.Sprintf("%.*f", digits, s.median)
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.median, digits, s.low, digits, s.high)
}

// of collects a figure over the rounds of one configuration.
func (r *report) of(scenario, config string, figure func(sample) float64) spread {
	var values []float64
	for _, s := range r.Samples {
		if s.Scenario == scenario && s.Config == config {
			values = append(values, figure(s))
		}
	}
	return spreadOf(values)
}

// ratio collects a figure relative to no agent in the same round.
func (r *report) ratio(scenario, config string, figure func(sample) float64) spread {
	base := map[int]float64{}
	for _, s := range r.Samples {
		if s.Scenario == scenario && s.Config == none {
			base[s.Round] = figure(s)
		}
	}
	var values []float64
	for _, s := range r.Samples {
		if s.Scenario == scenario && s.Config == config && base[s.Round] > 0 {
			values = append(values, figure(s)/base[s.Round])
		}
	}
	return spreadOf(values)
}

var columns = []string{
	"load", "configuration", "throughput / none", "requests/s", "server CPU us/request", "/ none", "p50 / none", "p99 / none",
	"agent CPU s per 1 M", "BPF ns/request", "peak MB", "reported / served", "lost", "spans / served", "dropped",
}

// print writes the report as Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s; %d rounds of %v a configuration; median (lowest-highest)\n\n", r.Machine, r.Rounds, r.Load)
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, sc := range scenarios() {
		for _, config := range sc.configs {
			if row := r.row(sc.name, config); row != nil && config != counted && config != spansCounted {
				fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
			}
		}
	}
	r.printPrograms(w)
	if r.Idle != nil {
		fmt.Fprintf(w, "\nIdle, %d sleeping processes, %v: agent %.3f %% of one processor, %.0f MB resident\n", r.Idle.Processes, r.Idle.Watched,
			100*float64(r.Idle.AgentCPU)/float64(r.Idle.Watched), float64(r.Idle.ResidentBytes)/(1<<20))
	}
}

func throughput(s sample) float64 { return s.Traffic.PerSec }
func serverCost(s sample) float64 { return perRequest(s.ServerCPU, s.Traffic.Requests) / 1000 }
func median50(s sample) float64   { return float64(s.Traffic.P50) }
func tail99(s sample) float64     { return float64(s.Traffic.P99) }
func agentCost(s sample) float64  { return perRequest(s.AgentCPU, s.Traffic.Requests) / 1000 } // us a request is s a million
func peakMB(s sample) float64     { return float64(s.ResidentBytes) / (1 << 20) }
func reported(s sample) float64   { return s.Reported / float64(max(1, s.Served)) }
func lost(s sample) float64       { return s.Lost }
func spansOf(s sample) float64    { return float64(s.SpansReceived) / float64(max(1, s.Served)) }
func dropped(s sample) float64    { return s.SpansDropped }

func bpfCost(s sample) float64 {
	var sum time.Duration
	for _, p := range s.Programs {
		sum += p.RunTime
	}
	return perRequest(sum, s.Traffic.Requests)
}

// row is nil for a configuration that was not measured.
func (r *report) row(scenario, config string) []string {
	rate := r.of(scenario, config, throughput)
	if rate == (spread{}) {
		return nil
	}
	row := []string{
		scenario, config, r.ratio(scenario, config, throughput).text(3), fmt.Sprintf("%.0f", rate.median),
		r.of(scenario, config, serverCost).text(2), r.ratio(scenario, config, serverCost).text(3), r.ratio(scenario, config, median50).text(2),
		r.ratio(scenario, config, tail99).text(2),
	}
	if countedAs[config] == "" {
		return append(row, "-", "-", "-", "-", "-", "-", "-")
	}
	row = append(row, r.of(scenario, config, agentCost).text(2), r.of(scenario, countedAs[config], bpfCost).text(0), r.of(scenario, config, peakMB).text(0),
		r.of(scenario, config, reported).text(5), fmt.Sprintf("%.0f", r.of(scenario, config, lost).high))
	if config != spans {
		return append(row, "-", "-")
	}
	return append(row, r.of(scenario, config, spansOf).text(5), fmt.Sprintf("%.0f", r.of(scenario, config, dropped).high))
}

// printPrograms shows where the BPF time goes, from the rounds in which it was counted.
func (r *report) printPrograms(w io.Writer) {
	for _, sc := range scenarios() {
		for _, config := range []string{agent, spans} {
			r.printProgramsOf(w, sc.name, config)
		}
	}
}

func (r *report) printProgramsOf(w io.Writer, scenario, config string) {
	sums, requests := map[string]programTime{}, 0
	for _, s := range r.Samples {
		if s.Scenario != scenario || s.Config != countedAs[config] {
			continue
		}
		requests += s.Traffic.Requests
		for name, p := range s.Programs {
			sum := sums[name]
			sums[name] = programTime{name, sum.Runs + p.Runs, sum.RunTime + p.RunTime}
		}
	}
	if requests == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s, %s, by program (both ends):\n\n| program | runs/request | ns/run | ns/request |\n|---|---|---|---|\n", scenario, config)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		p := sums[name]
		if p.Runs > 0 {
			fmt.Fprintf(w, "| %s | %.2f | %.0f | %.0f |\n", name, float64(p.Runs)/float64(requests), float64(p.RunTime)/float64(p.Runs),
				perRequest(p.RunTime, requests))
		}
	}
}
