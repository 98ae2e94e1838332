// SPDX-License-Identifier: Apache-2.0

// Command engine measures the user-space pipeline alone: how many requests a second one core takes in, and what a million of
// them costs it, from records to requests, to lines of JSON, to metrics, and to spans that another process receives.
//
// The input is real: a run of 100,000 requests against nginx is recorded first (or a recording is given), then played again
// and again on one processor, every output in each round. Each request is seen at both ends and counts twice here. It needs
// root and nginx-light, or -read. Who calls it: make bench-engine.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/conn"
	"sonde/agent/pipeline"
	"sonde/agent/source/recording"
	"sonde/exporters/otlp"
	"sonde/testbed/apps"
	"sonde/testbed/apps/load"
	"sonde/testbed/bench/collector"
	"sonde/testbed/e2e/harness"
)

func main() {
	file := flag.String("read", "", "play this recording instead of making one")
	rounds := flag.Int("rounds", 7, "times that the recording is played")
	requests := flag.Int("requests", 100_000, "requests of the recorded run")
	only := flag.String("only", "", "measure the outputs whose name contains this")
	profile := flag.String("profile", "", "write a profile of the processor time to this file")
	receive := flag.Bool("receive", false, "internal: be the receiver of spans")
	flag.Parse()
	err := error(nil)
	if *receive {
		err = collector.Serve(otlp.GRPC, os.Stdin, os.Stdout)
	} else {
		err = run(*file, *rounds, *requests, *only, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(file string, rounds, requests int, only, profile string) error {
	if file == "" {
		dir, err := os.MkdirTemp("", "engine")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		file = filepath.Join(dir, "run.sonde")
		if err := record(file, requests); err != nil {
			return err
		}
	}
	runtime.GOMAXPROCS(1)
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Printf("%-28s %12s %14s %22s\n", "", "requests", "requests/s", "CPU s per 1 M (lowest)")
	costs, seen := map[string][]float64{}, map[string]uint64{}
	for range rounds {
		for _, o := range outputs {
			if !strings.Contains(o.name, only) {
				continue
			}
			n, used, err := play(file, o)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			seen[o.name] = n
			costs[o.name] = append(costs[o.name], used.Seconds()*1e6/float64(n))
		}
	}
	for _, o := range outputs {
		c := costs[o.name]
		if len(c) == 0 {
			continue
		}
		slices.Sort(c)
		fmt.Printf("%-28s %12d %14.0f %15.3f (%.3f)\n", o.name, seen[o.name], 1e6/c[len(c)/2], c[len(c)/2], c[0])
	}
	return nil
}

// play runs a recording through the pipeline and returns the requests and the processor time.
func play(file string, o output) (uint64, time.Duration, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	stages, err := o.open()
	if err != nil {
		return 0, 0, err
	}
	runtime.GC()
	before := cpuTime()
	s, err := recording.Open(f, nil)
	if err != nil {
		return 0, 0, errors.Join(err, stages.stop(0))
	}
	p := pipeline.New(conn.Default(), s.Identify, s.InterfaceName, stages.sinks...)
	p.Annotate(stages.annotators...)
	if stages.tracer != nil {
		p.Trace(stages.tracer)
	}
	err = p.Run(context.Background(), s)
	n := p.Stats().Requests
	err = errors.Join(err, stages.stop(n))
	return n, cpuTime() - before, err
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail for this process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// record makes the recording: requests over 64 connections, each seen at both ends.
func record(file string, requests int) error {
	kit, err := apps.NewKit()
	if err != nil {
		return err
	}
	defer kit.Close()
	bin, err := harness.Build(kit.Path("."))
	if err != nil {
		return err
	}
	server, err := kit.Start(apps.Nginx, "127.0.0.1")
	if err != nil {
		return err
	}
	defer server.Stop()
	cmd := exec.Command(bin, "record", "-w", file, "--port", strconv.Itoa(server.Port), "--ring-size", strconv.Itoa(256<<20))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := bufio.NewScanner(stderr)
	if !said.Scan() || !strings.Contains(said.Text(), "ready") {
		return errors.Join(fmt.Errorf("sonde record: %s", said.Text()), cmd.Wait())
	}
	get, err := load.ParseExchange("GET /bytes/1024 0")
	if err != nil {
		return err
	}
	_, err = load.Run(load.Config{Addr: server.Addr, Conns: 64, Requests: requests, Rate: 20_000, Mix: []load.Exchange{get}})
	time.Sleep(time.Second) // the last records wait for the reader
	_ = cmd.Process.Signal(unix.SIGINT)
	for said.Scan() {
		fmt.Fprintln(os.Stderr, said.Text())
	}
	return errors.Join(err, cmd.Wait())
}
