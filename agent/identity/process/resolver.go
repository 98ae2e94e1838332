// SPDX-License-Identifier: Apache-2.0

package process

import (
	"container/list"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sonde/agent/model"
)

// recheckAfter bounds how often procfs is asked about a PID that is gone, and how long a new process may go unnoticed
// behind a dead one when its exec was not reported.
const recheckAfter = time.Second

// Resolver remembers processes by PID. It is safe for concurrent use.
type Resolver struct {
	cfg     Config
	now     func() time.Time
	cgroups *cgroupIndex
	counts  counts

	mu      sync.RWMutex
	entries map[uint32]*entry
	gone    *list.List // *entry without a living process, longest gone first
}

// entry is what is known about a PID. Its fields change under Resolver.mu alone; the process itself never changes.
type entry struct {
	pid     uint32
	process *model.Process // nil: there was no such process when it was asked for
	start   uint64         // clock ticks since boot; 0 when only kernel facts are known
	checked time.Time      // last look at procfs, for entries that are gone
	left    time.Time      // when the process left; zero while it lives
	place   *list.Element  // in Resolver.gone; nil while it lives
}

type counts struct{ reads, missing, fallbacks, evicted, expired, reused, cut atomic.Uint64 }

// Stats are totals since New.
type Stats struct {
	Reads     uint64 // processes read from procfs
	Missing   uint64 // processes asked for that procfs no longer had
	Fallbacks uint64 // identities made from kernel facts alone
	Evicted   uint64 // identities dropped because MaxEntries was reached
	Expired   uint64 // identities dropped Retain after the exit
	Reused    uint64 // PIDs found to belong to another process than the one remembered
	Cut       uint64 // procfs files longer than what is read of them
}

// New returns an empty Resolver. The Config must have passed Validate.
func New(cfg Config) *Resolver {
	if cfg.Clock.Boot.IsZero() {
		cfg.Clock.Boot = bootTime(cfg.ProcRoot)
	}
	if cfg.CgroupRoot == "" {
		cfg.CgroupRoot = cgroupMount(cfg.ProcRoot)
	}
	return &Resolver{
		cfg:     cfg,
		now:     time.Now,
		cgroups: newCgroupIndex(cfg.CgroupRoot),
		entries: make(map[uint32]*entry),
		gone:    list.New(),
	}
}

// Lookup returns the identity of pid, a process (thread group) in the root PID namespace. For a living process that is
// known it costs one map read; otherwise procfs is read. After an exit the identity stays for Config.Retain, unless the
// PID was given to another process. It returns nil when the process is gone and was never seen.
func (r *Resolver) Lookup(pid uint32) *model.Process {
	r.mu.RLock()
	if e := r.entries[pid]; e != nil && e.place == nil {
		p := e.process
		r.mu.RUnlock()
		return p
	}
	r.mu.RUnlock()
	return r.ask(pid)
}

// Seen is Lookup for a process about which the kernel reported its comm and cgroup v2 id (0 when unknown). Where procfs
// has nothing to say any more, these facts are the identity: a curl of 5 ms is "curl", in its container. It never
// returns nil.
func (r *Resolver) Seen(pid uint32, comm string, cgroupID uint64) *model.Process {
	if p := r.Lookup(pid); p != nil && !r.outdated(pid, comm) {
		return p
	}
	r.counts.fallbacks.Add(1)
	p := r.fromKernel(pid, comm, cgroupID)
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.insert(&entry{pid: pid, process: p, checked: now, left: now})
	return p
}

// Exec reads pid again, because exec changed what it runs. When it is already gone it is forgotten, since its old name
// is wrong now, and nil is returned: Seen then names it.
func (r *Resolver) Exec(pid uint32) *model.Process {
	p, start, ok := r.read(pid)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.remove(r.entries[pid])
		return nil
	}
	r.insert(&entry{pid: pid, process: p, start: start})
	return p
}

// Exit says that pid exited at a time since boot, 0 when unknown. An exit from before the start of the process that is
// remembered belongs to an earlier owner of the PID and is ignored.
func (r *Resolver) Exit(pid uint32, at time.Duration) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	e := r.entries[pid]
	if e == nil || e.place != nil || at != 0 && uint64(at/tick) < e.start {
		return
	}
	r.leave(e, now)
}

// Len returns the number of PIDs remembered, those included that are known to be gone.
func (r *Resolver) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.entries)
}

// Stats returns the totals so far.
func (r *Resolver) Stats() Stats {
	c := &r.counts
	return Stats{
		Reads: c.reads.Load(), Missing: c.missing.Load(), Fallbacks: c.fallbacks.Load(), Evicted: c.evicted.Load(),
		Expired: c.expired.Load(), Reused: c.reused.Load(), Cut: c.cut.Load(),
	}
}

