// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NetNS is a network namespace. Path can be opened for setns while the process or mount behind it exists.
type NetNS struct {
	Inode uint32
	Path  string
}

// SelfNetNS returns the inode of the network namespace of this process, 0 when /proc is not there.
func SelfNetNS() uint32 {
	name, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0
	}
	inode, _ := parseNetNS(name)
	return inode
}

// Namespaces lists the network namespaces that a process is in or that are mounted somewhere (as `ip netns add` does), by
// inode. Not found are those that only a descriptor or a single thread keeps.
func Namespaces() ([]NetNS, error) {
	seen := make(map[uint32]string)
	if err := fromProcesses(seen); err != nil {
		return nil, err
	}
	fromMounts(seen)
	list := make([]NetNS, 0, len(seen))
	for inode, path := range seen {
		list = append(list, NetNS{inode, path})
	}
	slices.SortFunc(list, func(a, b NetNS) int { return int(int64(a.Inode) - int64(b.Inode)) })
	return list, nil
}

// fromProcesses skips what it may not read and processes that have gone. A path of this process is preferred, because it
// stays.
func fromProcesses(seen map[uint32]string) error {
	proc, err := os.Open("/proc")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	var buf [64]byte
	for _, name := range append(pids(names), "self") {
		n, err := unix.Readlinkat(int(proc.Fd()), name+"/ns/net", buf[:])
		if err != nil {
			continue
		}
		inode, ok := parseNetNS(string(buf[:n]))
		if _, known := seen[inode]; ok && (!known || name == "self") {
			seen[inode] = "/proc/" + name + "/ns/net"
		}
	}
	return nil
}

// pids keeps the names that are process ids.
func pids(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return name[0] < '1' || name[0] > '9' })
}

// fromMounts adds namespaces that no process is in; a socket of theirs may be held from another namespace.
func fromMounts(seen map[uint32]string) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return // processes alone are nearly all
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if inode, ok := parseNetNS(fields[3]); ok && seen[inode] == "" {
			seen[inode] = strings.ReplaceAll(fields[4], `\040`, " ")
		}
	}
}

// parseNetNS reads "net:[4026531840]".
func parseNetNS(name string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, "net:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 32)
	return uint32(inode), err == nil
}

// onOwnThread runs fn on a thread that runs nothing else and ends with it, so that fn may change what belongs to a thread.
func onOwnThread(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		// The main thread would not end with this goroutine, and /proc/self would show what fn changed from then on. While
		// it is locked here, no other goroutine runs on it.
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- onOwnThread(fn)
			return
		}
		result <- fn() // not unlocked: the thread ends
	}()
	return <-result
}

// visit calls fn in each namespace, the own one first.
func visit(ctx context.Context, namespaces []NetNS, fn func(inode uint32) error) error {
	return onOwnThread(func() error { return visitHere(ctx, namespaces, fn) })
}

func visitHere(ctx context.Context, namespaces []NetNS, fn func(inode uint32) error) error {
	var errs []error
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("find the own network namespace: %w", err)
	}
	self, _ := parseNetNS(name)
	if err := fn(self); err != nil {
		errs = append(errs, err)
	}
	for _, ns := range namespaces {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ns.Inode == self {
			continue
		}
		err := enter(ns)
		if errors.Is(err, fs.ErrNotExist) {
			err = enterAgain(ns.Inode)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is gone, and its sockets with it
		}
		if err == nil {
			err = fn(ns.Inode)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// enterAgain looks for another way into a namespace whose process has gone since it was found.
func enterAgain(inode uint32) error {
	namespaces, err := Namespaces()
	if err != nil {
		return err
	}
	for _, ns := range namespaces {
		if ns.Inode == inode {
			return enter(ns)
		}
	}
	return fs.ErrNotExist
}

// enter moves the calling thread. fs.ErrNotExist: the path has gone or means another namespace by now.
func enter(ns NetNS) error {
	fd, err := unix.Open(ns.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open network namespace %d (%s): %w", ns.Inode, ns.Path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || uint32(st.Ino) != ns.Inode {
		return fs.ErrNotExist
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %d (%s): %w", ns.Inode, ns.Path, err)
	}
	return nil
}
