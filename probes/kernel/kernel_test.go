// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: nothing can be tried")
	}
}

// What the kernel says in other ways than by the trial must agree with the trial.
func TestDetectAgreesWithTheKernel(t *testing.T) {
	needRoot(t)
	f := Detect()
	if f.Rights != nil {
		t.Fatalf("rights: %v", f.Rights)
	}
	for name, err := range map[string]error{"ring buffer": f.RingBuffer, "kernel memory": f.KernelMemory,
		"socket storage": f.SKStorage, "cgroup v2": f.Cgroup2, "cgroup_skb": f.CgroupSKB,
		"inet_sock_set_state":  f.RawTracepoint("inet_sock_set_state"),
		"tcp_rcv_space_adjust": f.RawTracepoint("tcp_rcv_space_adjust")} {
		if err != nil {
			t.Errorf("%s: every kernel that sonde supports has it: %v", name, err)
		}
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); (err == nil) != (f.BTF == nil) {
		t.Errorf("BTF %v, its file %v", f.BTF, err)
	}
	if f.Tracefs == nil {
		agreeWithTracefs(t, f)
	}
	if n := f.Tracepoints["inet_sock_set_state"].Args; f.BTF == nil && n != 3 {
		t.Errorf("inet_sock_set_state has %d arguments, want 3", n)
	}
	if n := f.Tracepoints["kfree_skb"].Args; f.BTF == nil && n < 2 {
		t.Errorf("kfree_skb has %d arguments", n)
	}
	if (f.TCX == nil) != errors.Is(f.Clsact, ErrNotTried) {
		t.Errorf("TCX %v, clsact %v", f.TCX, f.Clsact)
	}
}

func agreeWithTracefs(t *testing.T, f *Features) {
	t.Helper()
	if _, err := os.Stat("/sys/kernel/tracing/kprobe_events"); (err == nil) != (f.Kprobe == nil) {
		t.Errorf("kprobe: %v, its file in tracefs: %v", f.Kprobe, err)
	}
	_, err := os.Stat("/sys/kernel/tracing/events/sock/sock_send_length")
	if got := f.RawTracepoint("sock_send_length"); (err == nil) != (got == nil) {
		t.Errorf("sock_send_length: %v, its directory in tracefs: %v", got, err)
	}
}

func TestUnknownTracepointIsNotTried(t *testing.T) {
	if err := (&Features{}).RawTracepoint("no_such"); !errors.Is(err, ErrNotTried) {
		t.Error(err)
	}
}

func TestMissingTracepointIsNamed(t *testing.T) {
	needRoot(t)
	p, err := pass(ebpf.ProgramSpec{Type: ebpf.RawTracepoint}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := tryTracepoint(p, "sonde_no_such"); err == nil || !strings.Contains(err.Error(), "no tracepoint sonde_no_such") {
		t.Error(err)
	}
}

// Programs of a closed link are freed a moment later, so they are looked for where they would still act.
func TestDetectLeavesNothingAttached(t *testing.T) {
	needRoot(t)
	lo, err := netlink.LinkByIndex(loopbackIndex)
	if err != nil {
		t.Fatal(err)
	}
	before, err := netlink.QdiscList(lo)
	if err != nil {
		t.Fatal(err)
	}
	f := Detect()
	if err := tryClsact(); err != nil {
		t.Errorf("clsact: %v", err)
	}
	if after, err := netlink.QdiscList(lo); err != nil || len(after) != len(before) {
		t.Errorf("qdiscs on lo: %d, then %d (%v)", len(before), len(after), err)
	}
	if own, self := netns(t, "/proc/thread-self/ns/net"), netns(t, "/proc/self/ns/net"); own != self {
		t.Errorf("this thread is in %s, the process in %s", own, self)
	}
	for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachCGroupInetEgress, ebpf.AttachCGroupInetIngress} {
		for _, name := range attached(t, f, at) {
			if name == "sonde_try" {
				t.Errorf("%v: a trial is still attached", at)
			}
		}
	}
}

func netns(t *testing.T, path string) string {
	t.Helper()
	name, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func attached(t *testing.T, f *Features, at ebpf.AttachType) (names []string) {
	t.Helper()
	target := loopbackIndex
	if at != ebpf.AttachTCXIngress {
		dir, err := os.Open(f.Cgroup2Root)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		target = int(dir.Fd())
	} else if f.TCX != nil {
		return nil
	}
	result, err := link.QueryPrograms(link.QueryOptions{Target: target, Attach: at})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range result.Programs {
		p, err := ebpf.NewProgramFromID(entry.ID)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		about, err := p.Info()
		p.Close()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, about.Name)
	}
	return names
}