// Run calls Sweep every Config.SweepEvery until ctx is done. It returns nil.
func (r *Resolver) Run(ctx context.Context) error {
	t := time.NewTicker(r.cfg.SweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			r.Sweep()
		}
	}
}

// Sweep makes up for exits that were not reported: processes that are gone begin their Retain, PIDs that were given
// out again are forgotten, and what was retained long enough is dropped. It costs one small read per living process.
func (r *Resolver) Sweep() {
	now := r.now()
	r.mu.Lock()
	r.expire(now)
	alive := make([]*entry, 0, len(r.entries)-r.gone.Len())
	for _, e := range r.entries {
		if e.place == nil {
			alive = append(alive, e)
		}
	}
	r.mu.Unlock()
	for _, e := range alive {
		s, ok := r.stat(e.pid)
		if ok && s.start == e.start {
			continue
		}
		r.mu.Lock()
		switch {
		case r.entries[e.pid] != e || e.place != nil:
		case ok:
			r.counts.reused.Add(1)
			r.remove(e)
		default:
			r.leave(e, now)
		}
		r.mu.Unlock()
	}
}

// ask answers for a PID that is not known to live.
func (r *Resolver) ask(pid uint32) *model.Process {
	now := r.now()
	p, start, settled := r.retained(pid, now)
	if settled {
		return p
	}
	s, alive := r.stat(pid)
	if alive && (p == nil || s.start != start) {
		return r.load(pid, now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[pid]; e != nil && e.process != nil {
		e.checked = now
		return e.process
	}
	if !alive {
		r.miss(pid, now)
	}
	return p
}

// miss remembers that there is no such process, so that a burst of its late events asks procfs once.
func (r *Resolver) miss(pid uint32, now time.Time) {
	r.counts.missing.Add(1)
	r.insert(&entry{pid: pid, checked: now, left: now})
}

// retained returns what is kept of a process that left, and whether that is recent enough to need no look at procfs.
func (r *Resolver) retained(pid uint32, now time.Time) (p *model.Process, start uint64, settled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	e := r.entries[pid]
	if e == nil {
		return nil, 0, pid == 0 // PID 0 is the idle task: it has no procfs entry and never will
	}
	return e.process, e.start, e.place == nil || now.Sub(e.checked) < recheckAfter
}

// load reads a process that lives and remembers it, unless another caller was faster.
func (r *Resolver) load(pid uint32, now time.Time) *model.Process {
	p, start, ok := r.read(pid)
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[pid]
	if !ok {
		r.miss(pid, now)
		return nil
	}
	if e != nil && e.process != nil {
		if e.start == start {
			return e.process
		}
		r.counts.reused.Add(1)
	}
	r.insert(&entry{pid: pid, process: p, start: start})
	return p
}

// outdated tells whether pid is known from kernel facts alone and these now say another name: an exec went unnoticed.
func (r *Resolver) outdated(pid uint32, comm string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entries[pid]
	return e != nil && e.process != nil && e.start == 0 && e.process.Name != nameOf("", comm)
}

func (r *Resolver) fromKernel(pid uint32, comm string, cgroupID uint64) *model.Process {
	p := &model.Process{PID: pid, Name: strings.Clone(nameOf("", comm))}
	if path := r.cgroups.path(cgroupID, r.now()); path != "" {
		place(p, []hierarchy{{version2: true, path: path}})
	}
	p.ServiceName = serviceName(p, "")
	return p
}

// insert remembers e in place of what was known of its PID. The caller holds mu.
func (r *Resolver) insert(e *entry) {
	r.remove(r.entries[e.pid])
	for len(r.entries) >= r.cfg.MaxEntries {
		r.evict()
	}
	r.entries[e.pid] = e
	if !e.left.IsZero() {
		e.place = r.gone.PushBack(e)
	}
}

// evict drops the process that is gone for longest, else any living one: that one can be read again.
func (r *Resolver) evict() {
	r.counts.evicted.Add(1)
	if front := r.gone.Front(); front != nil {
		r.remove(front.Value.(*entry))
		return
	}
	for _, e := range r.entries {
		r.remove(e)
		return
	}
}

func (r *Resolver) remove(e *entry) {
	if e == nil {
		return
	}
	if e.place != nil {
		r.gone.Remove(e.place)
	}
	delete(r.entries, e.pid)
}

func (r *Resolver) leave(e *entry, now time.Time) {
	e.left = now
	e.place = r.gone.PushBack(e)
}

func (r *Resolver) expire(now time.Time) {
	for front := r.gone.Front(); front != nil; front = r.gone.Front() {
		e := front.Value.(*entry)
		if now.Sub(e.left) < r.cfg.Retain {
			return
		}
		if e.process != nil {
			r.counts.expired.Add(1)
		}
		r.remove(e)
	}
}
