// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf/rlimit"
)

// settings are the command line. Durations are of one load.
type settings struct {
	rounds     int
	statRounds int
	load       time.Duration
	statLoad   time.Duration
	lock       string
	only       string
	rows       string
	parts      string
}

func parseSettings() settings {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 15, "rounds of every variant, interleaved")
	flag.IntVar(&s.statRounds, "stat-rounds", 7, "rounds with kernel.bpf_stats_enabled, for BPF time only")
	flag.DurationVar(&s.load, "load", time.Second, "length of one load, whole seconds")
	flag.DurationVar(&s.statLoad, "stat-load", time.Second, "length of one load with statistics, whole seconds")
	flag.StringVar(&s.lock, "lock", "", "file locked during each round, so that measurements on one machine take turns")
	flag.StringVar(&s.only, "only", "", "comma-separated variants instead of all")
	flag.StringVar(&s.rows, "rows", "", "file to which each measurement is appended as a line of JSON")
	flag.StringVar(&s.parts, "parts", "load,coverage", "what to run")
	flag.Parse()
	return s
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == exchangeCommand {
		os.Exit(exchangeMain(os.Args[2], os.Args[3:]))
	}
	if err := run(parseSettings()); err != nil {
		fmt.Fprintln(os.Stderr, "capturepoint:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("loading BPF programs needs root: run as root")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return fmt.Errorf("remove memlock limit: %w", err)
	}
	dir, err := os.MkdirTemp("", "capturepoint")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	objects, err := compile(dir)
	if err != nil {
		return err
	}
	web, err := startNginx(dir)
	if err != nil {
		return err
	}
	defer web.stop()
	if strings.Contains(s.parts, "coverage") {
		if err := runCoverage(objects, web); err != nil {
			return err
		}
	}
	if strings.Contains(s.parts, "load") {
		return runLoad(s, objects, web)
	}
	return nil
}

// runLoad interleaves the variants. The order moves by one each round, so that no variant always follows the same.
func runLoad(s settings, objects objects, web *nginx) error {
	chosen := variants
	if s.only != "" {
		chosen = pickVariants(s.only)
	}
	var all []measurement
	for round := range s.rounds + s.statRounds {
		length, statistics := s.load, statisticsOff
		if round == s.rounds {
			chosen = append(slices.Clone(chosen), steps...)
		}
		if round >= s.rounds {
			length, statistics = s.statLoad, statisticsOn
		}
		err := locked(s.lock, func() error {
			for i := range chosen {
				v := chosen[(i+round)%len(chosen)]
				m, err := measure(v, objects, web, length, statistics)
				if err != nil {
					return fmt.Errorf("variant %s: %w", v.name, err)
				}
				m.Round = round
				all = append(all, m)
				if err := appendRow(s.rows, m); err != nil {
					return fmt.Errorf("append row: %w", err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds+s.statRounds)
	}
	printTable(os.Stdout, chosen, all)
	return nil
}

func locked(path string, do func() error) error {
	if path == "" {
		return do()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("open lock: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return do()
}

// appendRow keeps the raw figures, also of a run that is stopped.
func appendRow(path string, m measurement) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(m), f.Close())
}
