// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// spawn starts a real process and waits until it has become the program that it was started as.
func spawn(t *testing.T, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd) })
	awaitImage(t, cmd)
	return cmd
}

// awaitImage waits for the end of an exec. Start returns when the descriptors are closed for it, and that is before the
// kernel has put the arguments of the new image in place: a reader in between finds none. A program that has ended already
// has none either.
func awaitImage(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	waitFor(t, func() bool {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return len(args) > 0 || strings.Contains(string(stat), ") Z ")
	})
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func pidOf(cmd *exec.Cmd) uint32 { return uint32(cmd.Process.Pid) }

// clocked replaces the resolver's clock; the returned function moves it.
func clocked(r *Resolver) func(time.Duration) {
	now := time.Unix(1_700_000_000, 0)
	r.now = func() time.Time { return now }
	return func(d time.Duration) { now = now.Add(d) }
}

func TestLookupReadsLivingProcess(t *testing.T) {
	before := time.Now()
	cmd := spawn(t, []string{"OTEL_RESOURCE_ATTRIBUTES=service.name=night%20watch", "SECRET=hush"}, "sleep", "60.5")
	p := New(Default()).Lookup(pidOf(cmd))
	if p == nil {
		t.Fatal("not found")
	}
	if p.PID != pidOf(cmd) || p.ServiceName != "night watch" || p.Command != "sleep" {
		t.Errorf("got %+v", p)
	}
	if exe, err := filepath.EvalSymlinks(cmd.Path); err != nil || p.Path != exe || p.Name != filepath.Base(exe) {
		t.Errorf("path %q, name %q, want %q", p.Path, p.Name, exe)
	}
	if p.Started.Before(before.Add(-time.Second)) || p.Started.After(time.Now().Add(time.Second)) {
		t.Errorf("started %v, spawned at %v", p.Started, before)
	}
	if all := fmt.Sprintf("%+v", *p); strings.Contains(all, "60.5") || strings.Contains(all, "hush") {
		t.Errorf("argument or environment kept: %s", all)
	}
}

func TestIdentitySurvivesExitForRetain(t *testing.T) {
	r := New(Default())
	forward := clocked(r)
	cmd := spawn(t, nil, "sleep", "60")
	alive := r.Lookup(pidOf(cmd))
	stop(cmd)
	r.Exit(pidOf(cmd), 0)
	forward(59 * time.Second)
	if got := r.Lookup(pidOf(cmd)); got == nil || got != alive {
		t.Errorf("59 s after the exit: %v, want %v", got, alive)
	}
	forward(time.Second)
	if got := r.Lookup(pidOf(cmd)); got != nil {
		t.Errorf("60 s after the exit: %v, want nil", got)
	}
	if got := r.Stats().Expired; got != 1 {
		t.Errorf("expired %d, want 1", got)
	}
}

func TestExecChangesName(t *testing.T) {
	r := New(Default())
	cmd := exec.Command("sh", "-c", "read go; exec sleep 60")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd) })
	awaitImage(t, cmd)
	shell := r.Lookup(pidOf(cmd))
	if shell == nil || shell.Command != "sh" {
		t.Fatalf("before exec: %+v", shell)
	}
	fmt.Fprintln(in, "go")
	waitFor(t, func() bool {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
		return exe != shell.Path
	})
	awaitImage(t, cmd)
	if got := r.Lookup(pidOf(cmd)); got != shell {
		t.Errorf("before Exec is called: %+v", got)
	}
	slept := r.Exec(pidOf(cmd))
	if slept == nil || slept.Command != "sleep" || r.Lookup(pidOf(cmd)) != slept {
		t.Errorf("after exec: %+v", slept)
	}
	if !slept.Started.Equal(shell.Started) {
		t.Errorf("exec changed the start from %v to %v", shell.Started, slept.Started)
	}
	if shell.Command != "sh" {
		t.Error("published identity was changed")
	}
}

func TestDeletedExecutableKeepsItsName(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger (v2)")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := spawn(t, nil, path, "60")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	p := New(Default()).Lookup(pidOf(cmd))
	if p == nil || p.Path != path || p.Name != "ledger (v2)" || p.ServiceName != "ledger (v2)" {
		t.Errorf("got %+v", p)
	}
}

func TestKernelThreadIsNamedByComm(t *testing.T) {
	if comm, err := os.ReadFile("/proc/2/comm"); err != nil || string(comm) != "kthreadd\n" {
		t.Skip("PID 2 is not kthreadd: not in the root PID namespace")
	}
	if p := New(Default()).Lookup(2); p == nil || p.Name != "kthreadd" || p.Path != "" || p.ServiceName != "kthreadd" {
		t.Errorf("got %+v", p)
	}
}

func TestUnknownProcess(t *testing.T) {
	r := New(Default())
	cmd := spawn(t, nil, "true")
	_ = cmd.Wait()
	for range 3 {
		if p := r.Lookup(pidOf(cmd)); p != nil {
			t.Fatalf("got %+v for a process that is gone", p)
		}
	}
	if got := r.Stats().Missing; got != 1 {
		t.Errorf("procfs was asked %d times, want 1", got)
	}
	if p := r.Lookup(0); p != nil || r.Stats().Missing != 1 {
		t.Errorf("PID 0: %+v, asked procfs for it", p)
	}
}