// without runs fn on a thread that lacks the capabilities, and ends that thread.
func without(t *testing.T, fn func(), dropped ...int) {
	t.Helper()
	if err := onOwnThread(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		err := unix.Capget(&header, &caps[0])
		for _, bit := range dropped {
			caps[bit/32].Effective &^= 1 << (bit % 32)
		}
		if err == nil {
			err = unix.Capset(&header, &caps[0])
		}
		if err == nil {
			fn()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDetectNamesTheCapabilityThatIsMissing(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name    string
		dropped []int
		want    []string
	}{
		{"no CAP_NET_ADMIN", []int{unix.CAP_NET_ADMIN}, []string{"CAP_NET_ADMIN"}},
		{"neither CAP_BPF nor CAP_SYS_ADMIN", []int{unix.CAP_BPF, unix.CAP_SYS_ADMIN}, []string{"CAP_BPF"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f *Features
			without(t, func() { f = Detect() }, tt.dropped...)
			var need *NeedRights
			if !errors.As(f.Rights, &need) || !slices.Equal(need.Missing, tt.want) {
				t.Fatalf("rights: %v, want %v", f.Rights, tt.want)
			}
			for _, feature := range f.All() {
				if feature.Name == "cgroup_skb" && !errors.Is(feature.Err, need) {
					t.Errorf("%s: %v, want the same error", feature.Name, feature.Err)
				}
			}
		})
	}
	var f *Features
	without(t, func() { f = Detect() }, unix.CAP_SYS_PTRACE)
	if f.Rights != nil || f.OtherProcesses == nil {
		t.Errorf("rights %v, other processes %v", f.Rights, f.OtherProcesses)
	}
}

// In a user namespace the process has every capability, and none counts: the test starts itself in one.
func TestDetectKnowsAUserNamespace(t *testing.T) {
	if os.Getenv("SONDE_TEST_USERNS") != "" {
		var need *NeedRights
		if f := Detect(); !errors.As(f.Rights, &need) || !need.UserNS {
			t.Errorf("rights: %v", f.Rights)
		}
		return
	}
	needRoot(t)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	child, err := os.StartProcess("/proc/self/exe", []string{"test", "-test.run=^TestDetectKnowsAUserNamespace$"},
		&os.ProcAttr{
			Env:   append(os.Environ(), "SONDE_TEST_USERNS=1"),
			Files: []*os.File{nil, os.Stdout, os.Stderr},
			Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids},
		})
	if err != nil {
		t.Skipf("no user namespace can be made here: %v", err)
	}
	state, err := child.Wait()
	if err != nil || !state.Success() {
		t.Errorf("in the user namespace: %v, %v", state, err)
	}
}

func TestMountsThatAreThereAreLeftAlone(t *testing.T) {
	needRoot(t)
	before := readMounts(t)
	if tracefs() == nil {
		if err := MountTracefs(); err != nil {
			t.Error(err)
		}
	}
	if bpffs() == nil {
		if err := MountBPFFS(); err != nil {
			t.Error(err)
		}
	}
	if after := readMounts(t); after != before {
		t.Errorf("mounts changed:\n%s\n%s", before, after)
	}
}

// In a mount namespace of its own, so that the machine keeps what it has.
func TestMissingTracefsIsMounted(t *testing.T) {
	needRoot(t)
	if err := onOwnThread(remountTracefs); err != nil {
		t.Error(err)
	}
}

func remountTracefs() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for tracefs() == nil {
		if err := unix.Unmount(tracefsDir, unix.MNT_DETACH); err != nil {
			return err
		}
	}
	if err := MountTracefs(); err != nil {
		return err
	}
	return tracefs()
}

func readMounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		Detect()
	}
}

// As many at once as to need every thread that is idle, the main thread too.
func TestOwnThreadIsNeverTheMainThread(t *testing.T) {
	const many = 64
	var inside, done sync.WaitGroup
	inside.Add(many)
	for range many {
		done.Go(func() {
			if err := onOwnThread(func() error {
				if unix.Gettid() == unix.Getpid() {
					t.Error("on the main thread")
				}
				inside.Done()
				inside.Wait()
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}
