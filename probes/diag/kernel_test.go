// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package diag

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: no network namespace can be made")
	}
}

// addNetNS does what `ip netns add` does: the namespace lives as long as its mount, without a process. inside runs in it.
func addNetNS(t *testing.T, inside func() error) (inode uint32) {
	t.Helper()
	path := filepath.Join("/run/netns", fmt.Sprintf("sonde-diag-%d", os.Getpid()))
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		name, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		inode, _ = parseNetNS(name)
		if err := os.MkdirAll("/run/netns", 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, nil, 0o444); err != nil {
			return err
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return inside()
	})
	t.Cleanup(func() {
		_ = unix.Unmount(path, unix.MNT_DETACH)
		_ = os.Remove(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	return inode
}

func TestSocketOfAMountedNamespaceIsFound(t *testing.T) {
	needRoot(t)
	var l *net.TCPListener
	inode := addNetNS(t, func() (err error) {
		l, err = listenTCP("tcp4", ":0")
		return err
	})
	defer l.Close()
	sockets, err := Sockets(context.Background(), Options{PIDs: true})
	if err != nil {
		t.Error(err)
	}
	if s := find(t, sockets, l); s.NetNS != inode || inode == SelfNetNS() || s.State != StateListen {
		t.Errorf("%v, want a listener in %d", s, inode)
	}
	if !slices.ContainsFunc(must(Namespaces()), func(ns NetNS) bool { return ns.Inode == inode && strings.HasPrefix(ns.Path, "/run/netns/") }) {
		t.Error("the namespace is not listed")
	}
}

// The test starts itself in a network namespace: nothing but /proc leads there, and the way ends with the process.
func TestSocketOfAProcessInAnotherNamespaceIsFound(t *testing.T) {
	needRoot(t)
	if os.Getenv("SONDE_TEST_LISTEN") != "" {
		l := must(listenTCP("tcp4", ":0"))
		fmt.Fprintln(os.Stderr, l.Addr().(*net.TCPAddr).Port, SelfNetNS())
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	stdin, hold, said, say := openPipes(t)
	child, err := os.StartProcess("/proc/self/exe", []string{"test", "-test.run=^" + t.Name() + "$"}, &os.ProcAttr{
		Env:   append(os.Environ(), "SONDE_TEST_LISTEN=1"),
		Files: []*os.File{stdin, nil, say},
		Sys:   &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET},
	})
	if err != nil {
		t.Fatal(err)
	}
	var port uint16
	var inode uint32
	if _, err := fmt.Fscan(said, &port, &inode); err != nil {
		t.Fatal(err)
	}
	namespaces := must(Namespaces())
	sockets, err := Sockets(context.Background(), Options{PIDs: true})
	if err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(sockets, func(s Socket) bool {
		return s.NetNS == inode && s.Local.Port() == port && s.State == StateListen && slices.Equal(s.PIDs, []uint32{uint32(child.Pid)})
	}) {
		t.Errorf("no listener on port %d in %d held by %d among %v", port, inode, child.Pid, sockets)
	}
	hold.Close()
	if _, err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	// The list is older than the end of the process: what has gone is no error.
	if err := visit(context.Background(), namespaces, func(seen uint32) error {
		if seen == inode {
			t.Error("a namespace that has gone was entered")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func openPipes(t *testing.T) (stdin, hold, said, say *os.File) {
	t.Helper()
	stdin, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	said, say, err = os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{stdin, hold, said, say} {
			f.Close()
		}
	})
	return stdin, hold, said, say
}
