// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/cilium/ebpf"

	"sonde/testbed/apps"
	"sonde/testbed/bench/collector"
	"sonde/testbed/e2e/harness"
)

// bench measures. kit and bin outlive it.
type bench struct {
	settings
	kit *apps.Kit
	bin string
}

// Configurations, in the order of the table.
const (
	none          = "none"
	empty         = "empty programs"
	agent         = "sonde"
	counted       = "sonde, BPF time counted"
	spans         = "sonde with spans"
	spansCounted  = "sonde with spans, BPF time counted"
	collectorNice = "10" // its machine is another one in real life
)

// countedAs is the configuration in which the BPF time of another was counted.
var countedAs = map[string]string{agent: counted, spans: spansCounted}

// scenario is one load that all configurations get.
type scenario struct {
	name    string
	server  apps.Kind
	path    string
	conns   int
	rate    float64 // requests a second; 0 saturates with wrk
	configs []string
}

const fixedRate = 10_000

func scenarios() []scenario {
	all := []string{none, empty, agent, counted}
	pair := []string{none, agent}
	traced := []string{none, empty, agent, counted, spans, spansCounted}
	return []scenario{
		{"nginx 1 KB saturated", apps.Nginx, "/bytes/1024", 64, 0, traced},
		{"nginx 1 KB at 10,000/s", apps.Nginx, "/bytes/1024", 64, fixedRate, traced},
		{"Go 1 KB saturated", apps.Go, "/bytes/1024", 64, 0, all},
		{"Go 1 KB at 10,000/s", apps.Go, "/bytes/1024", 64, fixedRate, all},
		{"nginx 1 MB saturated", apps.Nginx, "/bytes/1048576", 16, 0, []string{none, agent, counted}},
		{"nginx 10 connections at 10,000/s", apps.Nginx, "/bytes/1024", 10, fixedRate, pair},
		{"nginx 10,000 connections at 10,000/s", apps.Nginx, "/bytes/1024", 10_000, fixedRate, []string{none, agent, spans}},
	}
}

// sample is one configuration in one round.
type sample struct {
	Scenario, Config string
	Round            int
	Traffic          traffic
	Served           int           // requests that reached the server, by its own count: a client that stops leaves some uncounted
	ServerCPU        time.Duration // of the server, over the load
	AgentCPU         time.Duration // of sonde, over the load and until it has reported everything
	ResidentBytes    int64         // of sonde, at its peak
	Reported         float64       // requests in sonde's metrics, server role
	ReportedClient   float64
	Lost             float64 // requests that sonde counted as lost, server role
	SpansReceived    uint64  // of both ends, by the receiver's count
	SpansDropped     float64 // by sonde's queue
	Programs         map[string]programTime
}

