// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"sonde/probes/event"
)

// inKernel tells whether the kernel side knows a process as Go.
func (g *GoWatcher) inKernel(t *testing.T, pid int) bool {
	t.Helper()
	for range 100 {
		program, layout := has[event.GoOffsets](t, g.set.maps["go_programs"], pid), has[golangGoLayout](t, g.layouts, pid)
		if program == layout {
			return program
		}
		time.Sleep(10 * time.Millisecond) // one is put in after the other
	}
	t.Fatalf("process %d is half known", pid)
	return false
}

func has[T any](t *testing.T, m *ebpf.Map, pid int) bool {
	t.Helper()
	var value T
	err := m.Lookup(uint32(pid), &value)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 10 s: %s", what)
}

func TestGoProgramsAreFoundAndForgotten(t *testing.T) {
	program := buildGo(t, "testdata/gohop", nil)
	_, g := watchGo(t)
	before := startHopper(t, readHTTP1, program)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	<-g.Scanned()
	if pid := before.cmd.Process.Pid; !g.inKernel(t, pid) || !g.Judged(uint32(pid)) {
		t.Error("a program that was there is not known when all have been looked at")
	}

	after := startHopper(t, readHTTP1, program)
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	files := g.Stats().Files
	g.Seen(uint32(sleep.Process.Pid), 1)
	g.Seen(uint32(after.cmd.Process.Pid), 1)
	g.Seen(uint32(os.Getpid()), 1)
	until(t, "a program that was seen", func() bool { return g.inKernel(t, after.cmd.Process.Pid) })
	if g.inKernel(t, sleep.Process.Pid) || g.inKernel(t, os.Getpid()) {
		t.Error("sleep is Go, or this test watches itself")
	}
	if got := g.Stats().Files; got != files {
		t.Errorf("%d files after a second process of one of %d", got, files)
	}
	_, _ = sleep.Process.Kill(), sleep.Wait()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}

	for _, h := range []*hopper{before, after} {
		_ = h.in.(io.Closer).Close()
		_ = h.cmd.Wait()
	}
	g.sweep(time.Now())
	if g.inKernel(t, before.cmd.Process.Pid) || g.inKernel(t, after.cmd.Process.Pid) {
		t.Error("processes that have gone are known still")
	}
	id := g.fileOfPath(t, program)
	if g.files[id] == nil {
		t.Error("the uprobes were taken off at once: the next process would have to wait for them")
	}
	g.sweep(time.Now().Add(2 * goIdle))
	if g.files[id] != nil {
		t.Error("the uprobes of a program that nobody runs are there still")
	}
}

func (g *GoWatcher) fileOfPath(t *testing.T, path string) fileID {
	t.Helper()
	for id, f := range g.files {
		info, err := f.file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.Stat(path); err == nil && os.SameFile(info, want) {
			return id
		}
	}
	t.Fatalf("%s is not watched", path)
	return fileID{}
}

// becomer is a program that becomes the one it is told.
const becomer = `package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"syscall"
)

func main() {
	os.Stdout.WriteString("ready\n")
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if line == "\n" {
		http.Get("http://127.0.0.1:1/")
	}
	panic(syscall.Exec(strings.TrimSpace(line), []string{"cat"}, nil))
}
`

func TestGoIsForgottenWhenTheProcessBecomesAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": becomer, "go.mod": "module becomer\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	_, g := watchGo(t)
	cmd := exec.Command(buildGo(t, dir, nil))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	var word string
	_, _ = fmt.Fscan(out, &word)
	pid := cmd.Process.Pid
	if err := g.Watch(uint32(pid)); err != nil || !g.inKernel(t, pid) {
		t.Fatal("not watched: ", err)
	}
	_, _ = fmt.Fprintln(in, cat)
	until(t, "the kernel side forgets it", func() bool { return !g.inKernel(t, pid) })
	g.sweep(time.Now())
	if _, known := g.processes[uint32(pid)]; known || g.inKernel(t, pid) {
		t.Error("cat is Go")
	}
	if !g.StartsPool(uint32(pid), 1) {
		t.Error("of a process that is not known, goroutines have causes")
	}
}

