// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"sonde/probes/event"
)

// Scope says which sockets are wanted. The kernel keeps a superset; who needs an exact filter applies it again. Empty
// lists ask nothing; lists of different kinds must all match.
type Scope struct {
	Ports      []uint16
	PIDs       []uint32
	CgroupIDs  []uint64 // inodes of cgroup2 directories; everything below them is wanted too
	Interfaces []uint32 // indexes
}

// Config is what the kernel side can be told. The zero value is not valid, start from Default.
type Config struct {
	RingBytes int // of all CPUs' rings together; a power of two and at least a page

	// Payload budgets, bytes per turn of a connection (see probes/bpf/payload.bpf.c).
	BudgetRequest, BudgetResponse, BudgetPipelined, BudgetUnknown uint32

	Scope Scope

	// Interfaces limits packet flows to interfaces of these names; empty means all of the root network namespace.
	Interfaces []string
	// PacketFlows switches the programs at interfaces on.
	PacketFlows bool
}

// Default returns the configuration that sonde runs with.
func Default() Config {
	return Config{
		RingBytes: 8 << 20, BudgetRequest: 16 << 10, BudgetResponse: 512, BudgetPipelined: 16 << 10,
		BudgetUnknown: 256,
		PacketFlows:   true,
	}
}

// Validate says what is wrong with the configuration, and what would be right.
func (c Config) Validate() error {
	if page := os.Getpagesize(); c.RingBytes < page || c.RingBytes&(c.RingBytes-1) != 0 {
		return fmt.Errorf("ring size %d: must be a power of two of at least %d bytes", c.RingBytes, page)
	}
	for _, b := range []uint32{c.BudgetRequest, c.BudgetResponse, c.BudgetPipelined, c.BudgetUnknown} {
		if b > 16<<10 {
			return fmt.Errorf("payload budget %d: at most 16384 bytes of a turn are copied", b)
		}
	}
	return nil
}

// ringPerCPU shares the bytes out: a power of two each, a page at least.
func (c Config) ringPerCPU() uint32 {
	size := uint32(c.RingBytes)
	for cpus := ebpf.MustPossibleCPU(); cpus > 1; cpus = (cpus + 1) / 2 {
		size /= 2
	}
	return max(size, uint32(os.Getpagesize()))
}

// keys returns the entries of the kernel's scope map and the mask of the kinds that are asked.
func (s Scope) keys() (keys []event.ScopeKey, mask uint32) {
	add := func(kind uint32, value uint64) {
		keys = append(keys, event.ScopeKey{Kind: kind, Value: value})
		mask |= kind
	}
	for _, p := range s.Ports {
		add(event.ScopePort, uint64(p))
	}
	for _, p := range s.PIDs {
		add(event.ScopePID, uint64(p))
	}
	for _, id := range s.CgroupIDs {
		add(event.ScopeCgroup, id)
	}
	for _, i := range s.Interfaces {
		add(event.ScopeInterface, uint64(i))
	}
	return keys, mask
}
