// SPDX-License-Identifier: Apache-2.0

// Package event holds the records that cross from the kernel to user space, as Go types generated from probes/bpf/event.h.
//
// It decodes and nothing else: it does not know rings, connections or protocols. Records are read in place, so a decoded
// event is valid as long as the record's memory is. Called by probes, agent/source and agent/conn.
package event

import (
	"net/netip"
	"strings"
	"time"
	"unsafe"
)

//go:generate go tool bpf2go -target amd64,arm64 -go-package event -type tuple -type actor -type flow_key -type flow_value -type event_header -type event_segment -type event_datagram -type event_actor -type event_use -type go_offsets -type use_kind -type event_established -type event_close -type event_listed -type event_flow -type event_lost -type event_drops -type event_flow_drops -type scope_key -type event_kind -type event_dir -type event_guess -type segment_flags -type counter -type scope_kind -type sock_flags record ../bpf/event.c -- -O2 -g -mcpu=v3 -Wall -Wpadded -Werror -I/usr/include/x86_64-linux-gnu

// The records, field by field as the kernel writes them. Times are ns since boot (CLOCK_BOOTTIME), ports in host order.
//
//nolint:revive // one sentence for all of them
type (
	Header      = recordEventHeader
	Segment     = recordEventSegment
	Datagram    = recordEventDatagram
	Actor       = recordEventActor // of EVENT_CONNECT and EVENT_ACTOR
	Use         = recordEventUse
	GoOffsets   = recordGoOffsets
	Established = recordEventEstablished
	Close       = recordEventClose
	Listed      = recordEventListed
	Flow        = recordEventFlow
	Lost        = recordEventLost
	Drops       = recordEventDrops
	FlowDrops   = recordEventFlowDrops
	Tuple       = recordTuple
	Who         = recordActor
	FlowKey     = recordFlowKey
	FlowValue   = recordFlowValue
	ScopeKey    = recordScopeKey
)

// Kind tells records apart.
type Kind uint8

// Kinds of records.
const (
	KindSegment     = Kind(recordEventKindEVENT_SEGMENT)
	KindConnect     = Kind(recordEventKindEVENT_CONNECT)
	KindEstablished = Kind(recordEventKindEVENT_ESTABLISHED)
	KindClose       = Kind(recordEventKindEVENT_CLOSE)
	KindActor       = Kind(recordEventKindEVENT_ACTOR)
	KindListed      = Kind(recordEventKindEVENT_LISTED)
	KindFlow        = Kind(recordEventKindEVENT_FLOW)
	KindLost        = Kind(recordEventKindEVENT_LOST)
	KindDrops       = Kind(recordEventKindEVENT_DROPS)
	KindDatagram    = Kind(recordEventKindEVENT_DATAGRAM)
	KindUse         = Kind(recordEventKindEVENT_USE)
	KindFlowDrops   = Kind(recordEventKindEVENT_FLOW_DROPS)
)

// KernelKinds are the kinds of records that the kernel side makes, and may have no room for.
var KernelKinds = [...]Kind{KindSegment, KindConnect, KindEstablished, KindClose, KindActor, KindDatagram, KindUse}

// Directions, flags and guesses of a Segment.
const (
	DirSent         = uint8(recordEventDirDIR_SENT)
	DirReceived     = uint8(recordEventDirDIR_RECEIVED)
	SegmentTurn     = uint8(recordSegmentFlagsSEGMENT_TURN)
	SegmentListener = uint8(recordSegmentFlagsSEGMENT_LISTENER)
	SegmentAhead    = uint8(recordSegmentFlagsSEGMENT_AHEAD)
	SegmentLate     = uint8(recordSegmentFlagsSEGMENT_LATE)
	TCPFin          = 0x01
	SockIgnore      = uint8(recordSockFlagsSOCK_IGNORE)
	GuessRequest    = uint8(recordEventGuessGUESS_REQUEST)
)

// What a thread did, of Use.
const (
	UseRead  = uint8(recordUseKindUSE_READ)
	UseSend  = uint8(recordUseKindUSE_SEND)
	UseSent  = uint8(recordUseKindUSE_SENT)
	UseCall  = uint8(recordUseKindUSE_CALL)
	UseServe = uint8(recordUseKindUSE_SERVE)
)

// UseUnjudged is a flag of a Use that user space sets: nobody has looked yet at the program, which may be Go, where threads
// mean nothing.
const UseUnjudged = uint8(1)

// Indexes of the kernel's counters map.
const (
	CounterLost                 = uint32(recordCounterCOUNTER_LOST)
	CounterLostRequestsSent     = uint32(recordCounterCOUNTER_LOST_REQUESTS_SENT)
	CounterLostRequestsReceived = uint32(recordCounterCOUNTER_LOST_REQUESTS_RECEIVED)
	CounterStorageFull          = uint32(recordCounterCOUNTER_STORAGE_FULL)
	CounterFlowsFull            = uint32(recordCounterCOUNTER_FLOWS_FULL)
	CounterRetransmitted        = uint32(recordCounterCOUNTER_RETRANSMITTED)
)