func TestSeenNamesProcessThatIsGone(t *testing.T) {
	r := New(Default())
	cmd := spawn(t, nil, "true")
	_ = cmd.Wait()
	p := r.Seen(pidOf(cmd), "curl", 0)
	if p == nil || p.PID != pidOf(cmd) || p.Name != "curl" || p.ServiceName != "curl" || !p.Started.IsZero() {
		t.Fatalf("got %+v", p)
	}
	if r.Lookup(pidOf(cmd)) != p || r.Seen(pidOf(cmd), "curl", 0) != p {
		t.Error("identity from kernel facts was not kept")
	}
	if other := r.Seen(pidOf(cmd), "wget", 0); other.Name != "wget" || p.Name != "curl" {
		t.Errorf("after an exec to wget: %+v", other)
	}
	if got := r.Stats().Fallbacks; got != 2 {
		t.Errorf("fallbacks %d, want 2", got)
	}
	if p := r.Seen(pidOf(cmd)+1<<22, "", 0); p == nil || p.ServiceName != "unknown" {
		t.Errorf("without a comm: %+v", p)
	}
}

func TestSeenPrefersProcfs(t *testing.T) {
	r := New(Default())
	cmd := spawn(t, nil, "sleep", "60")
	if p := r.Seen(pidOf(cmd), "worker-thread", 0); p.Command != "sleep" {
		t.Errorf("got %+v", p)
	}
}

func TestExecOfProcessThatIsGoneForgetsItsOldName(t *testing.T) {
	r := New(Default())
	cmd := spawn(t, nil, "sleep", "60")
	r.Lookup(pidOf(cmd))
	stop(cmd)
	if p := r.Exec(pidOf(cmd)); p != nil {
		t.Errorf("got %+v", p)
	}
	if p := r.Seen(pidOf(cmd), "curl", 0); p.Name != "curl" {
		t.Errorf("after exec to curl: %+v", p)
	}
}

// own is a procfs in which the test decides who owns PID 42.
type own struct {
	t    *testing.T
	root string
}

func (o own) set(comm string, start int) {
	dir := filepath.Join(o.root, "42")
	text := strings.Replace("42 ("+comm+")"+statTail, "1234", fmt.Sprint(start), 1)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(text), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

func (o own) clear() {
	if err := os.RemoveAll(filepath.Join(o.root, "42")); err != nil {
		o.t.Fatal(err)
	}
}

func reuse(t *testing.T) (own, *Resolver, func(time.Duration)) {
	o := own{t, t.TempDir()}
	r := fixture(o.root)
	return o, r, clocked(r)
}

func TestReusedPIDAfterExitIsTheNewProcess(t *testing.T) {
	o, r, forward := reuse(t)
	o.set("old", 100)
	r.Lookup(42)
	r.Exit(42, 2*time.Second)
	o.set("new", 300)
	forward(recheckAfter)
	if p := r.Lookup(42); p.Name != "new" {
		t.Errorf("got %+v", p)
	}
	if got := r.Stats().Reused; got != 1 {
		t.Errorf("reused %d, want 1", got)
	}
}

// The file that is read halfway is a pipe, so that the PID changes hands in the middle of a read.
func TestReadAcrossReuseIsRepeated(t *testing.T) {
	o, r, _ := reuse(t)
	o.set("old", 100)
	pipe := filepath.Join(o.root, "42", "cgroup")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	var other sync.WaitGroup
	other.Go(func() {
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Error(err)
			return
		}
		o.set("new", 300)
		_ = os.Remove(pipe)
		fmt.Fprintln(w, "0::/old.service")
		_ = w.Close()
	})
	p := r.Lookup(42)
	other.Wait()
	if p.Name != "new" || p.Unit != "" {
		t.Errorf("two processes mixed: %+v", p)
	}
}

func TestExitOfThePreviousOwnerIsIgnored(t *testing.T) {
	o, r, forward := reuse(t)
	o.set("new", 300)
	p := r.Lookup(42)
	r.Exit(42, 2990*time.Millisecond)
	forward(time.Hour)
	if r.Lookup(42) != p {
		t.Error("exit from before the start ended the process")
	}
	r.Exit(42, 3*time.Second)
	o.clear()
	forward(time.Minute)
	if p := r.Lookup(42); p != nil {
		t.Errorf("exit in the tick of the start was ignored: %+v", p)
	}
}

func TestZombieKeepsItsIdentity(t *testing.T) {
	o, r, forward := reuse(t)
	o.set("child", 100)
	p := r.Lookup(42)
	r.Exit(42, 2*time.Second)
	forward(30 * time.Second) // still in procfs with the same start: not reaped
	if got := r.Lookup(42); got != p {
		t.Errorf("got %+v", got)
	}
}

