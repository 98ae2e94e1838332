// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sonde/agent/aggregate"
	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/exporters/prometheus"
	"sonde/probes"
)

type runFlags struct {
	capture captureFlags
	listen  prometheus.Config
	log     *slog.Logger
}

// memoryLimit is the soft limit of the Go heap: far above what the agent needs, so that a mistake collects harder instead
// of eating the node. GOMEMLIMIT overrides it.
const memoryLimit = 256 << 20

func runCommand(e env) *cobra.Command {
	f := runFlags{listen: prometheus.Default()}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: observe everything and serve metrics",
		Long: `Run the daemon: observe everything and serve metrics.

  /metrics    for Prometheus (text, OpenMetrics)
  /healthz    200 while the process works
  /readyz     200 once all probes are attached and the sockets that existed before are listed

SIGINT or SIGTERM ends it; nothing stays attached.`,
		Example: "  sonde run --prometheus-listen :9464",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), e) },
	}
	f.capture.register(cmd, e)
	cmd.Flags().StringVar(&f.listen.Listen, "prometheus-listen", f.listen.Listen, "address to serve metrics on, host:port")
	return cmd
}

func (f *runFlags) run(ctx context.Context, e env) error {
	if e.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if err := f.listen.Validate(); err != nil {
		return usageError{err}
	}
	ln, err := f.listen.Open(ctx)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(e.stderr, nil))
	f.log = log
	self := &selfSource{lost: map[model.Role]uint64{}, drops: map[string]uint64{}}
	agg := aggregate.New(aggregate.Default(), self)
	exporter := prometheus.New(agg, log)
	sink := &metricsSink{Aggregator: agg, self: self}
	var k *capture
	k, err = f.capture.start(captureOptions{scope: filter.Scope{Requests: true, Flows: true}, listener: ln, ready: func() {
		exporter.SetReady(true)
		log.Info("ready", "state", readiness(k), "metrics", "http://"+ln.Addr().String()+"/metrics")
	}}, sink)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	self.attach(k)
	return f.serve(ctx, k, exporter.Serve, ownListener{ln, k.set})
}

// serve runs the capture and the HTTP server; the first that ends stops the other.
func (f *runFlags) serve(ctx context.Context, k *capture, serve func(context.Context, net.Listener) error, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, ln)
		cancel()
	}()
	go func() { _ = k.resolver.Run(ctx) }() // ends with ctx and has no other error
	go func() {
		if err := probes.SampleStats(ctx); err != nil {
			f.log.Warn("the cost of programs is not measured", "error", err)
		}
	}()
	err := k.run(ctx)
	cancel()
	if serr := <-served; serr != nil {
		return fmt.Errorf("serve metrics: %w", serr)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// metricsSink feeds the aggregator, and keeps the counts that are the agent's own.
type metricsSink struct {
	*aggregate.Aggregator
	self *selfSource
}

func (s *metricsSink) Lost(l *model.Loss) {
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	if l.What == "requests" {
		s.self.lost[l.Role] += l.Count
	}
}

func (s *metricsSink) Drops(reason string, packets uint64) {
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	s.self.drops[reason] += packets
}
