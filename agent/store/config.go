// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// Config bounds the memory of a Store.
type Config struct {
	Requests     int           // kept whole, the newest
	RequestBytes int           // that these may take
	Flows        int           // kept, ended ones go first
	Groups       int           // of each kind (services, operations, edges, processes, names); what is over goes to one named "(other)"
	Idle         time.Duration // after which a group that nothing happens to is forgotten
	Host         string        // for Snapshot.Host
	Mode, Source string        // for the fields of the same name
	Slow         time.Duration // a request that takes this long is slow whatever its operation takes
}

// Default is for a viewer of its own process. OnDemand is for an agent that is watched through a socket.
func Default() Config {
	return Config{
		Requests: 50_000, RequestBytes: 96 << 20, Flows: 50_000, Groups: 1_000, Idle: 20 * time.Minute, Mode: "live", Slow: time.Second,
	}
}

// OnDemand keeps less than Default.
func OnDemand() Config {
	c := Default()
	c.Requests, c.RequestBytes, c.Flows, c.Groups, c.Mode = 10_000, 16<<20, 20_000, 300, "attached"
	return c
}

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	for _, n := range []struct {
		name  string
		value int
	}{{"requests", c.Requests}, {"request bytes", c.RequestBytes}, {"flows", c.Flows}, {"groups", c.Groups}} {
		if n.value <= 0 {
			return fmt.Errorf("store: %s %d: want more than 0", n.name, n.value)
		}
	}
	return nil
}

// Words say things of requests that the conventions have words for. The store calls them from the goroutine that it is called
// from, and from those that ask; they are safe for concurrent use.
type Words interface {
	AppendTarget(b []byte, r *model.Request) []byte    // "GET /orders/17"
	AppendStatus(b []byte, r *model.Request) []byte    // "200", "-" for none
	AppendOperation(b []byte, r *model.Request) []byte // of bounded variety: "GET /orders/{id}"
	Failed(r *model.Request) bool                      // an error by the conventions
	Attributes(r *model.Request) []view.KeyValue       // fit to leave the process
}

// Self is the state of the agent, as it is now. Counts are totals since its start.
type Self struct {
	Agent    view.Agent // but for Programs, CPU, ProbeCPU and Events, which the store makes of the totals below
	Programs []ProgramTotal
	Records  uint64        // read from the kernel
	Lost     uint64        // records that found no room
	CPU      time.Duration // of the process
	Resident uint64        // bytes of memory
}

// ProgramTotal is what an eBPF program has cost since it was loaded.
type ProgramTotal struct {
	Name    string
	Runs    uint64
	RunTime time.Duration
}