func TestSweepNoticesUnreportedExits(t *testing.T) {
	o, r, forward := reuse(t)
	o.set("a", 100)
	p := r.Lookup(42)
	r.Sweep()
	o.clear()
	r.Sweep()
	forward(59 * time.Second)
	if r.Lookup(42) != p {
		t.Error("identity did not survive the unreported exit")
	}
	forward(time.Second)
	r.Sweep()
	if got := r.Len(); got != 0 {
		t.Errorf("%d entries left", got)
	}
}

func TestSweepNoticesReuse(t *testing.T) {
	o, r, _ := reuse(t)
	o.set("old", 100)
	r.Lookup(42)
	o.set("new", 300)
	r.Sweep()
	if p := r.Lookup(42); p.Name != "new" {
		t.Errorf("got %+v", p)
	}
}

func TestProcessThatStartsAfterAMissIsFound(t *testing.T) {
	o, r, forward := reuse(t)
	if r.Lookup(42) != nil {
		t.Fatal("found before it started")
	}
	o.set("a", 100)
	forward(recheckAfter)
	if r.Lookup(42) == nil {
		t.Error("still missing")
	}
	o, r, _ = reuse(t)
	r.Lookup(42)
	o.set("b", 100)
	if p := r.Exec(42); p == nil || r.Lookup(42) != p {
		t.Error("exec did not end the miss")
	}
}

func TestMemoryIsBoundedAndGoneGoFirst(t *testing.T) {
	root := t.TempDir()
	write := func(pid int) {
		o := filepath.Join(root, fmt.Sprint(pid))
		if err := os.Mkdir(o, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o, "stat"), []byte("1 (p)"+statTail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := fixture(root)
	r.cfg.MaxEntries = 3
	for pid := 1; pid <= 5; pid++ {
		write(pid)
	}
	r.Lookup(1)
	two := r.Lookup(2)
	r.Lookup(3)
	r.Exit(3, 0)
	r.Exit(1, 0)
	r.Lookup(4) // in place of 3, gone for longer than 1
	if r.entries[1] == nil || r.entries[3] != nil {
		t.Error("evicted another than the one gone for longest")
	}
	r.Lookup(5) // in place of 1
	if r.Len() != 3 || r.Stats().Evicted != 2 {
		t.Errorf("%d entries, %d evicted, want 3 and 2", r.Len(), r.Stats().Evicted)
	}
	reads := r.Stats().Reads
	if r.Lookup(2) != two || r.Lookup(4) == nil || r.Lookup(5) == nil || r.Stats().Reads != reads {
		t.Error("a living process was evicted before one that is gone")
	}
	r.Lookup(1)
	if r.Len() != 3 || r.Stats().Evicted != 3 || r.Lookup(1) == nil {
		t.Errorf("with only living ones: %d entries, %d evicted", r.Len(), r.Stats().Evicted)
	}
	for pid := uint32(100); pid < 200; pid++ {
		r.Lookup(pid)
		r.Seen(pid, "short", 0)
	}
	if r.Len() != 3 {
		t.Errorf("%d entries after 100 PIDs that are gone", r.Len())
	}
}

func TestLookupOfKnownProcessDoesNotAllocate(t *testing.T) {
	r := New(Default())
	self := uint32(os.Getpid())
	r.Lookup(self)
	if n := testing.AllocsPerRun(1000, func() { r.Lookup(self) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Seen(self, "test", 7) }); n != 0 {
		t.Errorf("Seen: %v allocations", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	cfg := Default()
	cfg.MaxEntries, cfg.Retain, cfg.SweepEvery = 8, time.Millisecond, time.Millisecond
	r := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	var users sync.WaitGroup
	for worker := range uint32(4) {
		users.Go(func() {
			for i := range uint32(500) {
				pid := (worker*7 + i) % 40
				r.Lookup(pid)
				r.Seen(pid, "x", 1)
				r.Exec(pid)
				r.Exit(pid, 0)
				r.Stats()
			}
		})
	}
	users.Wait()
	cancel()
	running.Wait()
	if n := r.Len(); n > cfg.MaxEntries {
		t.Errorf("%d entries, limit %d", n, cfg.MaxEntries)
	}
	if self := uint32(os.Getpid()); r.Lookup(self) == nil {
		t.Error("own process not found")
	}
}

func TestConfigValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	err := Config{Retain: -1}.Validate()
	for _, want := range []string{"proc root", "max entries", "retain", "sweep"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not reached in 5 s")
		}
	}
}

func BenchmarkLookupKnown(b *testing.B) {
	r := New(Default())
	self := uint32(os.Getpid())
	for b.Loop() {
		r.Lookup(self)
	}
}

func BenchmarkRead(b *testing.B) {
	r := New(Default())
	self := uint32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		r.Exec(self)
	}
}

func BenchmarkSweep500(b *testing.B) {
	r := New(Default())
	self := uint32(os.Getpid())
	r.Lookup(self)
	for i := range uint32(499) {
		r.entries[1<<23+i] = r.entries[self]
	}
	for b.Loop() {
		r.Sweep()
	}
}
