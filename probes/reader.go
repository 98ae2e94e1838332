// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
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

// Reader reads the records of a ring buffer where they lie, without copying them.
//
// It comes by time: the kernel side wakes it only when the ring fills, because a wake-up costs more than a hundred records.
// Not safe for concurrent use, except for Stats.
type Reader struct {
	epoll    int
	consumer []byte // one page: our position
	producer []byte // one page: the kernel's position; the data follows it
	data     []byte
	mask     uint64
	wrapped  []byte // a record that runs over the end of the ring, put together

	records atomic.Uint64
	bytes   atomic.Uint64
}

// ReaderStats counts what was read.
type ReaderStats struct {
	Records, Bytes uint64
	Size           int // bytes the ring holds
}

// NewReader maps the ring. The map stays the caller's.
func NewReader(m *ebpf.Map) (*Reader, error) {
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
	epoll, err := watch(m.FD())
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(consumer), unix.Munmap(producer))
	}
	return &Reader{
		epoll: epoll, consumer: consumer, producer: producer, data: producer[page:], mask: uint64(size - 1),
	}, nil
}

// watch makes an edge-triggered epoll: a level-triggered one would return as long as a single record waits, which under
// load is always, and the reader would spin.
func watch(fd int) (int, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("make an epoll for the ring: %w", err)
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return 0, errors.Join(fmt.Errorf("watch the ring: %w", err), unix.Close(epoll))
	}
	return epoll, nil
}

// Close unmaps the ring.
func (r *Reader) Close() error {
	return errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer), unix.Close(r.epoll))
}

// Stats may be called at any time.
func (r *Reader) Stats() ReaderStats {
	return ReaderStats{Records: r.records.Load(), Bytes: r.bytes.Load(), Size: len(r.data)}
}

// Pending returns the bytes that wait in the ring.
func (r *Reader) Pending() uint64 {
	return position(r.producer).Load() - position(r.consumer).Load()
}

func position(page []byte) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(page)))
}

// Drain delivers the records that are in the ring now and returns their number. A record is valid during deliver.
func (r *Reader) Drain(deliver func(event.Record)) int {
	consumer, end := position(r.consumer), position(r.producer).Load()
	pos, n := consumer.Load(), 0
	start := pos
	for pos < end {
		header := (*atomic.Uint32)(unsafe.Pointer(&r.data[pos&r.mask])).Load()
		if header&ringBusy != 0 {
			break
		}
		length := uint64(header &^ (ringBusy | ringDiscard))
		if header&ringDiscard == 0 {
			deliver(r.record(pos+ringHeader, length))
			n++
		}
		pos += (length + ringHeader + 7) &^ 7
		// Each record's room is given back at once: a burst finds it sooner.
		consumer.Store(pos)
	}
	r.records.Add(uint64(n))
	r.bytes.Add(pos - start)
	return n
}

func (r *Reader) record(pos, length uint64) event.Record {
	at := pos & r.mask
	if at+length <= uint64(len(r.data)) {
		return event.Record(r.data[at : at+length : at+length])
	}
	head := uint64(len(r.data)) - at
	// Records are read through structs of 64-bit words.
	if uint64(cap(r.wrapped)) < length {
		r.wrapped = aligned(int(length))
	}
	w := r.wrapped[:length]
	copy(w, r.data[at:])
	copy(w[head:], r.data[:length-head])
	return event.Record(w)
}

func aligned(n int) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}

// Wait returns when the kernel wakes the reader, after timeout, or when ctx is done, whichever comes first. It notices ctx
// at the latest after timeout.
func (r *Reader) Wait(ctx context.Context, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var events [1]unix.EpollEvent
	if _, err := unix.EpollWait(r.epoll, events[:], int(timeout.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the ring: %w", err)
	}
	return nil
}
