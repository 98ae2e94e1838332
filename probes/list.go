// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sonde/probes/diag"
	"sonde/probes/event"
)

const tcpListen = 10 // include/net/tcp_states.h

// List delivers the TCP connections and the UDP sockets of every network namespace of the machine. withProcesses looks up
// who holds them, which reads /proc/PID/fd of every process.
func (s *Set) List(ctx context.Context, now uint64, withProcesses bool, f func(*event.Listed)) error {
	sockets, err := diag.Sockets(ctx, diag.Options{UDP: true, PIDs: withProcesses})
	if len(sockets) == 0 && err != nil { // one namespace that cannot be entered does not hide the others
		return fmt.Errorf("list the sockets that exist: %w", err)
	}
	for i := range sockets {
		k := &sockets[i]
		if k.Proto == diag.TCP && k.State == tcpListen {
			continue
		}
		l := listed(k)
		l.Hdr = event.Header{Time: now, Kind: uint8(event.KindListed)}
		f(&l)
	}
	return nil
}

// heldSockets returns the scope of the sockets that wanted processes hold already: connections by cookie, listeners by
// port, from which sockets will come.
func heldSockets(pids []uint32) ([]event.ScopeKey, error) {
	sockets, err := diag.Sockets(context.Background(), diag.Options{PIDs: true})
	if len(sockets) == 0 && err != nil {
		return nil, fmt.Errorf("list the sockets of the wanted processes: %w", err)
	}
	var keys []event.ScopeKey
	for _, k := range sockets {
		if !slices.ContainsFunc(k.PIDs, func(pid uint32) bool { return slices.Contains(pids, pid) }) {
			continue
		}
		key := event.ScopeKey{Kind: event.ScopeCookie, Value: k.Cookie}
		if k.State == tcpListen {
			key = event.ScopeKey{Kind: event.ScopeListenPort, Value: uint64(k.Local.Port())}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func listed(k *diag.Socket) event.Listed {
	l := event.Listed{
		Cookie: k.Cookie, BytesAcked: k.BytesAcked, BytesReceived: k.BytesReceived,
		SrttUs: k.SRTTMicros, Retransmits: k.Retransmits, State: uint8(k.State), Proto: uint8(k.Proto),
	}
	l.Tuple = event.Tuple{
		Local: as16(k.Local), Remote: as16(k.Remote), LocalPort: k.Local.Port(), RemotePort: k.Remote.Port(), Netns: k.NetNS,
	}
	if len(k.PIDs) > 0 {
		l.Actor.PidTgid = uint64(k.PIDs[0])<<32 | uint64(k.PIDs[0])
	}
	return l
}

func as16(a netip.AddrPort) [16]uint8 { return a.Addr().As16() }

// InterfaceName names an interface of the network namespace that sonde runs in; one that is gone keeps its number.
func (s *Set) InterfaceName(index uint32) string {
	if s.watcher != nil {
		if name := s.watcher.name(int(index)); name != "" {
			return name
		}
	}
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return fmt.Sprintf("if%d", index)
}

// CgroupID returns the id of a cgroup2 directory, given as a path below the root of the hierarchy or as a full path.
func CgroupID(root, path string) (uint64, error) {
	full := path
	if !strings.HasPrefix(path, root) {
		full = filepath.Join(root, path)
	}
	var st unix.Stat_t
	if err := unix.Stat(full, &st); err != nil {
		return 0, fmt.Errorf("cgroup %s: no such directory below %s: %w", path, root, err)
	}
	return st.Ino, nil
}
