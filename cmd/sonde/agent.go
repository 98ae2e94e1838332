// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/conn"
	"sonde/agent/filter"
	"sonde/agent/identity/process"
	"sonde/agent/pipeline"
	"sonde/agent/route"
	"sonde/agent/source"
	"sonde/agent/source/live"
	"sonde/agent/source/recording"
	"sonde/agent/trace"
	"sonde/probes"
	"sonde/probes/hooks"
	"sonde/probes/kernel"
)

// maxRing is far above what any machine needs; it keeps a slip of the finger from locking all memory.
const maxRing = 1 << 30

// captureFlags are the flags of every command that captures live.
type captureFlags struct {
	probes     probes.Config
	hooks      string
	tc         string
	ringSize   string
	cgroups    []string
	interfaces []string
	causes     causesFlag
}

func (c *captureFlags) register(cmd *cobra.Command, e env) {
	c.probes = probes.Default()
	ring := e.getenv("SONDE_RING_BYTES")
	if ring == "" {
		ring = strconv.Itoa(c.probes.RingBytes)
	}
	f := cmd.Flags()
	f.StringVar(&c.ringSize, "ring-size", ring, "bytes of the ring between kernel and agent, a power of two (SONDE_RING_BYTES)")
	f.StringVar(&c.hooks, "hooks", "auto", "flavour of the socket hooks: auto, fentry, kprobe, tracepoint")
	f.StringVar(&c.tc, "tc", "auto", "how packets at interfaces are counted: auto, tcx, clsact, off")
	f.StringSliceVar(&c.cgroups, "cgroup", nil, "only sockets of this cgroup2 directory and below (path below its root; repeatable)")
	f.StringSliceVar(&c.interfaces, "interface", nil, "only sockets and packets of this interface (repeatable)")
	c.causes.register(cmd)
}

// capture is everything between the kernel and the sinks.
type capture struct {
	features *kernel.Features
	plan     hooks.Plan
	set      *probes.Set
	source   source.Source
	pipeline *pipeline.Pipeline
	resolver *process.Resolver
	golang   *goroutines // nil unless causes are asked for
	noGo     error       // why it is nil although they are
}

// captureOptions say how to capture.
type captureOptions struct {
	scope    filter.Scope
	listener net.Listener        // sonde's own, nil when it has none; its connections are not reported
	ready    func()              // called when nothing is missed from now on
	recorder *recording.Recorder // nil when nothing is recorded
	clock    *clock              // kept up to date; nil when nobody asks for wall time
	tracer   *trace.Tracer       // gives requests their place in traces; nil when nobody asks for it
	glance   *glance             // does in place of tracer what can be done without causes; may be nil
	flows    time.Duration       // between two reports of a flow that goes on; 0: as the pipeline has it
}

// start loads and attaches the probes.
func (c *captureFlags) start(o captureOptions, sinks ...pipeline.Sink) (*capture, error) {
	k := &capture{features: kernel.Detect()}
	if err := c.parse(k.features, o.scope); err != nil {
		return nil, err
	}
	var err error
	if c.probes.Causes, err = c.causes.wanted(o.tracer != nil || o.recorder != nil); err != nil {
		return nil, usageError{err}
	}
	if k.features.Rights != nil {
		return nil, k.features.Rights
	}
	k.plan = hooks.New(k.features, hooks.Config{Flavour: hooks.Flavour(c.hooks), TC: hooks.TC(c.tc)})
	if err := k.plan.Required(); err != nil {
		return nil, err
	}
	set, err := probes.Load(k.plan, c.probes)
	if err != nil {
		return nil, err
	}
	k.set = set
	if o.listener != nil {
		if err := ignore(set, o.listener.(*net.TCPListener)); err != nil {
			return nil, errors.Join(err, set.Close())
		}
	}
	if c.probes.Causes {
		k.watchGo()
	}
	k.resolver = process.New(process.Default())
	who := process.NewActors(k.resolver)
	k.connect(c.tracker(), who, o, sinks)
	return k, nil
}

// watchGo tells goroutines apart, where uprobes are possible.
func (k *capture) watchGo() {
	watcher, err := k.set.GoWatcher()
	if err != nil {
		k.noGo = err
		return
	}
	k.golang = &goroutines{watcher}
}

// tracker is the configuration of the connection tracker.
func (c *captureFlags) tracker() conn.Config {
	config := conn.Default()
	config.Self = uint32(os.Getpid())
	switch {
	case len(c.interfaces) > 0:
		config.Evidence = conn.EvidencePayload
	case len(c.cgroups) > 0:
		config.Evidence = conn.EvidenceUse
	}
	return config
}

