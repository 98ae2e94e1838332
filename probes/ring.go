// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sonde/probes/event"
)

// Layout of a BPF ring buffer (kernel/bpf/ringbuf.c, include/uapi/linux/bpf.h): each record is preceded by 8 bytes, of
// which the first 32-bit word is its length and two flags.
const (
	ringBusy    = 1 << 31 // reserved, not yet submitted
	ringDiscard = 1 << 30
	ringHeader  = 8
)

// ring is the ring of one CPU, and where its reader stands.
type ring struct {
	consumer []byte // one page: our position
	producer []byte // one page: the kernel's position; the data follows it
	data     []byte
	mask     uint64
	wrapped  []byte // a record that runs over the end of the ring, put together

	pos, given, end uint64 // read up to here; told the kernel up to here; written up to here
	until           uint64 // time up to which records are wanted
	time            uint64 // of the record at pos; when blocked, of the one before it
	length          uint64 // of the record at pos
	has, blocked    bool
}

func mapRing(m *ebpf.Map) (*ring, error) {
	if m.Type() != ebpf.RingBuf {
		return nil, fmt.Errorf("read ring: map %s is no ring buffer", m)
	}
	page, size := os.Getpagesize(), int(m.MaxEntries())
	consumer, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring's consumer page: %w", err)
	}
	// The kernel offers the data twice in a row, so that no record is ever split. Mapping it once halves what counts as
	// resident memory; the one record per lap that wraps is copied.
	producer, err := unix.Mmap(m.FD(), int64(page), page+size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Munmap(consumer)
		return nil, fmt.Errorf("map the ring's data: %w", err)
	}
	return &ring{consumer: consumer, producer: producer, data: producer[page:], mask: uint64(size - 1)}, nil
}

func (r *ring) unmap() error {
	return errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer))
}

func position(page []byte) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(page)))
}

// begin looks how much there is; records with a time after until stay.
func (r *ring) begin(until uint64) {
	r.until = until
	r.pos = position(r.consumer).Load()
	r.given, r.end = r.pos, position(r.producer).Load()
	r.look()
}

// look reads the header of the record at pos.
func (r *ring) look() {
	for {
		r.has, r.blocked = r.pos < r.end, false
		if !r.has {
			return
		}
		header := (*atomic.Uint32)(unsafe.Pointer(&r.data[r.pos&r.mask])).Load()
		if header&ringBusy != 0 {
			r.blocked = true // its time is not known, but it is not older than the one before it
			return
		}
		r.length = uint64(header &^ (ringBusy | ringDiscard))
		if header&ringDiscard == 0 && r.length >= 8 {
			break
		}
		r.advance()
	}
	r.time = *(*uint64)(unsafe.Pointer(&r.data[(r.pos+ringHeader)&r.mask])) // first field of every record
	r.has = r.time <= r.until
}

func (r *ring) advance() uint64 {
	n := (r.length + ringHeader + 7) &^ 7
	r.pos += n
	return n
}

// deliver passes on the record at pos and looks at the next.
func (r *ring) deliver(to func(event.Record)) uint64 {
	to(r.record(r.pos+ringHeader, r.length))
	n := r.advance()
	// Producers read our position at each record. Moving it at each record would take that cache line from them each
	// time, so room is given back in larger steps.
	if r.pos-r.given >= uint64(len(r.data)/16) {
		r.giveBack()
	}
	r.look()
	return n
}

func (r *ring) giveBack() {
	if r.given != r.pos {
		r.given = r.pos
		position(r.consumer).Store(r.pos)
	}
}

func (r *ring) record(pos, length uint64) event.Record {
	at := pos & r.mask
	if at+length <= uint64(len(r.data)) {
		return event.Record(r.data[at : at+length : at+length])
	}
	head := uint64(len(r.data)) - at
	if uint64(cap(r.wrapped)) < length {
		words := make([]uint64, (length+7)/8) // records are read through structs of 64-bit words
		r.wrapped = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
	}
	w := r.wrapped[:length]
	copy(w, r.data[at:])
	copy(w[head:], r.data[:length-head])
	return event.Record(w)
}
