// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"fmt"
	"os"
	"time"

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

	// Payload budgets, bytes per turn of a connection (see probes/bpf/classify.h). Of HTTP/2 frames decide, not budgets.
	BudgetRequest, BudgetResponse, BudgetPipelined uint32 // HTTP/1
	BudgetOther                                    uint32 // other protocols with a parser, each direction
	BudgetTLS                                      uint32 // each of the turns of a handshake
	BudgetUnknown, BudgetUnknownFirst              uint32 // what looks like nothing known, and its first turns
	// BudgetRefill is the time after which a direction that goes on without an answer gets twice BudgetOther again: about a
	// millisecond's accuracy. Up to eight of them are saved while it does not.
	BudgetRefill time.Duration
	// BudgetDatagram is the number of bytes copied of a datagram of DNS or QUIC.
	BudgetDatagram uint32

	Scope Scope

	// Causes has the kernel tell which thread, and in known Go programs which goroutine, uses a socket (event.KindUse).
	Causes bool

	// Interfaces limits packet flows to interfaces of these names; empty means all of the root network namespace.
	Interfaces []string
	// PacketFlows switches the programs at interfaces on.
	PacketFlows bool
}

// Default returns the configuration that sonde runs with.
func Default() Config {
	return Config{
		RingBytes: 8 << 20, BudgetRequest: 16 << 10, BudgetResponse: 512, BudgetPipelined: 16 << 10,
		BudgetOther: 8 << 10, BudgetTLS: 16 << 10, BudgetUnknown: 256, BudgetUnknownFirst: 2 << 10,
		BudgetRefill: 10 * time.Millisecond, BudgetDatagram: 1500,
		PacketFlows: true,
	}
}

// Validate says what is wrong with the configuration, and what would be right.
func (c Config) Validate() error {
	if page := os.Getpagesize(); c.RingBytes < page || c.RingBytes&(c.RingBytes-1) != 0 {
		return fmt.Errorf("ring size %d: must be a power of two of at least %d bytes", c.RingBytes, page)
	}
	for _, b := range []uint32{
		c.BudgetRequest, c.BudgetResponse, c.BudgetPipelined, c.BudgetOther, c.BudgetTLS, c.BudgetUnknown, c.BudgetUnknownFirst,
	} {
		if b > 16<<10 {
			return fmt.Errorf("payload budget %d: at most 16384 bytes of a turn are copied", b)
		}
	}
	if c.BudgetDatagram > 1500 {
		return fmt.Errorf("payload budget %d: at most 1500 bytes of a datagram are copied", c.BudgetDatagram)
	}
	return nil
}

// refillUnits is BudgetRefill as the kernel side counts time.
func (c Config) refillUnits() uint32 { return uint32(max(c.BudgetRefill, 0) >> 20) }

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