// Kinds of the kernel's scope filter, see probes/bpf/scope.h.
const (
	ScopePort       = uint32(recordScopeKindSCOPE_PORT)
	ScopeCgroup     = uint32(recordScopeKindSCOPE_CGROUP)
	ScopePID        = uint32(recordScopeKindSCOPE_PID)
	ScopeInterface  = uint32(recordScopeKindSCOPE_INTERFACE)
	ScopeListenPort = uint32(recordScopeKindSCOPE_LISTEN_PORT)
	ScopeCookie     = uint32(recordScopeKindSCOPE_COOKIE)
)

// Record is one raw record. Its memory belongs to the source that delivered it and is valid during the delivery.
type Record []byte

const headerSize = int(unsafe.Sizeof(Header{}))

// Kind returns the kind of the record, 0 when it is too short to have one.
func (r Record) Kind() Kind {
	if len(r) < headerSize {
		return 0
	}
	return Kind((*Header)(unsafe.Pointer(unsafe.SliceData(r))).Kind)
}

// As views a record as one of the structs above, nil when it is too short. The record must be 8-byte aligned, which rings
// and recordings see to.
func As[T Segment | Datagram | Actor | Use | Established | Close | Listed | Flow | Lost | Drops | FlowDrops](r Record) *T {
	var t T
	if len(r) < int(unsafe.Sizeof(t)) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(r)))
}

// Bytes returns a value as the record that As reads back; it shares the memory of v.
func Bytes[T Actor | Use | Established | Close | Listed | Flow | Lost | Drops | FlowDrops](v *T) Record {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// Clone returns a copy of a record that outlives its delivery.
func Clone(r Record) Record {
	words := make([]uint64, (len(r)+7)/8)
	kept := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)[:len(r)]
	copy(kept, r)
	return kept
}

// MakeSegment returns the record of a segment of which head and tail were copied, as the kernel writes it.
func MakeSegment(s *Segment, head, tail []byte) Record {
	r := make([]byte, 0, int(unsafe.Sizeof(*s))+len(head)+len(tail))
	s.Hdr.Kind, s.Head, s.Tail = uint8(KindSegment), uint16(len(head)), uint8(len(tail))
	r = append(r, unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s))...)
	return Clone(append(append(r, head...), tail...))
}

// Payload returns the first and the last bytes of the segment as far as they were copied. ok is false when the record is
// shorter than it says.
func Payload(r Record, s *Segment) (head, tail []byte, ok bool) {
	from := int(unsafe.Sizeof(*s))
	end := from + int(s.Head) + int(s.Tail)
	if end > len(r) || uint32(s.Head)+uint32(s.Tail) > s.Len {
		return nil, nil, false
	}
	return r[from : from+int(s.Head)], r[from+int(s.Head) : end], true
}

// MakeDatagram returns the record of a datagram of which head was copied, as the kernel writes it.
func MakeDatagram(d *Datagram, head []byte) Record {
	r := make([]byte, 0, int(unsafe.Sizeof(*d))+len(head))
	d.Hdr.Kind, d.Head = uint8(KindDatagram), uint16(len(head))
	r = append(r, unsafe.Slice((*byte)(unsafe.Pointer(d)), unsafe.Sizeof(*d))...)
	return Clone(append(r, head...))
}

// DatagramHead returns the first bytes of the datagram as far as they were copied. ok is false when the record is shorter
// than it says.
func DatagramHead(r Record, d *Datagram) (head []byte, ok bool) {
	from := int(unsafe.Sizeof(*d))
	if from+int(d.Head) > len(r) || uint32(d.Head) > d.Len {
		return nil, false
	}
	return r[from : from+int(d.Head)], true
}

// Used returns the beginning of a record that means something. The kernel reserves room for a record before it knows how much
// it will copy, so behind it may stand what the ring held before: payload of other connections.
func Used(r Record) Record {
	n := len(r)
	switch r.Kind() {
	case KindSegment:
		if s := As[Segment](r); s != nil {
			n = int(unsafe.Sizeof(*s)) + int(s.Head) + int(s.Tail)
		}
	case KindDatagram:
		if d := As[Datagram](r); d != nil {
			n = int(unsafe.Sizeof(*d)) + int(d.Head)
		}
	}
	return r[:min(n, len(r))]
}

// LocalAddr returns the local address and port; IPv4-mapped addresses are unmapped.
func LocalAddr(t *Tuple) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(t.Local).Unmap(), t.LocalPort)
}

// RemoteAddr returns the remote address and port; IPv4-mapped addresses are unmapped.
func RemoteAddr(t *Tuple) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(t.Remote).Unmap(), t.RemotePort)
}

// Time returns the time of a header since boot.
func Time(h *Header) time.Duration { return time.Duration(h.Time & (1<<63 - 1)) }

// Comm returns the name of the actor's thread group leader.
func Comm(a *Who) string {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&a.Comm)), len(a.Comm))
	return cString(b)
}

// DropName returns the name of a drop reason.
func DropName(d *Drops) string {
	return cString(unsafe.Slice((*byte)(unsafe.Pointer(&d.Name)), len(d.Name)))
}

// SetDropName sets the name of a drop reason, cut to what the record holds.
func SetDropName(d *Drops, name string) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&d.Name)), len(d.Name))
	copy(b[:len(b)-1], name)
}

func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// Size returns the bytes that the kernel's ring holds for a record of n bytes.
func Size(n int) int { return (n + 8 + 7) &^ 7 }
