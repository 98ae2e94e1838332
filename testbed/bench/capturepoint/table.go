// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
)

// printTable writes one Markdown row per variant: medians over the rounds, ratios to "none" of the same round.
func printTable(w io.Writer, chosen []variant, all []measurement) {
	fmt.Fprintln(w, "| variant | throughput / none (quartiles) | server us/request | / none | client us/request | BPF ns/request | BPF runs/request"+
		" | consumer us/request | records/request | bytes/record | lost | seen / handled |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, v := range chosen {
		printRow(w, v.name, all)
	}
}

func printRow(w io.Writer, name string, all []measurement) {
	var rate, cpu, cpuRatio, client, bpf, runs, own, records, size []float64
	var lost, seen, handled uint64
	for _, m := range all {
		if m.Variant != name {
			continue
		}
		requests := float64(m.Requests)
		if m.Statistics {
			bpf = append(bpf, float64(m.BPFNS)/requests)
			runs = append(runs, float64(m.BPFRuns)/requests)
			continue
		}
		base := baseOf(m.Round, all)
		rate = append(rate, m.PerSecond/base.PerSecond)
		cpu = append(cpu, float64(m.ServerNS)/requests/1e3)
		cpuRatio = append(cpuRatio, float64(m.ServerNS)/requests/(float64(base.ServerNS)/float64(base.Requests)))
		client = append(client, float64(m.ClientNS)/requests/1e3)
		own = append(own, float64(m.ConsumerNS)/requests/1e3)
		records = append(records, float64(m.Records)/requests)
		size = append(size, float64(m.RecordBytes)/float64(max(m.Records, 1)))
		lost += m.Lost[0] + m.Lost[1] + m.Lost[2]
		seen += m.Seen
		handled += m.Requests
	}
	fmt.Fprintf(w, "| %s | %.3f (%.2f-%.2f) | %.2f | %.3f | %.2f | %.0f | %.2f | %.3f | %.2f | %.0f | %d | %d / %d |\n", name,
		quantile(rate, 0.5), quantile(rate, 0.25), quantile(rate, 0.75), quantile(cpu, 0.5), quantile(cpuRatio, 0.5),
		quantile(client, 0.5), quantile(bpf, 0.5), quantile(runs, 0.5), quantile(own, 0.5), quantile(records, 0.5),
		quantile(size, 0.5), lost, seen, handled)
}

func baseOf(round int, all []measurement) measurement {
	for _, m := range all {
		if m.Round == round && m.Variant == "none" {
			return m
		}
	}
	return measurement{}
}

// quantile is the nearest measured value; 0 of nothing.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(share*float64(len(sorted)-1)+0.5)]
}
