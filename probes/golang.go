// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"

	"sonde/probes/symbols"
)

// Limits of a GoWatcher.
const (
	goQueue     = 1024
	goProcesses = 8192     // as the maps of the kernel side
	goSeen      = 64 << 10 // processes that were looked at, Go or not
	goFiles     = 512      // Go programs with uprobes at a time
	goOthers    = 8192     // files known not to be Go
	goSweep     = 10 * time.Second
	goIdle      = time.Minute // an executable that nobody runs keeps its uprobes as long as this
)

// GoWatcher has the kernel side tell the goroutines of Go programs apart, and which of them is behind a request that another
// one reads or writes. It looks at each executable once, whatever number of processes runs it.
//
// Run does the work; Seen feeds it and never waits. All methods are safe for concurrent use.
type GoWatcher struct {
	set      *Set
	programs map[string]*ebpf.Program // by name, of golang.bpf.c
	layouts  *ebpf.Map
	exec     link.Link
	multi    bool // the kernel attaches one program at many places of a file by one link
	queue    chan uint32
	scanned  chan struct{} // closed when Run has looked at what was there

	// work is held while a process is looked at, which takes time; mu never is. Who writes to these maps holds both, so that
	// who reads them holds either.
	work      sync.Mutex
	mu        sync.Mutex
	processes map[uint32]goProcess // those that run Go
	files     map[fileID]*goFile
	others    map[fileID]bool // executables that are not Go, or of no use
	closed    bool

	seenMu sync.Mutex
	seen   map[uint32]time.Duration // process -> when it was started
	judged map[uint32]image         // whose program was looked at: it is not Go, or its goroutines are told apart

	dropped atomic.Uint64
	failed  atomic.Uint64
	last    atomic.Pointer[error]
}

// goProcess is a process that runs a Go program.
type goProcess struct {
	started string // as /proc/PID/stat has it
	file    *goFile
	bias    uint64 // what is to be taken off its addresses to have those of the file
}

// GoStats counts what a GoWatcher did.
type GoStats struct {
	Processes int    // Go processes that are watched
	Files     int    // their executables
	Dropped   uint64 // processes that found the queue full: they are looked at when they are seen again
	Failed    uint64 // executables that are Go and could not be looked at or attached to
	LastError error  // of the last of them
}

// GoWatcher loads the programs for Go. The caller must Close it before the Set.
func (s *Set) GoWatcher() (*GoWatcher, error) {
	return s.goWatcher(features.HaveBPFLinkUprobeMulti() == nil)
}

func (s *Set) goWatcher(multi bool) (*GoWatcher, error) {
	w := &GoWatcher{
		set: s, programs: map[string]*ebpf.Program{}, queue: make(chan uint32, goQueue), scanned: make(chan struct{}), multi: multi,
		seen: map[uint32]time.Duration{}, judged: map[uint32]image{}, processes: map[uint32]goProcess{}, files: map[fileID]*goFile{},
		others: map[fileID]bool{},
	}
	if err := w.load(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Seen tells of a process, which may be known: every process that uses a socket should pass here once, and again when it has
// become another program. started is when, since boot, 0 where that is not known: a listing of sockets does not say. It costs a
// map's lookup, of a new one a stat. Processes that are not Go are looked at no further than their ELF header.
func (w *GoWatcher) Seen(pid uint32, started time.Duration) {
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	was, known := w.seen[pid]
	if known && (was == started || started == 0) || int(pid) == os.Getpid() {
		return
	}
	select {
	case w.queue <- pid:
		if len(w.seen) >= goSeen {
			clear(w.seen)
		}
		if started != 0 && w.judged[pid] != imageOf(pid, startOf(started)) { // it is another process or program now
			delete(w.judged, pid)
		}
		w.seen[pid] = started
	default:
		w.dropped.Add(1)
	}
}

// Again forgets that a process was seen, because it runs another program now: the next Seen has it looked at once more.
func (w *GoWatcher) Again(pid uint32) {
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	delete(w.seen, pid)
	delete(w.judged, pid)
}

// Judged tells whether the program of a process was looked at. Until then, and for a Go program whose goroutines cannot be told
// apart, the threads of the process mean nothing. Safe for concurrent use.
func (w *GoWatcher) Judged(pid uint32) bool {
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	_, judged := w.judged[pid]
	return judged
}

// judge looks at the program of a process.
func (w *GoWatcher) judge(pid uint32) {
	start, err := processStart(pid)
	looked := imageOf(pid, start)
	if err != nil || w.Watch(pid) != nil { // gone, or counted
		return
	}
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	if len(w.judged) >= goSeen {
		clear(w.judged)
		clear(w.seen) // so that they come again
	}
	w.judged[pid] = looked
}

// Scanned is closed when Run has looked at the processes that were there.
func (w *GoWatcher) Scanned() <-chan struct{} { return w.scanned }

// Run looks at the processes that are there, then at those that Seen tells of, until ctx is done. It can be called once.
func (w *GoWatcher) Run(ctx context.Context) error {
	w.scan(ctx)
	close(w.scanned)
	sweep := time.NewTicker(goSweep)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case pid := <-w.queue:
			w.judge(pid)
		case now := <-sweep.C:
			w.sweep(now)
		}
	}
}

// scan looks at every process that runs. Those that use a socket meanwhile do not wait for the others.
func (w *GoWatcher) scan(ctx context.Context) {
	for _, pid := range runningProcesses() {
		for len(w.queue) > 0 && ctx.Err() == nil {
			w.judge(<-w.queue)
		}
		if ctx.Err() != nil {
			return
		}
		if int(pid) != os.Getpid() {
			w.judge(pid)
		}
	}
}

