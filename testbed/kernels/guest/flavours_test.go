// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/probes/hooks"
	"sonde/probes/kernel"
	"sonde/testbed/e2e/harness"
)

// sondeBin is the binary under test.
const sondeBin = "/payload/sonde"

var detected = sync.OnceValue(kernel.Detect)

// flavour is one way to observe.
type flavour struct {
	hooks hooks.Flavour
	tc    hooks.TC
}

// flavours is what is chosen when nobody asks, and then each value of both choices once: they choose programs of different
// objects, and loading payload.bpf.c takes the verifier 20 seconds in an emulated machine. SONDE_FULL asks for every
// combination.
func flavours() []flavour {
	all := []flavour{
		{hooks.FlavourAuto, hooks.TCAuto}, {hooks.FlavourFentry, hooks.TCTCX}, {hooks.FlavourKprobe, hooks.TCClsact},
		{hooks.FlavourTracepoint, hooks.TCOff},
	}
	if detected().TCX != nil {
		all = append(all, flavour{hooks.FlavourFentry, hooks.TCClsact})
	}
	if os.Getenv("SONDE_FULL") == "" {
		return all
	}
	for _, h := range []hooks.Flavour{hooks.FlavourFentry, hooks.FlavourKprobe, hooks.FlavourTracepoint} {
		for _, tc := range []hooks.TC{hooks.TCTCX, hooks.TCClsact, hooks.TCOff} {
			if f := (flavour{h, tc}); !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

func (f flavour) String() string { return string(f.hooks) + "+" + string(f.tc) }

// lacks says which feature the kernel has not that the flavour is made of; "" when all is there. Whether the kernel may lack it
// is what TestFeatures asks.
func (f flavour) lacks() string {
	plan := hooks.New(detected(), hooks.Config{Flavour: f.hooks, TC: f.tc})
	for _, m := range plan.Missing {
		packet := strings.HasPrefix(m.Probe, "packet")
		if f.hooks == hooks.FlavourAuto || m.Probe != "conn_state" && (!packet || f.tc == hooks.TCOff) {
			continue
		}
		kind := map[hooks.Flavour]hooks.Kind{
			hooks.FlavourFentry: hooks.Fentry, hooks.FlavourKprobe: hooks.Kprobe, hooks.FlavourTracepoint: hooks.RawTracepoint,
		}[f.hooks]
		if packet {
			kind = hooks.Kind(f.tc)
		}
		for _, r := range m.Reasons {
			if r.Kind == kind {
				return r.Reason
			}
		}
	}
	return ""
}

// why is the reason that a probe is missing from a plan.
func why(p hooks.Plan, probe string) string {
	for _, m := range p.Missing {
		if m.Probe == probe {
			return m.Reasons[0].Reason
		}
	}
	return ""
}

// TestFlavours sends the same traffic under each flavour. What sonde reports must be what was sent, and the same for all.
func TestFlavours(t *testing.T) {
	n := newNetwork(t)
	var first harness.Tally
	var firstOf flavour
	for _, f := range flavours() {
		t.Run(f.String(), func(t *testing.T) {
			if why := f.lacks(); why != "" {
				t.Skip(why)
			}
			seen := observe(t, n, f)
			seen.judge(t)
			all := seen.tally()
			if first == nil {
				first, firstOf = all, f
			}
			t.Run("same", func(t *testing.T) {
				if d := harness.DiffTally(first, all); d != "" {
					t.Errorf("not the same as of %s: %s", firstOf, d)
				}
			})
		})
	}
}

// seen is what sonde told of the traffic.
type seen struct {
	*sent
	flavour
	events []harness.Event
}

// observe runs sonde in a flavour while the traffic is sent.
func observe(t *testing.T, n *network, f flavour) *seen {
	t.Helper()
	began := time.Now()
	ob, err := harness.Observe(harness.Options{Bin: sondeBin, Slow: slowness, Args: []string{"--hooks", string(f.hooks), "--tc", string(f.tc)}})
	must(t, err)
	defer func() {
		if ob.Alive() {
			ob.Kill()
		}
	}()
	s := &sent{network: n, want: map[string]harness.Tally{}}
	ready := time.Now()
	must(t, s.send())
	done := time.Now()
	total := 0
	for _, w := range s.want {
		total += w.Total()
	}
	ob.Await(total, func(e *harness.Event) bool { return e.Type == "request" })
	awaited := time.Now()
	events, err := ob.Stop()
	must(t, err)
	t.Logf("ready after %v, sent in %v, reported %v later, ended in %v", ready.Sub(began), done.Sub(ready), awaited.Sub(done), time.Since(awaited))
	for i := range events {
		if events[i].Type == "lost" {
			t.Errorf("lost: %v", &events[i])
		}
	}
	return &seen{s, f, events}
}

func (s *sent) send() error {
	for _, host := range paths {
		if err := s.http1("http1", host, 3); err != nil {
			return fmt.Errorf("HTTP/1 to %s: %w", host, err)
		}
	}
	for _, step := range []func() error{
		func() error { return s.http2("http2", "127.0.0.1") },
		func() error { return s.http2("http2", "10.77.1.2") },
		func() error { return s.dns("dns", "::1", 5) },
		func() error { return s.dns("dns", "10.77.1.2", 5) },
		s.flows,
		func() error { return s.iouring("iouring", requestsByPath) },
		s.overBridge, s.overTunnel, s.throughTranslation, s.throughService,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// judge compares each column with what was sent.
func (s *seen) judge(t *testing.T) {
	got := map[string]harness.Tally{}
	for i := range s.events {
		if e := &s.events[i]; e.Type == "request" {
			c := column(e)
			if got[c] == nil {
				got[c] = harness.Tally{}
			}
			got[c][line(e)]++
		}
	}
	columns := slices.Sorted(maps.Keys(s.want))
	for c := range got {
		if s.want[c] == nil {
			columns = append(columns, c)
		}
	}
	for _, c := range columns {
		t.Run(c, func(t *testing.T) {
			if d := harness.DiffTally(s.want[c], got[c]); d != "" {
				t.Error(d)
				s.log(t)
			}
			s.judgeColumn(t, c)
		})
	}
	if !s.uring {
		t.Run("iouring", func(t *testing.T) { t.Skip("io_uring is not in this kernel, or switched off") })
	}
	t.Run("left", func(t *testing.T) {
		leftBehind(t)
		if left := qdiscs(t); len(left) > 0 {
			t.Errorf("a clsact is left on %v", left)
		}
	})
	t.Run("ends", s.judgeEnds)
	t.Run("flows", s.judgeFlows)
}

// column tells what a request belongs to.
func column(e *harness.Event) string {
	switch {
	case e.Protocol == "dns":
		return "dns"
	case strings.HasPrefix(e.Attributes.Path, "/by-"):
		name, _, _ := strings.Cut(strings.TrimPrefix(e.Attributes.Path, "/by-"), "/")
		return name
	case strings.HasPrefix(e.Attributes.Path, "/h2/"):
		return "http2"
	}
	return "http1"
}

func line(e *harness.Event) string {
	server := net.JoinHostPort(e.Server.Address, strconv.Itoa(e.Server.Port))
	if e.Protocol == "dns" {
		return e.Line("sonde.dns.question.type", "dns.question.name", "sonde.dns.response_code") + " " + server
	}
	a := &e.Attributes
	return fmt.Sprintf("%s %s %s %s %d %s", e.Line(), e.Protocol, a.Method, a.Path, a.Status, server)
}

// tally is all that must be the same in every flavour: a line for each request with its bytes and both ends.
func (s *seen) tally() harness.Tally {
	t := harness.Tally{}
	for i := range s.events {
		e := &s.events[i]
		if e.Type != "request" {
			continue
		}
		bytes := fmt.Sprintf(" %d/%d bytes", e.RequestBytes, e.ResponseBytes)
		if column(e) == "http2" {
			bytes = "" // which of the streams at once puts a header into the table of the others is chance
		}
		ends := fmt.Sprintf(" processes %s, %s", e.Client.Process, e.Server.Process)
		if e.Protocol == "dns" {
			ends = "" // "ends" looks at them: one hook is missing from one flavour
		}
		t[line(e)+bytes+" from "+e.Client.Address+ends]++
	}
	return t
}

// judgeEnds holds that each end names its own process, and no wrong one for the other.
func (s *seen) judgeEnds(t *testing.T) {
	plan := hooks.New(detected(), hooks.Config{Flavour: s.hooks, TC: s.tc})
	_, knowsUDP := plan.Hook("conn_send")
	wrong := map[string]int{}
	servers := map[string]int{"127.0.0.1": s.here, "::1": s.here, "10.77.2.3": s.rightServer} // the others are in the far namespace
	for i := range s.events {
		e := &s.events[i]
		if e.Type != "request" {
			continue
		}
		if e.Protocol == "dns" && !knowsUDP && e.Client.PID == 0 && e.Server.PID == 0 {
			continue
		}
		client, server := os.Getpid(), servers[e.Server.Address]
		switch {
		case e.Server.Port == portURing:
			server, client = s.uringServer, e.Client.PID // a new one each time
		case e.Server.Address == "10.77.1.1":
			server, client = s.here, s.farServer // which called it for a client
		case server == 0:
			server = s.farServer
		}
		if e.Client.PID != client && (e.Client.PID != 0 || e.Role == "client") ||
			e.Server.PID != server && (e.Server.PID != 0 || e.Role == "server") {
			wrong[fmt.Sprintf("client %d, want %d; server %d, want %d: %s", e.Client.PID, client, e.Server.PID, server, line(e))]++
		}
	}
	for what, n := range wrong {
		t.Errorf("%d times %s", n, what)
	}
	if !knowsUDP && len(wrong) == 0 {
		t.Skip(why(plan, "conn_send") + ": of UDP sockets the processes are not known, all others are right")
	}
}

// log shows the events of a failed run, as many as are useful.
func (s *seen) log(t *testing.T) {
	for i := range s.events[:min(20, len(s.events))] {
		t.Log(&s.events[i])
	}
}

// slowness is how many times slower than a machine an emulated one may be.
const slowness = 4