// all runs every scenario. What was measured before an error is returned with it.
func (b *bench) all() (*report, error) {
	r := &report{Machine: machine(), Rounds: b.rounds, Load: b.load}
	for _, sc := range scenarios() {
		if !b.only.MatchString(sc.name) {
			continue
		}
		samples, err := b.scenario(sc)
		r.Samples = append(r.Samples, samples...)
		if err != nil {
			return r, fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	if b.sonde && b.only.MatchString("idle") {
		err := locked(b.lock, func() (err error) { r.Idle, err = b.watchIdle(); return err })
		if err != nil {
			return r, fmt.Errorf("idle: %w", err)
		}
	}
	return r, nil
}

func (b *bench) scenario(sc scenario) ([]sample, error) {
	server, err := b.kit.Wrapped("taskset", "-c", "0").Start(sc.server, "127.0.0.1")
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	if _, err := b.traffic(sc, server, time.Second); err != nil { // warms caches and the server's memory
		return nil, err
	}
	var samples []sample
	for round := range b.rounds {
		err := locked(b.lock, func() error {
			for i := range sc.configs {
				config := sc.configs[(i+round)%len(sc.configs)] // nobody is always first
				if !b.sonde && config != none && config != empty {
					continue
				}
				s, err := b.measure(sc, config, server)
				if err != nil {
					return fmt.Errorf("round %d, %s: %w", round+1, config, err)
				}
				s.Round = round
				samples = append(samples, s)
				fmt.Fprintf(os.Stderr, "%s: round %d, %s: %.0f/s, server %.2f us a request\n", sc.name, round+1, config,
					s.Traffic.PerSec, perRequest(s.ServerCPU, s.Traffic.Requests)/1000)
			}
			return nil
		})
		if err != nil {
			return samples, err
		}
	}
	return samples, nil
}

func (b *bench) traffic(sc scenario, server *apps.Server, d time.Duration) (traffic, error) {
	if sc.rate > 0 {
		return b.pace(server.Addr, sc.path, sc.conns, sc.rate, d)
	}
	return saturate(server.URL()+sc.path, sc.conns, d)
}

// measure runs the load under one configuration.
func (b *bench) measure(sc scenario, config string, server *apps.Server) (sample, error) {
	s := sample{Scenario: sc.name, Config: config}
	var err error
	switch config {
	case empty:
		e, attachErr := attachEmpty()
		if attachErr != nil {
			return s, attachErr
		}
		defer e.Close()
		err = b.underLoad(sc, server, &s)
	case agent, counted:
		err = b.measureSonde(sc, server, &s, nil)
	case spans, spansCounted:
		err = b.measureSpans(sc, server, &s)
	default:
		err = b.underLoad(sc, server, &s)
	}
	return s, err
}

func (b *bench) underLoad(sc scenario, server *apps.Server, s *sample) error {
	before, err := cpuTime(server.PID)
	if err != nil {
		return err
	}
	if s.Traffic, err = b.traffic(sc, server, b.load); err != nil {
		return err
	}
	after, err := cpuTime(server.PID)
	s.ServerCPU = after - before
	return err
}

func (b *bench) start(env ...string) (*harness.Daemon, error) {
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	return harness.Run(harness.Options{Bin: b.bin, Env: env}, "127.0.0.1:"+strconv.Itoa(port))
}

// measureSpans measures sonde while it exports every span to a receiver.
func (b *bench) measureSpans(sc scenario, server *apps.Server, s *sample) error {
	to, err := collector.Start([]string{"taskset", "-c", loadCPU, "nice", "-n", collectorNice}, "-receive")
	if err != nil {
		return err
	}
	err = b.measureSonde(sc, server, s, []string{
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + to.URL,
		"OTEL_BSP_SCHEDULE_DELAY=500", // or the last batch would be waited for
	})
	err = errors.Join(err, to.Stop())
	for _, service := range []string{server.Name(), "wrk", "loadclient"} {
		s.SpansReceived += to.ByService[service]
	}
	return err
}

func (b *bench) measureSonde(sc scenario, server *apps.Server, s *sample, env []string) (err error) {
	served, err := servedBy(server)
	if err != nil {
		return err
	}
	d, err := b.start(env...)
	if err != nil {
		return err
	}
	defer func() {
		if _, stopErr := d.Stop(); err != nil || stopErr != nil {
			err = errors.Join(err, stopErr)
			return
		}
		now, askErr := servedBy(server)
		s.Served, err = now-served, askErr
		if server.Kind == apps.Nginx {
			s.Served-- // this second asking
		}
	}()
	before, err := readCounts(d, server.Name())
	if err != nil {
		return err
	}
	programs, err := programTimes(d.PID())
	if err != nil {
		return err
	}
	if s.Config == counted || s.Config == spansCounted {
		c, err := countBPF()
		if err != nil {
			return err
		}
		defer c.Close()
	}
	time.Sleep(300 * time.Millisecond)
	cpu, err := cpuTime(d.PID())
	if err != nil {
		return err
	}
	if err := b.underLoad(sc, server, s); err != nil {
		return err
	}
	return s.readSonde(d, server.Name(), before, cpu, programs)
}

// readSonde takes the agent's side of a sample once its counts stand still.
func (s *sample) readSonde(d *harness.Daemon, service string, before counts, cpu time.Duration, programs map[ebpf.ProgramID]programTime) error {
	after, err := settledCounts(d, service)
	if err != nil {
		return err
	}
	s.Reported, s.ReportedClient, s.Lost = after.server-before.server, after.client-before.client, after.lost-before.lost
	s.SpansDropped = after.dropped - before.dropped
	now, err := cpuTime(d.PID())
	if err != nil {
		return err
	}
	s.AgentCPU = now - cpu
	times, err := programTimes(d.PID())
	if err != nil {
		return err
	}
	s.Programs = since(programs, times)
	s.ResidentBytes, err = resident(d.PID(), "VmHWM")
	return err
}

// spansAtRest is more than what asking sonde for its counts makes in 200 ms, and less than a batch.
const spansAtRest = 100

// counts are sonde's own totals.
type counts struct{ server, client, lost, exported, dropped float64 }

func readCounts(d *harness.Daemon, service string) (counts, error) {
	m, err := d.Scrape()
	return counts{
		server: m.Sum("http_server_request_duration_seconds", map[string]string{"service_name": service}),
		client: m.Sum("http_client_request_duration_seconds", nil),
		lost:   m.Sum("sonde_requests_lost_total", map[string]string{"role": "server"}),

		exported: m.Sum("otel_sdk_exporter_span_exported_total", nil),
		dropped:  m.Sum("sonde_queue_dropped_total", map[string]string{"queue": "spans_otlp"}),
	}, err
}

// settledCounts waits until two readings 200 ms apart agree on the server's requests: records wait in the ring for a reader that wakes
// by time. The other counts are of the whole machine, which may have traffic of its own.
func settledCounts(d *harness.Daemon, service string) (counts, error) {
	last, err := readCounts(d, service)
	for range 50 {
		time.Sleep(200 * time.Millisecond)
		now, nextErr := readCounts(d, service)
		if nextErr != nil || err != nil {
			return now, nextErr
		}
		if now.server == last.server && now.exported-last.exported < spansAtRest {
			return now, nil
		}
		last = now
	}
	return last, fmt.Errorf("counts still grow 10 s after the load")
}

// idle is a machine with processes and without traffic.
type idle struct {
	Processes     int
	Watched       time.Duration
	AgentCPU      time.Duration
	ResidentBytes int64
}

func (b *bench) watchIdle() (*idle, error) {
	const sleepers = 500
	sleep := exec.Command("sh", "-c", "for i in $(seq "+strconv.Itoa(sleepers)+"); do sleep 1000 & done; echo; wait")
	out, err := sleep.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := sleep.Start(); err != nil {
		return nil, err
	}
	defer func() {
		for _, pid := range apps.Children(sleep.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		_ = sleep.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return nil, fmt.Errorf("start %d processes: %w", sleepers, err)
	}
	d, err := b.start()
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = d.Stop() }()
	time.Sleep(2 * time.Second) // what it does at its start is not idling
	before, err := cpuTime(d.PID())
	if err != nil {
		return nil, err
	}
	time.Sleep(b.idle)
	after, err := cpuTime(d.PID())
	if err != nil {
		return nil, err
	}
	rss, err := resident(d.PID(), "VmRSS")
	return &idle{Processes: sleepers, Watched: b.idle, AgentCPU: after - before, ResidentBytes: rss}, err
}
