// SPDX-License-Identifier: Apache-2.0

// Command loadclient runs package load as a process of its own and prints its result as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"sonde/testbed/apps/load"
)

func main() {
	var cfg load.Config
	flag.StringVar(&cfg.Addr, "addr", "", "server address")
	flag.IntVar(&cfg.Conns, "conns", 1, "keep-alive connections")
	flag.IntVar(&cfg.Idle, "idle", 0, "further connections that stay idle")
	flag.IntVar(&cfg.Requests, "n", 0, "requests in all; 0 means no limit")
	flag.DurationVar(&cfg.Duration, "d", 0, "time to send for; 0 means no limit")
	flag.Float64Var(&cfg.Rate, "rate", 0, "requests a second; 0 means as fast as answers come")
	mix := flag.String("mix", "GET /ok", "requests to send in turn: METHOD PATH [BODYBYTES], separated by commas")
	flag.Parse()
	if err := run(cfg, *mix); err != nil {
		fmt.Fprintln(os.Stderr, "loadclient:", err)
		os.Exit(1)
	}
}

func run(cfg load.Config, mix string) error {
	for part := range strings.SplitSeq(mix, ",") {
		e, err := load.ParseExchange(part)
		if err != nil {
			return err
		}
		cfg.Mix = append(cfg.Mix, e)
	}
	res, err := load.Run(cfg)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}
