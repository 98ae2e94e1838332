// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"sonde/probes/event"
	"sonde/probes/hooks"
)

// Set is the kernel side, loaded. Close detaches and frees everything; so does the end of the process.
type Set struct {
	Ring *Reader

	config   Config
	programs map[string]*ebpf.Program // by name
	maps     map[string]*ebpf.Map     // by name
	links    []link.Link              // referenced until detached: the collector would detach them
	watcher  *interfaces

	detach     sync.Once
	flowKeys   []event.FlowKey // of one batch, kept between evictions
	flowValues []event.FlowValue

	lost  event.Lost
	drops map[uint64]uint64
	names map[uint32]string // of drop reasons
}

// shared are the maps that all objects use; the first object that has one makes it.
var shared = []string{"events", "counters", "scope", "go_programs", "actors", "threads"}

// Load loads and attaches the programs of a plan. On error nothing stays attached; the error names the probe and the hook.
func Load(plan hooks.Plan, c Config) (*Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Set{config: c, programs: map[string]*ebpf.Program{}, maps: map[string]*ebpf.Map{}, drops: map[uint64]uint64{}}
	if err := s.load(plan); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Set) load(plan hooks.Plan) error {
	for _, o := range objects {
		if err := s.loadObject(o, plan); err != nil {
			return err
		}
	}
	if err := s.fillScope(); err != nil {
		return err
	}
	if err := s.makeRings(); err != nil {
		return err
	}
	s.names = dropReasons()
	if m := s.maps["drops"]; m != nil { // where the map is full, drops are counted here
		if err := m.Put(uint64(0), make([]uint64, ebpf.MustPossibleCPU())); err != nil {
			return fmt.Errorf("prepare the count of drops: %w", err)
		}
	}
	return s.attach(plan)
}

// objects are loaded in this order, each with the programs that are planned. Those of golang attach to files that come later.
var objects = []struct {
	name string
	spec func() (*ebpf.CollectionSpec, error)
}{{"payload", loadPayload}, {"conn", loadConn}, {"packet", loadPacket}, {"golang", loadGolang}}

// Specs returns what sonde would load, for checks.
func Specs() (map[string]*ebpf.CollectionSpec, error) {
	specs := map[string]*ebpf.CollectionSpec{}
	for _, o := range objects {
		spec, err := o.spec()
		if err != nil {
			return nil, fmt.Errorf("read embedded object %s: %w", o.name, err)
		}
		specs[o.name] = spec
	}
	return specs, nil
}

// Settled returns the same with the constants and the sizes of maps that Load would give them.
func Settled(c Config) (map[string]*ebpf.CollectionSpec, error) {
	specs, err := Specs()
	if err != nil {
		return nil, err
	}
	s := &Set{config: c}
	for _, spec := range specs {
		if err := s.settings(spec); err != nil {
			return nil, err
		}
	}
	return specs, nil
}

