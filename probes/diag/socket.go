// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Proto is a transport protocol by its IP number.
type Proto uint8

// The protocols that are listed.
const (
	TCP Proto = unix.IPPROTO_TCP
	UDP Proto = unix.IPPROTO_UDP
)

func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return strconv.Itoa(int(p))
}

// State is the state of a socket in the kernel's TCP numbering, include/net/tcp_states.h.
type State uint8

// The states. A UDP socket is StateEstablished when it is connected, else StateClose.
const (
	StateEstablished State = iota + 1
	StateSynSent
	StateSynRecv
	StateFinWait1
	StateFinWait2
	StateTimeWait
	StateClose
	StateCloseWait
	StateLastAck
	StateListen
	StateClosing
	StateNewSynRecv
)

// Socket is one socket at the time of the dump.
type Socket struct {
	Proto  Proto
	Family uint8 // AF_INET or AF_INET6, of the socket: AF_INET6 with IPv4 addresses is a dual-stack socket
	State  State
	// Local and Remote are unmapped: IPv4 is never ::ffff:a.b.c.d. Remote is 0.0.0.0:0 or [::]:0 while there is none.
	Local, Remote netip.AddrPort
	Cookie        uint64 // never 0, unique on this machine until it restarts
	Inode         uint32 // 0: no process holds it
	NetNS         uint32 // inode of its network namespace
	SRTTMicros    uint32
	Retransmits   uint32 // segments, over its whole life
	BytesAcked    uint64 // payload and SYN, FIN
	BytesReceived uint64
	PIDs          []uint32 // processes that hold it, ascending; nil unless asked for
}

// Options adds to the TCP sockets, which are always listed.
type Options struct {
	UDP  bool
	PIDs bool // look for the holders in /proc/PID/fd of every process
}

// Sockets lists TCP sockets (all but those in TIME_WAIT and half-open ones without a socket of their own) of every
// network namespace that can be reached. A socket that is opened or closed meanwhile may be listed or not. Namespaces
// that could not be entered are in the error, and the sockets of all others are returned with it.
//
// Other namespaces need CAP_SYS_ADMIN, other users' processes CAP_SYS_PTRACE. Safe for concurrent use.
func Sockets(ctx context.Context, opts Options) ([]Socket, error) {
	namespaces, err := Namespaces()
	if err != nil {
		return nil, err
	}
	var sockets []Socket
	err = visit(ctx, namespaces, func(inode uint32) error {
		found, err := dumpAll(opts, inode)
		sockets = append(sockets, found...)
		return err
	})
	if opts.PIDs && ctx.Err() == nil {
		err = errors.Join(err, owners(ctx, sockets))
	}
	return sockets, err
}

// dumpAll lists the sockets of the calling thread's network namespace.
func dumpAll(opts Options, inode uint32) ([]Socket, error) {
	protos := []Proto{TCP}
	if opts.UDP {
		protos = append(protos, UDP)
	}
	var all []Socket
	var errs []error
	for _, proto := range protos {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			found, err := dump(family, proto)
			if err != nil {
				errs = append(errs, fmt.Errorf("list %s sockets of network namespace %d: %w", proto, inode, err))
			}
			for i := range found {
				found[i].NetNS = inode
			}
			all = append(all, found...)
		}
	}
	return all, errors.Join(errs...)
}

// String is for logs and tests.
func (s Socket) String() string {
	return fmt.Sprintf("%s %v -> %v state %d cookie %d inode %d netns %d srtt %d us, %d retransmits, %d acked, %d received, pids %v",
		s.Proto, s.Local, s.Remote, s.State, s.Cookie, s.Inode, s.NetNS, s.SRTTMicros, s.Retransmits, s.BytesAcked,
		s.BytesReceived, s.PIDs)
}
