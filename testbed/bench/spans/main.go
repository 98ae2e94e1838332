// SPDX-License-Identifier: Apache-2.0

// Command spans measures what the export of spans costs: requests are encoded and sent over OTLP by one processor's worth of
// sonde to a receiver in another process, which counts every span.
//
// Requests come at a fixed rate, as from a pipeline; then with nobody who receives, for the bound on memory; then without a
// rate, for the most that one processor sends. Printed are the processor time of the exporting process for each span, its
// memory at the end, and what arrived: a span that is neither received nor counted as dropped is an error. It needs no
// root. Who calls it: make bench-spans.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/exporters/otlp"
	"sonde/exporters/semconv"
	"sonde/testbed/bench/collector"
)

// services is the number of observed processes that the spans are spread over.
const services = 8

func main() {
	receive := flag.String("receive", "", "internal: be the receiver of this protocol")
	rate := flag.Int("rate", 50_000, "spans a second")
	duration := flag.Duration("for", 5*time.Second, "time of each measurement")
	flag.Parse()
	err := error(nil)
	if *receive != "" {
		err = collector.Serve(otlp.Protocol(*receive), os.Stdin, os.Stdout)
	} else {
		err = measureAll(*rate, *duration)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
		os.Exit(1)
	}
}

// load is what one measurement puts on an exporter.
type load struct {
	name string
	rate int  // spans a second, 0 for as many as are taken
	down bool // nobody receives
}

func measureAll(rate int, duration time.Duration) error {
	runtime.GOMAXPROCS(1)
	fmt.Printf("%-24s %10s %10s %9s %8s %9s %8s\n", "", "spans/s", "received", "dropped", "us/span", "B/span", "MB")
	debug.SetMemoryLimit(256 << 20) // as sonde run has it
	loads := []load{{fmt.Sprintf("%d/s", rate), rate, false}, {"receiver down", rate, true}, {"most", 0, false}}
	var errs []error
	for _, l := range loads {
		for _, protocol := range []otlp.Protocol{otlp.GRPC, otlp.HTTPProtobuf} {
			errs = append(errs, measure(protocol, l, duration))
		}
	}
	return errors.Join(errs...)
}

// measure exports for a time and prints one line.
func measure(protocol otlp.Protocol, l load, duration time.Duration) error {
	url, stop, received := "http://127.0.0.1:1/v1/traces", func() error { return nil }, new(uint64) // refuses
	if !l.down {
		r, err := collector.Start(nil, "-receive", string(protocol))
		if err != nil {
			return err
		}
		url, stop, received = r.URL, r.Stop, &r.Received
	}
	c := otlp.Default()
	c.Protocol, c.Endpoint, c.Resource = protocol, url, semconv.Resource{Host: model.Host{Name: "bench"}}
	c.Queue.Delay, c.Queue.Block = time.Second, l.rate == 0
	traces, err := otlp.NewTraces(c, func() model.Clock { return model.Clock{} }, nil)
	if err != nil {
		return errors.Join(err, stop())
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- traces.Run(ctx) }()
	before, began := cpuTime(), time.Now()
	produce(traces, l.rate, duration)
	took, resident := time.Since(began), residentMB()
	cancel()
	err = <-done
	used := cpuTime() - before
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return report(string(protocol)+", "+l.name, l, traces.Stats(), *received, took, used, resident)
}

// report prints a line. What was exported was received; at a fixed rate nothing is dropped, and nothing at all is exported to
// nobody.
func report(name string, l load, s batch.Stats, received uint64, took, used time.Duration, resident float64) error {
	dropped := s.Added - s.Exported
	fmt.Printf("%-24s %10.0f %10d %9d %8.2f %9.0f %8.1f\n", name, float64(s.Added)/took.Seconds(), received, dropped,
		used.Seconds()*1e6/float64(s.Added), float64(s.ExportBytes)/float64(max(1, s.Exported)), resident)
	if received != s.Exported || l.rate != 0 && !l.down && dropped != 0 {
		return fmt.Errorf("%s: %d spans received of %+v", name, received, s)
	}
	return nil
}

// produce hands requests over at a rate in steps of a millisecond, or as fast as they are taken for a rate of 0.
func produce(to *otlp.Traces, rate int, duration time.Duration) {
	requests := exampleRequests()
	began, sent := time.Now(), 0
	for elapsed := time.Duration(0); elapsed < duration; elapsed = time.Since(began) {
		due := int(elapsed.Seconds() * float64(rate))
		if rate == 0 {
			due = sent + 1000
		}
		for ; sent < due; sent++ {
			r := requests[sent%len(requests)]
			r.Span.SpanID = model.SpanID{1, 2, 3, byte(sent >> 24), byte(sent >> 16), byte(sent >> 8), byte(sent), 4}
			to.Request(r)
		}
		if rate != 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail for this process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentMB is the memory of this process.
func residentMB() float64 {
	var size, resident float64
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &resident)
	}
	if err != nil {
		return 0
	}
	return resident * float64(os.Getpagesize()) / (1 << 20)
}