// Watch looks at the program of a process and attaches the uprobes, when it is Go. It takes milliseconds for a new
// executable, and microseconds for a known one. nil for what is not Go, and when the process has gone.
func (w *GoWatcher) Watch(pid uint32) error {
	started, err := processStart(pid)
	if err != nil {
		return nil // gone
	}
	file, id, err := openExecutable(pid)
	if err != nil {
		return nil // a kernel thread, or gone
	}
	w.work.Lock()
	defer w.work.Unlock()
	if w.closed || w.others[id] {
		_ = file.Close()
		return nil
	}
	if p, ok := w.processes[pid]; ok && p.started == started && p.file.id == id {
		_ = file.Close()
		return w.fillMaps(pid, p.file) // the kernel side forgot it when the process became another program and came back
	}
	f, err := w.fileOf(id, file)
	if f == nil {
		w.forget(pid)
		return err
	}
	return errors.Join(err, w.add(pid, started, f))
}

// fileOf returns what is known of an executable, which it looks at when it is new. It owns file. nil: it is of no use.
func (w *GoWatcher) fileOf(id fileID, file *os.File) (*goFile, error) {
	if f := w.files[id]; f != nil {
		_ = file.Close()
		return f, nil
	}
	if len(w.files) >= goFiles {
		_ = file.Close()
		return nil, w.fail(fmt.Errorf("more than %d Go programs", goFiles))
	}
	f, err := newGoFile(id, file)
	if err != nil {
		_ = file.Close()
		w.mu.Lock()
		if len(w.others) >= goOthers {
			clear(w.others)
		}
		w.others[id] = true
		w.mu.Unlock()
		if errors.Is(err, symbols.ErrNotGo) {
			return nil, nil
		}
		return nil, w.fail(err)
	}
	if err = w.attach(f); err != nil {
		err = w.fail(err)
	}
	w.mu.Lock()
	w.files[id] = f
	w.mu.Unlock()
	return f, err
}

func (w *GoWatcher) fail(err error) error {
	w.failed.Add(1)
	w.last.Store(&err)
	return err
}

func (w *GoWatcher) add(pid uint32, started string, f *goFile) error {
	w.forget(pid)
	if len(w.processes) >= goProcesses {
		return w.fail(fmt.Errorf("more than %d Go processes", goProcesses))
	}
	w.mu.Lock()
	f.users++
	w.processes[pid] = goProcess{started, f, loadBias(pid, f)}
	w.mu.Unlock()
	return w.fillMaps(pid, f)
}

func (w *GoWatcher) fillMaps(pid uint32, f *goFile) error {
	if err := w.layouts.Put(pid, &f.program.layout); err != nil {
		return w.fail(fmt.Errorf("tell where process %d keeps its connections: %w", pid, err))
	}
	if err := w.set.SetGoProgram(pid, f.program.offsets); err != nil {
		return w.fail(err)
	}
	return nil
}

// Forget undoes Watch. A process that has gone is also noticed without it, within seconds.
func (w *GoWatcher) Forget(pid uint32) {
	w.Again(pid)
	w.work.Lock()
	defer w.work.Unlock()
	w.forget(pid)
}

func (w *GoWatcher) forget(pid uint32) {
	p, ok := w.processes[pid]
	if !ok {
		return
	}
	w.mu.Lock()
	delete(w.processes, pid)
	if p.file.users--; p.file.users == 0 {
		p.file.idle = time.Now()
	}
	w.mu.Unlock()
	_ = w.layouts.Delete(pid) // or it is not there: no matter
	_ = w.set.ForgetGoProgram(pid)
}

// sweep forgets processes that have gone, looks again at those that run another program now, and detaches from executables
// that nobody has run for a while.
func (w *GoWatcher) sweep(now time.Time) {
	for _, pid := range w.known() {
		if _, err := processStart(pid); err != nil {
			w.Forget(pid)
			continue
		}
		_ = w.Watch(pid)
	}
	w.detachIdle(now)
	w.seenMu.Lock()
	seen := slices.Collect(maps.Keys(w.seen))
	w.seenMu.Unlock()
	for _, pid := range seen {
		if _, err := os.Lstat(procPath(pid, "")); err != nil {
			w.Again(pid)
		}
	}
}

func (w *GoWatcher) known() []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.processes))
}

func (w *GoWatcher) detachIdle(now time.Time) {
	w.work.Lock()
	defer w.work.Unlock()
	var idle []*goFile
	w.mu.Lock()
	for id, f := range w.files {
		if f.users == 0 && now.Sub(f.idle) > goIdle {
			delete(w.files, id)
			idle = append(idle, f)
		}
	}
	w.mu.Unlock()
	for _, f := range idle { // detaching takes its time
		f.close()
	}
}

// Stats may be called at any time.
func (w *GoWatcher) Stats() GoStats {
	w.mu.Lock()
	s := GoStats{Processes: len(w.processes), Files: len(w.files)}
	w.mu.Unlock()
	s.Dropped, s.Failed = w.dropped.Load(), w.failed.Load()
	if err := w.last.Load(); err != nil {
		s.LastError = *err
	}
	return s
}

// Close detaches everything. Run must have returned.
func (w *GoWatcher) Close() error {
	for _, pid := range w.known() {
		w.Forget(pid)
	}
	w.work.Lock()
	defer w.work.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	var errs []error
	for _, f := range w.files {
		f.close()
	}
	clear(w.files)
	if w.exec != nil {
		errs = append(errs, w.exec.Close())
	}
	for _, p := range w.programs {
		errs = append(errs, p.Close())
	}
	if w.layouts != nil {
		errs = append(errs, w.layouts.Close())
	}
	return errors.Join(errs...)
}

func procPath(pid uint32, name string) string { return "/proc/" + strconv.Itoa(int(pid)) + "/" + name }
