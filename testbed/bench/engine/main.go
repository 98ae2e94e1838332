// SPDX-License-Identifier: Apache-2.0

// Command engine measures the user-space pipeline alone: how many requests a second one core takes in, from records to
// requests, and from records to lines of JSON.
//
// The input is real: a run of 100,000 requests against nginx is recorded first (or a recording is given), then played again
// and again on one processor. It needs root and nginx-light, or -read. Who calls it: make bench-engine.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source/recording"
	"sonde/exporters/jsonl"
	"sonde/testbed/apps"
	"sonde/testbed/apps/load"
	"sonde/testbed/e2e/harness"
)

func main() {
	file := flag.String("read", "", "play this recording instead of making one")
	rounds := flag.Int("rounds", 7, "times that the recording is played")
	requests := flag.Int("requests", 100_000, "requests of the recorded run")
	flag.Parse()
	if err := run(*file, *rounds, *requests); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(file string, rounds, requests int) error {
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
	fmt.Printf("%-28s %12s %14s %14s\n", "", "requests", "requests/s", "lowest-highest")
	for _, m := range []struct {
		name string
		sink func() pipeline.Sink
	}{
		{"records to requests", func() pipeline.Sink { return &discard{} }},
		{"records to lines of JSON", func() pipeline.Sink {
			return &discard{json: jsonl.NewWriter(io.Discard, func() model.Clock { return model.Clock{} })}
		}},
	} {
		var rates []float64
		var seen uint64
		for range rounds {
			n, took, err := play(file, m.sink())
			if err != nil {
				return err
			}
			seen = n
			rates = append(rates, float64(n)/took.Seconds())
		}
		slices.Sort(rates)
		fmt.Printf("%-28s %12d %14.0f %.0f-%.0f\n", m.name, seen, rates[len(rates)/2], rates[0], rates[len(rates)-1])
	}
	return nil
}

// play runs a recording through the pipeline.
func play(file string, sink pipeline.Sink) (uint64, time.Duration, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	start := time.Now()
	s, err := recording.Open(f, nil)
	if err != nil {
		return 0, 0, err
	}
	p := pipeline.New(conn.Default(), s.Identify, s.InterfaceName, sink)
	err = p.Run(context.Background(), s)
	return p.Stats().Requests, time.Since(start), err
}

// discard takes requests, as lines when json is set.
type discard struct{ json *jsonl.Writer }

func (d *discard) Request(r *model.Request) {
	if d.json != nil {
		d.json.Request(r)
	}
}

func (d *discard) Flow(f *model.Flow, _ model.FlowDelta) {
	if d.json != nil {
		d.json.Flow(f)
	}
}

func (d *discard) Lost(*model.Loss) {}

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
