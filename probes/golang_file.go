// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"sonde/probes/symbols"
)

// fileID tells executables apart. A file that was written again is another one.
type fileID struct {
	device, inode uint64
	size, changed int64
}

// goFile is the executable of a Go program with its uprobes. Guarded by the watcher's lock, but for what says otherwise.
type goFile struct {
	id      fileID
	file    *os.File // open as long as anything is asked of it
	symbols *symbols.Program
	program *goProgram
	links   []link.Link // referenced until detached: the collector would detach them
	users   int
	idle    time.Time // since when there are no users

	poolMu sync.Mutex
	pools  map[uint64]bool // address of a function in the file -> whether it works for many, see StartsPool
}

// openExecutable opens the program of a process, which stays the same file whatever happens to its path.
func openExecutable(pid uint32) (*os.File, fileID, error) {
	f, err := os.Open(procPath(pid, "exe"))
	if err != nil {
		return nil, fileID{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fileID{}, errors.Join(err, f.Close())
	}
	id, ok := idOf(info)
	if !ok || !info.Mode().IsRegular() {
		return nil, fileID{}, errors.Join(errors.New("not a regular file"), f.Close())
	}
	return f, id, nil
}

func idOf(info os.FileInfo) (fileID, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{uint64(s.Dev), s.Ino, s.Size, s.Ctim.Nano()}, true
}

// image is a process and the program that it runs.
type image struct {
	started string // as processStart has it
	exe     fileID // zero when it has gone
}

func imageOf(pid uint32, started string) image {
	i := image{started: started}
	if info, err := os.Stat(procPath(pid, "exe")); err == nil {
		i.exe, _ = idOf(info)
	}
	return i
}

// newGoFile owns file when it succeeds.
func newGoFile(id fileID, file *os.File) (*goFile, error) {
	p, err := symbols.Open(file)
	if err != nil {
		return nil, err
	}
	g, err := inspect(p)
	if err != nil {
		return nil, err
	}
	return &goFile{id: id, file: file, symbols: p, program: g, pools: map[uint64]bool{}, idle: time.Now()}, nil
}

func (f *goFile) close() {
	for _, l := range f.links {
		_ = l.Close() // the kernel detaches when the descriptor goes, whatever it answers
	}
	f.links = nil
	_ = f.file.Close()
}

// load loads golang.bpf.c with the maps that the other objects have made.
func (w *GoWatcher) load() error {
	spec, err := loadGolang()
	if err != nil {
		return fmt.Errorf("read embedded object golang: %w", err)
	}
	if err := w.set.settings(spec); err != nil {
		return err
	}
	for _, p := range spec.Programs {
		if w.multi && p.Type == ebpf.Kprobe {
			p.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	replace := map[string]*ebpf.Map{}
	for _, name := range shared {
		if m := w.set.maps[name]; m != nil && spec.Maps[name] != nil {
			spec.Maps[name].MaxEntries = m.MaxEntries()
			replace[name] = m
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		return fmt.Errorf("load object golang: %w", err)
	}
	defer coll.Close()
	for name := range coll.Programs {
		w.programs[name] = coll.DetachProgram(name)
	}
	w.layouts = coll.DetachMap("go_layouts")
	w.exec, err = link.AttachRawTracepoint(link.RawTracepointOptions{
		Name: "sched_process_exec", Program: w.programs["golang_exec"],
	})
	if err != nil {
		return fmt.Errorf("attach golang_exec at raw_tracepoint sched_process_exec: %w", err)
	}
	return nil
}

// attach puts the uprobes into an executable, for all processes that run it. What fails leaves the others attached.
func (w *GoWatcher) attach(f *goFile) error {
	ex, err := link.OpenExecutable("/proc/self/fd/" + strconv.Itoa(int(f.file.Fd())))
	if err != nil {
		return fmt.Errorf("open the executable: %w", err)
	}
	errs := f.program.skipped
	for name, sites := range f.program.sites {
		if err := w.attachSites(f, ex, w.programs[name], sites); err != nil {
			errs = append(errs, fmt.Errorf("attach %s at uprobe: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (w *GoWatcher) attachSites(f *goFile, ex *link.Executable, p *ebpf.Program, sites []uint64) error {
	if w.multi {
		l, err := ex.UprobeMulti(nil, p, &link.UprobeMultiOptions{Addresses: sites})
		if err == nil {
			f.links = append(f.links, l)
		}
		return err
	}
	for _, at := range sites {
		l, err := ex.Uprobe("", p, &link.UprobeOptions{Address: at})
		if err != nil {
			return err
		}
		f.links = append(f.links, l)
	}
	return nil
}

// processStart returns when a process was started, as a word that is the same as long as it is the same process.
func processStart(pid uint32) (string, error) {
	text, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return "", err
	}
	const startTime = 22 - 3 // fields behind the name, of which the first is the third (proc_pid_stat(5))
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= startTime {
		return "", errors.New("the process has no start time")
	}
	return string(fields[startTime]), nil
}

// startOf returns what processStart gives for a process that was started at a time since boot: the kernel counts in hundredths of
// a second there, on every machine (USER_HZ).
func startOf(sinceBoot time.Duration) string {
	return strconv.FormatInt(int64(sinceBoot/(time.Second/100)), 10)
}

// runningProcesses lists the numbers of all processes, in order.
func runningProcesses() []uint32 {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []uint32
	for _, n := range names {
		if pid, err := strconv.ParseUint(n.Name(), 10, 32); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	slices.Sort(pids)
	return pids
}