// connect joins source, recorder and pipeline.
func (k *capture) connect(config conn.Config, who *process.Actors, o captureOptions, sinks []pipeline.Sink) {
	rhythm := live.Default()
	if o.flows > 0 {
		rhythm.Flows, config.FlowInterval = o.flows, o.flows
	}
	k.source = live.New(rhythm, k.set, o.ready)
	identify, interfaceName := conn.Identify(who.Identify), k.set.InterfaceName
	switch {
	case k.golang != nil:
		k.source, identify = k.golang.around(k.source), k.golang.identify(identify)
	case k.noGo != nil:
		k.source = unjudged(k.source)
	}
	if o.clock != nil {
		k.source = clocked{k.source, o.clock}
	}
	if r := o.recorder; r != nil {
		config.Recorder = r
		identify, interfaceName = r.Identify(identify), r.InterfaceName(interfaceName)
		k.source = r.Around(k.source)
		if o.clock != nil {
			o.clock.changed = r.Clock
		}
	}
	k.pipeline = pipeline.New(config, identify, interfaceName, sinks...)
	k.pipeline.Annotate(route.New(route.Default()))
	switch {
	case o.tracer != nil:
		k.pipeline.Trace(o.tracer)
	case o.glance != nil:
		k.pipeline.Trace(o.glance)
	}
}

// run captures until ctx is done, and takes the probes away.
func (k *capture) run(ctx context.Context) error {
	return errors.Join(k.observe(ctx, func() {}), k.set.Close())
}

// observe captures until ctx is done, and calls ended then. The counters of the probes can still be read afterwards.
func (k *capture) observe(ctx context.Context, ended func()) error {
	stop := func() error { return nil }
	if k.golang != nil {
		stop = k.golang.run(ctx)
	}
	err := k.pipeline.Run(ctx, k.source)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }() // takes seconds where many programs were looked at
	ended()
	return errors.Join(err, <-stopped)
}

func (c *captureFlags) parse(features *kernel.Features, scope filter.Scope) error {
	if err := (hooks.Config{Flavour: hooks.Flavour(c.hooks), TC: hooks.TC(c.tc)}).Validate(); err != nil {
		return usageError{err}
	}
	size, err := strconv.Atoi(c.ringSize)
	if err != nil {
		return usageError{fmt.Errorf("ring size %q: want a number of bytes", c.ringSize)}
	}
	if size > maxRing {
		return usageError{fmt.Errorf("ring size %d: at most %d bytes", size, maxRing)}
	}
	c.probes.RingBytes = size
	c.probes.Scope = probes.Scope{Ports: scope.Ports, PIDs: scope.PIDs}
	c.probes.PacketFlows = scope.Flows && c.tc != string(hooks.TCOff)
	c.probes.Interfaces = c.interfaces
	for _, name := range c.interfaces {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return usageError{fmt.Errorf("interface %s: %w", name, err)}
		}
		c.probes.Scope.Interfaces = append(c.probes.Scope.Interfaces, uint32(i.Index))
	}
	for _, path := range c.cgroups {
		id, err := probes.CgroupID(features.Cgroup2Root, path)
		if err != nil {
			return usageError{err}
		}
		c.probes.Scope.CgroupIDs = append(c.probes.Scope.CgroupIDs, id)
	}
	if err := c.probes.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// ownListener marks the sockets that it accepts, so that the probes leave them alone. Those accepted after the listener was
// marked inherit the mark; clients that were quicker than the loading of the probes do not.
type ownListener struct {
	net.Listener
	set *probes.Set
}

// Accept implements net.Listener.
func (l ownListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if raw, ok := c.(syscall.Conn); ok {
		_ = ignore(l.set, raw) // an unmarked connection is dropped in user space, by its process
	}
	return c, nil
}

func ignore(set *probes.Set, socket syscall.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("mark own socket: %w", err)
	}
	var marked error
	if err := raw.Control(func(fd uintptr) { marked = set.Ignore(int(fd)) }); err != nil {
		return fmt.Errorf("mark own socket: %w", err)
	}
	return marked
}

// readiness is the line that tells people and scripts that nothing is missed from now on.
func readiness(k *capture) string {
	names, failed := k.set.Interfaces()
	s := fmt.Sprintf("ready: %d hooks attached, existing sockets listed", len(k.plan.Hooks))
	if len(names) > 0 {
		s += ", packets counted on " + strings.Join(names, " ")
	}
	if k.noGo != nil {
		s += "; threads and goroutines are not followed: " + k.noGo.Error()
	}
	for _, err := range failed {
		s += "; not on: " + err.Error()
	}
	return s
}
