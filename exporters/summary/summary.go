// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sonde/agent/latency"
	"sonde/agent/model"
)

// Config says what is counted and what is shown of it.
type Config struct {
	By     []string // names of keys; at least one
	Sort   string   // one of SortKeys
	Top    int      // groups that are shown, the rest is added up in "(other)"; 0 shows all
	Groups int      // groups that are counted apart
	Flows  bool     // connections are counted in place of requests

	// Status adds the status of a request in a word, "-" for none.
	Status func(b []byte, r *model.Request) []byte
}

// Default counts nothing apart yet: By and Status must be set.
func Default() Config { return Config{Sort: "count", Groups: 10_000} }

// SortKeys are what a summary can be sorted by. Numbers fall, keys rise.
func SortKeys() []string {
	return []string{"count", "errors", "p50", "p95", "p99", "max", "bytes", "key"}
}

// Validate tells what is wrong with c in words for the user.
func (c Config) Validate() error {
	if len(c.By) == 0 {
		return fmt.Errorf("nothing to group by: accepted are %s", keyNames())
	}
	for i, name := range c.By {
		if keyOf(name) == nil {
			return fmt.Errorf("cannot group by %q: accepted are %s", name, keyNames())
		}
		if slices.Contains(c.By[:i], name) {
			return fmt.Errorf("%q is grouped by twice", name)
		}
	}
	if !slices.Contains(SortKeys(), c.Sort) {
		return fmt.Errorf("cannot sort by %q: accepted are %s", c.Sort, strings.Join(SortKeys(), ", "))
	}
	if c.Top < 0 || c.Groups <= 0 {
		return errors.New("the number of groups cannot be negative")
	}
	return nil
}

// Group is what a group has in common, and what was counted of it.
type Group struct {
	Values     []string // of Config.By, "" for none; nil for "(other)" and for the total
	Members    int      // groups that "(other)" stands for; 0 where that is not known, 1 for a group of its own
	Count      uint64   // requests or ended connections
	Errors     uint64
	Incomplete uint64 // requests whose end was not seen: in Count, and not in Durations
	Bytes      uint64 // both ways
	Durations  latency.Histogram
}

func (g *Group) add(other *Group) {
	g.Count += other.Count
	g.Errors += other.Errors
	g.Incomplete += other.Incomplete
	g.Bytes += other.Bytes
	g.Durations.Merge(&other.Durations)
}

// separator stands between the values of a group. It is no text, and what has it all the same is only grouped wrongly.
const separator = "\x00"

// Summary counts. Not safe for concurrent use: the pipeline calls a sink from one goroutine.
type Summary struct {
	config Config
	keys   []*Key
	groups map[string]*Group
	over   Group // of the groups that found no room
	total  Group
	name   []byte // the values of the event at hand
	event  event  // that is being counted

	roles    uint8 // bit per role that was counted
	from, to time.Duration
}

// New returns an empty Summary. c must be valid.
func New(c Config) *Summary {
	s := &Summary{config: c}
	for _, name := range c.By {
		s.keys = append(s.keys, keyOf(name))
	}
	s.Reset()
	return s
}

// Reset forgets what was counted, and begins where time is now.
func (s *Summary) Reset() {
	s.groups, s.over, s.total = map[string]*Group{}, Group{}, Group{}
	s.from = s.to
}

// Tick says that it is t since boot: rates are counted from the first tick, or event, to the last.
func (s *Summary) Tick(t time.Duration) {
	if s.from == 0 {
		s.from = t
	}
	s.to = max(s.to, t)
}

// Request counts r, which is not kept.
func (s *Summary) Request(r *model.Request) {
	if s.config.Flows {
		return
	}
	if s.from == 0 || r.Start < s.from && s.total.Count == 0 {
		s.from = r.Start
	}
	s.to = max(s.to, r.End)
	s.event = event{
		request: r, role: r.Role, protocol: r.Protocol, client: &r.Client, server: &r.Server, status: s.config.Status,
	}
	g := s.group()
	s.roles |= 1 << r.Role
	for _, g := range []*Group{g, &s.total} {
		g.Count++
		g.Bytes += r.RequestBytes + r.ResponseBytes
		switch r.Outcome {
		case model.OutcomeError:
			g.Errors++
		case model.OutcomeIncomplete:
			g.Incomplete++
			continue
		}
		g.Durations.Add(r.Duration())
	}
}

