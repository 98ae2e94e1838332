// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Layout of include/uapi/linux/inet_diag.h.
const (
	requestSize  = 56 // struct inet_diag_req_v2
	messageSize  = 72 // struct inet_diag_msg, followed by attributes
	attrTCPInfo  = 2  // INET_DIAG_INFO
	messagePorts = 4
	messageSrc   = 8
	messageDst   = 24
	messageCook  = 44
	messageInode = 68
)

// Where tcp_info holds what is read; an older kernel sends a shorter one.
const (
	infoRTT      = int(unsafe.Offsetof(unix.TCPInfo{}.Rtt))
	infoRetrans  = int(unsafe.Offsetof(unix.TCPInfo{}.Total_retrans))
	infoAcked    = int(unsafe.Offsetof(unix.TCPInfo{}.Bytes_acked))
	infoReceived = int(unsafe.Offsetof(unix.TCPInfo{}.Bytes_received))
)

// skipped are states without a socket of their own: nobody will send or receive on them.
const skipped = 1<<StateTimeWait | 1<<StateNewSynRecv

// request asks for all sockets of one family and protocol: struct inet_diag_req_v2.
type request struct {
	family uint8
	proto  Proto
}

func (request) Len() int { return requestSize }

func (r request) Serialize() []byte {
	b := make([]byte, requestSize)
	states := uint32(1<<(StateNewSynRecv+1) - 1)
	b[0], b[1] = r.family, uint8(r.proto)
	if r.proto == TCP {
		b[2] = 1 << (attrTCPInfo - 1)
		states &^= skipped
	}
	binary.NativeEndian.PutUint32(b[4:], states)
	return b
}

// dump lists the sockets of the calling thread's network namespace.
func dump(family uint8, proto Proto) ([]Socket, error) {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.AddData(request{family, proto})
	var sockets []Socket
	var malformed error
	err := req.ExecuteIter(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(msg []byte) bool {
		s, err := parse(msg)
		if err != nil {
			malformed = err
			return false
		}
		s.Proto = proto
		sockets = append(sockets, s)
		return true
	})
	if errors.Is(err, nl.ErrDumpInterrupted) {
		err = nil // sockets came and went meanwhile, as they always may
	}
	return sockets, errors.Join(err, malformed)
}

var errMalformed = errors.New("the kernel's answer is shorter than inet_diag.h says")

// parse reads a struct inet_diag_msg and the attributes behind it.
func parse(msg []byte) (Socket, error) {
	if len(msg) < messageSize {
		return Socket{}, errMalformed
	}
	s := Socket{
		Family: msg[0],
		State:  State(msg[1]),
		Local:  addrPort(msg[0], msg[messageSrc:], msg[messagePorts:]),
		Remote: addrPort(msg[0], msg[messageDst:], msg[messagePorts+2:]),
		Cookie: uint64(binary.NativeEndian.Uint32(msg[messageCook:])) |
			uint64(binary.NativeEndian.Uint32(msg[messageCook+4:]))<<32,
		Inode: binary.NativeEndian.Uint32(msg[messageInode:]),
	}
	for rest := msg[messageSize:]; len(rest) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < unix.SizeofRtAttr || size > len(rest) {
			return s, errMalformed
		}
		if binary.NativeEndian.Uint16(rest[2:]) == attrTCPInfo {
			s.readTCPInfo(rest[unix.SizeofRtAttr:size])
		}
		rest = rest[min((size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(rest)):]
	}
	return s, nil
}

func addrPort(family uint8, addr, port []byte) netip.AddrPort {
	a := netip.AddrFrom4([4]byte(addr))
	if family == unix.AF_INET6 {
		a = netip.AddrFrom16([16]byte(addr)).Unmap()
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}

func (s *Socket) readTCPInfo(info []byte) {
	s.SRTTMicros = uint32(field(info, infoRTT, 4))
	s.Retransmits = uint32(field(info, infoRetrans, 4))
	s.BytesAcked = field(info, infoAcked, 8)
	s.BytesReceived = field(info, infoReceived, 8)
}

// field reads 4 or 8 bytes, 0 when this kernel's struct ends before them.
func field(b []byte, offset, size int) uint64 {
	switch {
	case len(b) < offset+size:
		return 0
	case size == 4:
		return uint64(binary.NativeEndian.Uint32(b[offset:]))
	}
	return binary.NativeEndian.Uint64(b[offset:])
}
