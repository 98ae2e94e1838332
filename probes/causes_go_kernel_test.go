// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"debug/dwarf"
	"debug/elf"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/probes/event"
)

func TestGoroutinesAreToldByTheirNumber(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("g is not seen from the kernel on this architecture")
	}
	w, c := watched(t, withCauses)
	if err := w.set.SetGoProgram(uint32(os.Getpid()), goOffsets(t)); err != nil {
		t.Fatal(err)
	}
	type told struct{ client, parent, server uint64 }
	var want []told
	for range 3 {
		var g told
		g.parent = goid()
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.client = goid()
			for range 2 { // on several threads, as it comes
				if _, err := c.client.Write([]byte(request)); err != nil {
					t.Error(err)
				}
				served := make(chan struct{})
				go func() { g.server = goid(); hear(t, c.server, []byte(request)); close(served) }()
				<-served
				_, _ = c.server.Write(answer(10))
				hear(t, c.client, answer(10))
				time.Sleep(time.Millisecond)
			}
		}()
		<-done
		want = append(want, g)
	}
	w.settle()
	uses := w.uses(event.UseSend, w.end(c.clientPort, c.serverPort))
	if len(uses) != len(want) {
		t.Fatalf("%d senders, want %d: one for each goroutine", len(uses), len(want))
	}
	for i, u := range uses {
		if u.Goid != want[i].client || u.ParentGoid != want[i].parent || !strings.Contains(function(u.StartPc), "TestGoroutinesAreTold") {
			t.Errorf("goroutine %d of %d in %s, want %d of %d", u.Goid, u.ParentGoid, function(u.StartPc), want[i].client, want[i].parent)
		}
	}
	reads := w.uses(event.UseRead, w.end(c.serverPort, c.clientPort))
	if len(reads) != 6 || reads[5].Goid != want[2].server {
		t.Errorf("%d reads, the last by goroutine %d; want 6, %d", len(reads), reads[len(reads)-1].Goid, want[2].server)
	}
	forgotten(t, w, c)
}

func forgotten(t *testing.T, w *watch, c pair) {
	t.Helper()
	if err := w.set.ForgetGoProgram(uint32(os.Getpid())); err != nil {
		t.Fatal(err)
	}
	say(t, c.client, c.server, []byte(request))
	w.settle()
	uses := w.uses(event.UseSend, w.end(c.clientPort, c.serverPort))
	if last := uses[len(uses)-1]; last.Goid != 0 || last.StartPc != 0 {
		t.Errorf("a program that was forgotten: %+v", last)
	}
	if err := w.set.ForgetGoProgram(uint32(os.Getpid())); err != nil {
		t.Error(err)
	}
}

// A thread of a Go program works for many: where its goroutine cannot be read, nobody is told.
func TestAGoroutineThatIsNotSeenIsNobody(t *testing.T) {
	w, c := watched(t, withCauses)
	say(t, c.client, c.server, []byte(request))
	say(t, c.server, c.client, answer(10))
	if err := w.set.SetGoProgram(uint32(os.Getpid()), event.GoOffsets{Goid: 1 << 31, StartPc: 1 << 31}); err != nil {
		t.Fatal(err)
	}
	say(t, c.client, c.server, []byte(request))
	w.settle()
	sent := w.uses(event.UseSend, w.end(c.clientPort, c.serverPort))
	read := w.uses(event.UseRead, w.end(c.serverPort, c.clientPort))
	if len(sent) != 2 || len(read) != 2 || sent[0].PidTgid == 0 || sent[1].PidTgid != 0 || read[1].PidTgid != 0 {
		t.Errorf("sent by %+v, read by %+v; want a thread, then nobody", sent, read)
	}
}

func function(pc uint64) string {
	if f := runtime.FuncForPC(uintptr(pc)); f != nil {
		return f.Name()
	}
	return "nothing"
}

// goid is the number that the runtime prints above a stack.
func goid() uint64 {
	var b [64]byte
	n, _ := strconv.ParseUint(strings.Fields(string(b[:runtime.Stack(b[:], false)]))[1], 10, 64)
	return n
}

// goOffsets reads how this release lays out runtime.g from a program built for it: go test leaves DWARF out of its own.
func goOffsets(t *testing.T) event.GoOffsets {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/main.go", []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "main", "main.go")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		if strings.HasPrefix(runtime.Version(), "go1.26") {
			return event.GoOffsets{Goid: 152, ParentGoid: 280, StartPc: 304}
		}
		t.Skipf("build a program to look at: %v: %s", err, text)
	}
	f, err := elf.Open(dir + "/main")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]uint32{}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			t.Fatal("no runtime.g in DWARF: ", err)
		}
		if e.Tag == dwarf.TagStructType && e.Val(dwarf.AttrName) == "runtime.g" {
			for m, _ := r.Next(); m != nil && m.Tag == dwarf.TagMember; m, _ = r.Next() {
				at[m.Val(dwarf.AttrName).(string)] = uint32(m.Val(dwarf.AttrDataMemberLoc).(int64))
			}
			return event.GoOffsets{Goid: at["goid"], ParentGoid: at["parentGoid"], StartPc: at["startpc"]}
		}
	}
}