// Flow counts what f added since its last report, and the connection itself when it has ended. What sockets count and what
// interfaces count are the same packets: the latter are counted only by groups of interfaces, which leave out the former.
func (s *Summary) Flow(f *model.Flow, d model.FlowDelta) {
	if !s.config.Flows || slices.Contains(s.config.By, "interface") != (f.View == model.ViewInterface) {
		return
	}
	s.Tick(max(f.Start, f.End))
	s.event = event{flow: f, role: f.Role, protocol: f.Protocol, client: &f.Client, server: &f.Server}
	g := s.group()
	s.roles |= 1 << f.Role
	for _, g := range []*Group{g, &s.total} {
		g.Bytes += d.BytesTransmitted + d.BytesReceived
		if !d.Final {
			continue
		}
		g.Count++
		switch f.State {
		case model.FlowReset, model.FlowRefused, model.FlowTimedOut, model.FlowFailed:
			g.Errors++
		}
		if f.Start > 0 && f.End > f.Start {
			g.Durations.Add(f.End - f.Start)
		}
	}
}

// group finds or makes the group of the event, which is forgotten.
func (s *Summary) group() *Group {
	s.name = s.name[:0]
	for i, k := range s.keys {
		if i > 0 {
			s.name = append(s.name, separator...)
		}
		s.name = k.add(s.name, &s.event)
	}
	s.event = event{}
	if g := s.groups[string(s.name)]; g != nil {
		return g
	}
	if len(s.groups) >= s.config.Groups {
		return &s.over
	}
	name := string(s.name)
	g := &Group{Values: strings.SplitN(name, separator, len(s.keys)), Members: 1}
	s.groups[name] = g
	return g
}

// BothEnds tells whether exchanges may have been counted at both of their ends without the groups telling them apart.
func (s *Summary) BothEnds() bool {
	const both = 1<<model.RoleClient | 1<<model.RoleServer
	apart := func(name string) bool {
		return name == "role" || name == "service" || name == "process" || name == "pid"
	}
	return s.roles&both == both && !slices.ContainsFunc(s.config.By, apart)
}

// Report is what a Summary has counted between two moments, sorted.
type Report struct {
	By       []string
	Flows    bool
	From, To time.Duration // since boot
	Groups   []*Group
	Other    *Group // what Groups leaves out; nil when nothing is
	Total    *Group
}

// Rate is g's count a second, 0 when no time has passed.
func (r *Report) Rate(g *Group) float64 {
	if r.To <= r.From {
		return 0
	}
	return float64(g.Count) / (r.To - r.From).Seconds()
}

// Report returns what was counted. It is valid until something is counted again.
func (s *Summary) Report() *Report {
	r := &Report{By: s.config.By, Flows: s.config.Flows, From: s.from, To: s.to, Total: &s.total}
	for _, g := range s.groups {
		r.Groups = append(r.Groups, g)
	}
	slices.SortFunc(r.Groups, s.order())
	if s.over.Count == 0 && (s.config.Top == 0 || len(r.Groups) <= s.config.Top) {
		return r
	}
	r.Other = &Group{}
	r.Other.add(&s.over)
	if top := s.config.Top; top > 0 && len(r.Groups) > top {
		for _, g := range r.Groups[top:] {
			r.Other.add(g)
		}
		if s.over.Count == 0 {
			r.Other.Members = len(r.Groups) - top
		}
		r.Groups = r.Groups[:top]
	}
	return r
}

// order compares groups; those that are equal are in the order of their values, so that the same events give the same report.
func (s *Summary) order() func(a, b *Group) int {
	number := map[string]func(g *Group) uint64{
		"count":  func(g *Group) uint64 { return g.Count },
		"errors": func(g *Group) uint64 { return g.Errors },
		"bytes":  func(g *Group) uint64 { return g.Bytes },
		"p50":    func(g *Group) uint64 { return uint64(g.Durations.Quantile(0.5)) },
		"p95":    func(g *Group) uint64 { return uint64(g.Durations.Quantile(0.95)) },
		"p99":    func(g *Group) uint64 { return uint64(g.Durations.Quantile(0.99)) },
		"max":    func(g *Group) uint64 { return uint64(g.Durations.Max()) },
	}[s.config.Sort]
	return func(a, b *Group) int {
		if number != nil {
			if c := cmp.Compare(number(b), number(a)); c != 0 {
				return c
			}
		}
		return slices.Compare(a.Values, b.Values)
	}
}