func (s *Set) loadObject(o struct {
	name string
	spec func() (*ebpf.CollectionSpec, error)
}, plan hooks.Plan,
) error {
	spec, err := o.spec()
	if err != nil {
		return fmt.Errorf("read embedded object %s: %w", o.name, err)
	}
	wanted := s.plannedPrograms(plan, o.name)
	for name := range spec.Programs {
		if !slices.Contains(wanted, name) {
			delete(spec.Programs, name)
		}
	}
	if len(spec.Programs) == 0 {
		return nil
	}
	if err := s.settings(spec); err != nil {
		return err
	}
	replace := map[string]*ebpf.Map{}
	for _, name := range shared {
		if m := s.maps[name]; m != nil && spec.Maps[name] != nil {
			spec.Maps[name].MaxEntries = m.MaxEntries()
			replace[name] = m
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		return fmt.Errorf("load object %s: %w", o.name, err)
	}
	for name, p := range coll.Programs {
		s.programs[name] = coll.DetachProgram(name)
		_ = p
	}
	for name := range coll.Maps {
		if s.maps[name] == nil {
			s.maps[name] = coll.DetachMap(name)
		}
	}
	coll.Close()
	return nil
}

func (s *Set) plannedPrograms(plan hooks.Plan, object string) (names []string) {
	for _, h := range plan.Hooks {
		if h.Object == object && s.uses(h) {
			names = append(names, h.Program)
		}
	}
	return names
}

// uses tells whether the configuration asks for what the hook gives.
func (s *Set) uses(h hooks.Hook) bool { return s.config.Causes || h.Probe != hooks.ThreadStart }

// settings sets the constants of an object and the sizes of maps.
func (s *Set) settings(spec *ebpf.CollectionSpec) error {
	c := s.config
	_, mask := c.Scope.keys()
	if events := spec.Maps["events"]; events != nil {
		events.MaxEntries = uint32(ebpf.MustPossibleCPU())
		events.InnerMap.MaxEntries = c.ringPerCPU()
	}
	if threads := spec.Maps["threads"]; threads != nil && !c.Causes {
		threads.MaxEntries = 1 // made because programs name it, never filled
	}
	values := map[string]any{
		"ring_wake_bytes": c.ringPerCPU() / 4, "scope_mask": mask,
		"budget_request": c.BudgetRequest, "budget_response": c.BudgetResponse,
		"budget_pipelined": c.BudgetPipelined, "budget_other": c.BudgetOther, "budget_tls": c.BudgetTLS,
		"budget_unknown": c.BudgetUnknown, "budget_unknown_first": c.BudgetUnknownFirst,
		"refill_after": c.refillUnits(), "budget_datagram": c.BudgetDatagram,
		"loopback_ifindex": loopbackIndex(), "causes": uint32(0),
	}
	if c.Causes {
		values["causes"] = uint32(1)
	}
	for name, v := range spec.Variables {
		value, ok := values[name]
		if !ok {
			continue
		}
		if err := v.Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// makeRings makes a ring for each CPU and the reader of all of them.
func (s *Set) makeRings() error {
	var rings []*ebpf.Map
	for cpu := range ebpf.MustPossibleCPU() {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: s.config.ringPerCPU()})
		if err != nil {
			return fmt.Errorf("make the ring of CPU %d: %w", cpu, err)
		}
		s.maps[fmt.Sprintf("ring%d", cpu)] = m
		if err := s.maps["events"].Put(uint32(cpu), m); err != nil {
			return fmt.Errorf("put the ring of CPU %d in its place: %w", cpu, err)
		}
		rings = append(rings, m)
	}
	r, err := NewReader(rings)
	if err != nil {
		return err
	}
	s.Ring = r
	return nil
}

func (s *Set) fillScope() error {
	keys, _ := s.config.Scope.keys()
	if len(s.config.Scope.PIDs) > 0 {
		held, err := heldSockets(s.config.Scope.PIDs)
		if err != nil {
			return err
		}
		keys = append(keys, held...)
	}
	for _, k := range keys {
		if err := s.maps["scope"].Put(k, uint8(1)); err != nil {
			return fmt.Errorf("fill the scope filter: %w", err)
		}
	}
	return nil
}

// Detach stops all programs; the ring keeps what it has.
func (s *Set) Detach() {
	s.detach.Do(func() {
		if s.watcher != nil {
			s.watcher.close()
		}
		for _, l := range s.links {
			_ = l.Close() // the kernel detaches when the descriptor goes, whatever it answers
		}
	})
}

// Close detaches and frees everything.
func (s *Set) Close() error {
	s.Detach()
	var errs []error
	if s.Ring != nil {
		errs = append(errs, s.Ring.Close())
	}
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Ignore marks a socket of sonde's own by its descriptor, so that its bytes are never copied. Sockets accepted from a
// marked listener inherit the mark.
func (s *Set) Ignore(fd int) error {
	state := payloadSockState{Flags: event.SockIgnore}
	if err := s.maps["socks"].Put(int32(fd), &state); err != nil {
		return fmt.Errorf("mark own socket: %w", err)
	}
	return nil
}
