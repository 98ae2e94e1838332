// SPDX-License-Identifier: Apache-2.0

// Command bench measures what sonde costs the servers that it observes, and what it costs itself.
//
// Every scenario is measured in rounds; within a round each configuration (no agent, empty programs on the same hooks, sonde,
// sonde that exports every span) gets its turn, so that a machine that changes its mood changes it for all. Ratios are taken within a round, and the median
// over the rounds is printed with the extremes. The server is pinned to processor 0, the load to processor 1 and with it, at
// a lower priority, the receiver of spans, the agent is not pinned. It needs root, two processors, nginx-light, wrk and taskset. Who calls it: make bench.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"sonde/exporters/otlp"
	"sonde/testbed/apps"
	"sonde/testbed/bench/collector"
	"sonde/testbed/e2e/harness"
)

// settings are the flags.
type settings struct {
	rounds int
	load   time.Duration // of one configuration in one round
	idle   time.Duration
	json   string
	lock   string
	only   *regexp.Regexp
	sonde  bool

	receive bool // be the receiver of spans instead
}

func main() {
	s, err := parse()
	switch {
	case err != nil:
	case s.receive:
		err = collector.Serve(otlp.GRPC, os.Stdin, os.Stdout)
	default:
		err = run(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (settings, error) {
	var s settings
	quick := flag.Bool("quick", false, "two short rounds of everything: shows that it works, not what it costs")
	only := flag.String("only", "", "run the scenarios whose name matches this regular expression")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each scenario")
	flag.DurationVar(&s.load, "load", 4*time.Second, "time that one configuration is under load in one round")
	flag.DurationVar(&s.idle, "idle", 10*time.Second, "time that the idle machine is watched")
	flag.StringVar(&s.json, "json", "", "also write every single measurement to this file")
	flag.StringVar(&s.lock, "lock", "", "take this file's lock around each round, where several benches share a machine")
	flag.BoolVar(&s.sonde, "sonde", true, "measure sonde; without it only no agent and empty programs")
	flag.BoolVar(&s.receive, "receive", false, "internal: be the receiver of spans")
	flag.Parse()
	if *quick {
		s.rounds, s.load, s.idle = 2, 1500*time.Millisecond, 3*time.Second
	}
	var err error
	s.only, err = regexp.Compile(*only)
	return s, err
}

func run(s settings) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root: it loads programs into the kernel; run it with sudo")
	}
	kit, err := apps.NewKit()
	if err != nil {
		return err
	}
	defer kit.Close()
	b := &bench{settings: s, kit: kit}
	if s.sonde {
		if b.bin, err = harness.Build(kit.Path(".")); err != nil {
			return err
		}
	}
	report, err := b.all()
	report.print(os.Stdout)
	if s.json != "" {
		text, jsonErr := json.MarshalIndent(report, "", "  ")
		if jsonErr != nil {
			return jsonErr
		}
		if writeErr := os.WriteFile(s.json, append(text, '\n'), 0o644); writeErr != nil {
			return writeErr
		}
	}
	return err
}