// The loops of connections work for many; who asks, and who serves a stream, for one.
func TestGoroutinesThatWorkForManyAreKnown(t *testing.T) {
	for _, b := range builds[:3] {
		t.Run(b.name, func(t *testing.T) {
			program := buildGo(t, "testdata/gohop", b.env, b.flags...)
			w, g := watchGo(t)
			h := startHopper(t, readHTTP1, program)
			pid := uint32(h.cmd.Process.Pid)
			if err := g.Watch(pid); err != nil {
				t.Fatal(err)
			}
			h.ask(w, 100, 5)
			w.settle()
			pools := map[string]bool{}
			p := g.processes[pid]
			for _, r := range w.all {
				if r.Kind() == event.KindUse {
					if u := event.As[event.Use](r); uint32(u.PidTgid>>32) == pid && u.Goid != 0 {
						pools[p.file.symbols.NameAt(u.StartPc-p.bias)] = g.StartsPool(pid, u.StartPc)
					}
				}
			}
			for prefix, want := range map[string]bool{
				"net/http.(*Transport).dialConn.": true, "net/http.(*Server).Serve.": true,
				"sync.(*WaitGroup).Go": false,
			} {
				seen := false
				for name, pool := range pools {
					if strings.HasPrefix(name, prefix) {
						seen = true
						if pool != want {
							t.Errorf("%s works for many: %v", name, pool)
						}
					}
				}
				if !seen {
					t.Errorf("nothing runs %s: %v", prefix, pools)
				}
			}
		})
	}
}

// What uses a socket is told of by its start, what a listing found by none: of a process with many connections both come, in any
// order.
func TestAProcessStaysJudgedUntilItIsAnother(t *testing.T) {
	_, g := watchGo(t)
	pid := uint32(os.Getppid())
	start, err := processStart(pid)
	if err != nil {
		t.Fatal(err)
	}
	ticks, err := strconv.ParseInt(start, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	started := time.Duration(ticks)*10*time.Millisecond + 7654321
	judged := func(when string, want bool) {
		t.Helper()
		if got := g.Judged(pid); got != want {
			t.Errorf("judged %v %s, want %v", got, when, want)
		}
	}
	judged("before it was looked at", false)
	g.Seen(pid, 0)
	g.judge(<-g.queue)
	judged("when it was looked at", true)
	for _, from := range []time.Duration{started, 0, started, 0} {
		g.Seen(pid, from)
		judged("while it is the same", true)
	}
	if len(g.queue) != 1 {
		t.Errorf("%d times to be looked at again, want once: when it was known who it is", len(g.queue))
	}
	g.Seen(pid, started+time.Second)
	judged("when its number belongs to another", false)
}

// A shell that was there at the start may have become a server in Go when it first uses a socket.
func TestAProcessThatIsAnotherProgramIsNotJudged(t *testing.T) {
	_, g := watchGo(t)
	cmd := exec.Command("sh", "-c", "read line; exec sleep 100")
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	pid := uint32(cmd.Process.Pid)
	until(t, "sh", func() bool { exe, _ := os.Readlink(procPath(pid, "exe")); return !strings.Contains(exe, ".test") })
	shell, _ := os.Readlink(procPath(pid, "exe"))
	g.judge(pid)
	if !g.Judged(pid) {
		t.Fatal("sh is not judged")
	}
	_, _ = io.WriteString(in, "go on\n")
	until(t, "sleep", func() bool { exe, _ := os.Readlink(procPath(pid, "exe")); return exe != shell })
	start, err := processStart(pid)
	ticks, _ := strconv.ParseInt(start, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	g.Seen(pid, time.Duration(ticks)*10*time.Millisecond)
	if g.Judged(pid) {
		t.Error("sleep is judged by what sh is")
	}
	if g.judge(<-g.queue); !g.Judged(pid) {
		t.Error("sleep is not judged")
	}
}

func TestSeenNeverWaits(t *testing.T) {
	_, g := watchGo(t)
	g.work.Lock() // as while a process is looked at
	defer g.work.Unlock()
	for pid := range uint32(goQueue + 10) {
		g.Seen(1_000_000+pid, 1)
		g.Seen(1_000_000+pid, 1)
	}
	if got := g.Stats().Dropped; got != 20 {
		t.Errorf("%d dropped, want 20: ten processes that found no room, twice", got)
	}
}
