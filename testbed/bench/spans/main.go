// SPDX-License-Identifier: Apache-2.0

// Command spans measures what the export of spans costs: requests are encoded and sent over OTLP by one processor's worth of
// sonde to a receiver in another process, which counts every span.
//
// Requests come at a fixed rate, as from a pipeline. Printed are the processor time of the exporting process for each span,
// its memory, and what arrived: a span that is neither received nor counted as dropped is an error. Then the same without a
// rate, for the most that one processor sends. It needs no root. Who calls it: make bench-spans.
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
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/exporters/otlp"
	"sonde/exporters/semconv"
)

// services is the number of observed processes that the spans are spread over.
const services = 8

func main() {
	receive := flag.String("receive", "", "internal: be the receiver of this protocol")
	rate := flag.Int("rate", 50_000, "spans a second")
	duration := flag.Duration("for", 8*time.Second, "time of each measurement")
	flag.Parse()
	err := error(nil)
	if *receive != "" {
		err = serve(otlp.Protocol(*receive), os.Stdin, os.Stdout)
	} else {
		err = measureAll(*rate, *duration)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "spans:", err)
		os.Exit(1)
	}
}

func measureAll(rate int, duration time.Duration) error {
	runtime.GOMAXPROCS(1)
	fmt.Printf("%-22s %10s %10s %9s %8s %9s %8s\n", "", "spans/s", "received", "dropped", "us/span", "B/span", "MB")
	var errs []error
	for _, protocol := range []otlp.Protocol{otlp.GRPC, otlp.HTTPProtobuf} {
		errs = append(errs, measure(protocol, rate, duration), measure(protocol, 0, duration))
	}
	return errors.Join(errs...)
}

// measure exports for a time and prints one line. At a fixed rate nothing may be dropped.
func measure(protocol otlp.Protocol, rate int, duration time.Duration) error {
	r, err := startReceiver(protocol)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s, %d/s", protocol, rate)
	c := otlp.Default()
	c.Protocol, c.Endpoint, c.Resource = protocol, r.url, semconv.Resource{Host: model.Host{Name: "bench"}}
	c.Queue.Delay = time.Second
	if rate == 0 {
		name, c.Queue.Block = fmt.Sprintf("%s, most", protocol), true
	}
	traces, err := otlp.NewTraces(c, func() model.Clock { return model.Clock{} }, nil)
	if err != nil {
		return errors.Join(err, r.stop())
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- traces.Run(ctx) }()
	before, began := cpuTime(), time.Now()
	produce(traces, rate, duration)
	took := time.Since(began)
	cancel()
	err = <-done
	used := cpuTime() - before
	if err := errors.Join(err, r.stop()); err != nil {
		return err
	}
	return report(name, traces.Stats(), r.received, took, used, rate != 0)
}

func report(name string, s batch.Stats, received uint64, took, used time.Duration, fixed bool) error {
	dropped := s.Added - s.Exported
	fmt.Printf("%-22s %10.0f %10d %9d %8.2f %9.0f %8.1f\n", name, float64(s.Added)/took.Seconds(), received, dropped,
		used.Seconds()*1e6/float64(s.Added), float64(s.ExportBytes)/float64(max(1, s.Exported)), peakMB())
	if received != s.Exported || fixed && dropped != 0 {
		return fmt.Errorf("%s: %d spans added, %d exported, %d received", name, s.Added, s.Exported, received)
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

func peakMB() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Maxrss) / 1024
}

// receiver is the other process.
type receiver struct {
	url      string
	received uint64
	cmd      *exec.Cmd
	stdin    io.Closer
	stdout   *bufio.Reader
}

func startReceiver(protocol otlp.Protocol) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &receiver{cmd: exec.Command(self, "-receive", string(protocol))}
	r.cmd.Stderr = os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	r.stdin, r.stdout = in, bufio.NewReader(out)
	line, err := r.stdout.ReadString('\n')
	r.url = strings.TrimSpace(line)
	return r, err
}

// stop ends the receiver and reads how many spans it counted.
func (r *receiver) stop() error {
	err := r.stdin.Close()
	_, scanErr := fmt.Fscan(r.stdout, &r.received)
	return errors.Join(err, scanErr, r.cmd.Wait())
}
