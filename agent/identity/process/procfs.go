// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sonde/agent/model"
)

// tick is the unit of start times in procfs: USER_HZ is 100 on every architecture that sonde is built for.
const tick = 10 * time.Millisecond

// How much of a procfs file is read. Longer ones are cut and counted, except cmdline, of which more is never wanted.
const (
	statBytes    = 1024
	cmdlineBytes = 256
	cgroupBytes  = 16 << 10
	environBytes = 256 << 10
)

// Bounds of text that the observed process chose itself: of its service name, and of any.
const (
	nameBytes = 255
	textBytes = 4096 // PATH_MAX
)

const kernelThread = 0x00200000 // PF_KTHREAD in include/linux/sched.h

type stat struct {
	comm  string
	flags uint64
	start uint64 // clock ticks since boot
}

// parseStat reads /proc/PID/stat, proc_pid_stat(5). The comm is whatever the process set, brackets, spaces and newlines
// included, so its end is the last bracket of the file.
func parseStat(b []byte) (stat, bool) {
	from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if from < 0 || to < from {
		return stat{}, false
	}
	fields := strings.Fields(string(b[to+1:])) // from field 3, the state
	const flags, start = 9 - 3, 22 - 3
	if len(fields) <= start {
		return stat{}, false
	}
	s := stat{comm: string(b[from+1 : to])}
	var errFlags, errStart error
	s.flags, errFlags = strconv.ParseUint(fields[flags], 10, 64)
	s.start, errStart = strconv.ParseUint(fields[start], 10, 64)
	return s, errFlags == nil && errStart == nil
}

func (r *Resolver) stat(pid uint32) (stat, bool) {
	var buf [statBytes]byte
	n, err := readInto(r.file(pid, "stat"), buf[:])
	if err != nil {
		return stat{}, false
	}
	return parseStat(buf[:n])
}

// read reads all about a process, false when it is gone. The start time is compared before and after: the files are
// opened one by one, and a PID may change hands in between.
func (r *Resolver) read(pid uint32) (*model.Process, uint64, bool) {
	s, ok := r.stat(pid)
	for ok {
		r.counts.reads.Add(1)
		p := r.collect(pid, s)
		after, still := r.stat(pid)
		if !still || after.start == s.start {
			return p, s.start, true
		}
		s = after
	}
	return nil, 0, false
}

func (r *Resolver) collect(pid uint32, s stat) *model.Process {
	p := &model.Process{PID: pid, Started: r.cfg.Clock.Wall(time.Duration(s.start) * tick)}
	if s.flags&kernelThread == 0 {
		p.Path = executable(r.file(pid, "exe"))
	}
	p.Name = nameOf(p.Path, s.comm)
	p.Command = r.command(pid, p)
	hierarchies := parseCgroup(r.slurp(pid, "cgroup", cgroupBytes))
	place(p, hierarchies)
	r.cgroups.learn(hierarchies)
	p.ServiceName = serviceName(p, declaredName(r.slurp(pid, "environ", environBytes)))
	return p
}

// executable reads the link /proc/PID/exe, "" where there is none (kernel thread, zombie) or no permission.
func executable(link string) string {
	path, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return clean(strings.TrimSuffix(path, " (deleted)"))
}

// nameOf prefers the executable over the comm, which threads and programs change at will. An executable without a file
// (memfd_create, used by runc and by packers) has no name worth showing.
func nameOf(path, comm string) string {
	if path != "" && !strings.HasPrefix(path, "/memfd:") {
		return filepath.Base(path)
	}
	return clean(comm)
}

// command returns argv[0]. A title in its place is cut at the first space, unless the space belongs to the executable.
func (r *Resolver) command(pid uint32, p *model.Process) string {
	var buf [cmdlineBytes]byte
	n, err := readInto(r.file(pid, "cmdline"), buf[:])
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(buf[:n], []byte{0})
	argv0 := strings.TrimSpace(clean(string(first)))
	word, _, spaced := strings.Cut(argv0, " ")
	if !spaced || argv0 == p.Path || argv0 == p.Name {
		return argv0
	}
	return strings.Clone(strings.TrimSuffix(word, ":"))
}

// slurp reads at most limit bytes of a file, nothing when it cannot be read.
func (r *Resolver) slurp(pid uint32, name string, limit int) []byte {
	buf := make([]byte, 4096)
	path := r.file(pid, name)
	for {
		n, err := readInto(path, buf)
		if err != nil {
			return nil
		}
		if n < len(buf) {
			return buf[:n]
		}
		if len(buf) >= limit {
			r.counts.cut.Add(1)
			return buf
		}
		buf = make([]byte, min(limit, 8*len(buf)))
	}
}

func (r *Resolver) file(pid uint32, name string) string {
	return r.cfg.ProcRoot + "/" + strconv.FormatUint(uint64(pid), 10) + "/" + name
}

// readInto fills buf from the start of a file. It goes past os.File, whose poller and cleanup cost more than the read.
func readInto(path string, buf []byte) (int, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	total := 0
	for total < len(buf) {
		n, err := syscall.Read(fd, buf[total:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}

// clean makes text that a process chose fit for labels: valid UTF-8 without control characters, bounded in length.
func clean(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), textBytes)], "\uFFFD")
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, s)
}

// bootTime is the wall time of boot by ProcRoot/uptime, which counts from boot as start times do, to 10 ms. Its
// monotonic part is dropped: start times are for people to read.
func bootTime(procRoot string) time.Time {
	var buf [64]byte
	n, err := readInto(procRoot+"/uptime", buf[:])
	if err != nil {
		return time.Time{}
	}
	up, _, _ := strings.Cut(string(buf[:n]), " ")
	seconds, err := strconv.ParseFloat(up, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Now().Round(0).Add(-time.Duration(seconds * float64(time.Second)))
}
