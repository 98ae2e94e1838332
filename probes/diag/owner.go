// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// owners fills in PIDs with one pass over the descriptors of every process. Processes that exit meanwhile or that may not
// be looked into are passed over.
func owners(ctx context.Context, sockets []Socket) error {
	byInode := make(map[uint32]int, len(sockets))
	for i := range sockets {
		if sockets[i].Inode != 0 {
			byInode[sockets[i].Inode] = i
		}
	}
	if len(byInode) == 0 {
		return nil
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, name := range pids(names) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		eachSocket(int(proc.Fd()), name, func(inode uint32) {
			if i, ok := byInode[inode]; ok {
				sockets[i].PIDs = append(sockets[i].PIDs, uint32(pid))
			}
		})
	}
	for i := range sockets {
		slices.Sort(sockets[i].PIDs)
		sockets[i].PIDs = slices.Compact(sockets[i].PIDs)
	}
	return nil
}

// eachSocket calls fn with the inode of each descriptor of a process that is a socket, once per descriptor.
func eachSocket(proc int, pid string, fn func(inode uint32)) {
	fd, err := unix.Openat(proc, pid+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	dir := os.NewFile(uintptr(fd), pid)
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // of a process that is exiting: what there was
	var buf [32]byte
	for _, name := range names {
		n, err := unix.Readlinkat(fd, name, buf[:])
		if err != nil {
			continue
		}
		if inode, ok := parseSocket(string(buf[:n])); ok {
			fn(inode)
		}
	}
}

// parseSocket reads "socket:[12345]".
func parseSocket(name string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, "socket:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 32)
	return uint32(inode), err == nil
}
