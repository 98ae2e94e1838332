// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sonde/probes/event"
)

// Reader reads the records of the CPUs' rings where they lie, without copying them, in the order of their times.
//
// It comes by time: the kernel side wakes it only when a ring fills, because a wake-up costs more than a hundred records.
// Not safe for concurrent use, except for Stats and Pending.
type Reader struct {
	epoll *os.File // of the rings, itself watched by the runtime's poller: a waiting goroutine then holds no thread
	conn  syscall.RawConn
	rings []*ring

	records atomic.Uint64
	bytes   atomic.Uint64
}

// ReaderStats counts what was read.
type ReaderStats struct {
	Records, Bytes uint64
	Size           int // bytes that all rings hold
}

// NewReader maps the rings. The maps stay the caller's.
func NewReader(maps []*ebpf.Map) (*Reader, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll for the rings: %w", err)
	}
	_ = unix.SetNonblock(fd, true) // an epoll never blocks; this tells package os that it can be polled
	r := &Reader{epoll: os.NewFile(uintptr(fd), "rings")}
	if r.conn, err = r.epoll.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("poll the rings: %w", err), r.epoll.Close())
	}
	for _, m := range maps {
		one, err := mapRing(m)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.rings = append(r.rings, one)
		// Edge-triggered: level-triggered it would return as long as a single record waits, which under load is always.
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(m.FD())}
		if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, m.FD(), &e); err != nil {
			return nil, errors.Join(fmt.Errorf("watch the ring: %w", err), r.Close())
		}
	}
	return r, nil
}

// Close unmaps the rings.
func (r *Reader) Close() error {
	errs := []error{r.epoll.Close()}
	for _, one := range r.rings {
		errs = append(errs, one.unmap())
	}
	return errors.Join(errs...)
}

// Stats may be called at any time.
func (r *Reader) Stats() ReaderStats {
	s := ReaderStats{Records: r.records.Load(), Bytes: r.bytes.Load()}
	for _, one := range r.rings {
		s.Size += len(one.data)
	}
	return s
}

// Pending returns the bytes that wait in the rings.
func (r *Reader) Pending() (n uint64) {
	for _, one := range r.rings {
		n += position(one.producer).Load() - position(one.consumer).Load()
	}
	return n
}

// Drain delivers the records that were written before now and returns their number. A record is valid during deliver.
//
// The order is the order of what happened, also between CPUs: what a record depends on has an earlier time and stands in
// its ring already when the record gets its place, because the kernel side takes the time before the place and publishes
// what the record says after it. A record that is not yet complete holds up those that may be younger; the next call
// delivers them.
func (r *Reader) Drain(now time.Duration, deliver func(event.Record)) int {
	for _, one := range r.rings {
		one.begin(uint64(now))
	}
	n, bytes := 0, uint64(0)
	for {
		first, until := r.oldest()
		if first == nil || first.blocked {
			break
		}
		for first.has && !first.blocked && first.time <= until {
			bytes += first.deliver(deliver)
			n++
		}
	}
	for _, one := range r.rings {
		one.giveBack()
	}
	r.records.Add(uint64(n))
	r.bytes.Add(bytes)
	return n
}

// oldest returns the ring with the oldest record, and how far it may be read before another one's turn.
func (r *Reader) oldest() (first *ring, until uint64) {
	until = ^uint64(0)
	for _, one := range r.rings {
		switch {
		case !one.has:
		case first == nil:
			first = one
		case one.time < first.time || one.time == first.time && one.blocked:
			until = min(until, first.time)
			first = one
		default:
			until = min(until, one.time)
		}
	}
	return first, until
}

// Wait returns when the kernel wakes the reader, after timeout, or when ctx is done, whichever comes first. It notices ctx
// at the latest after timeout.
func (r *Reader) Wait(ctx context.Context, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.epoll.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("wait for the rings: %w", err)
	}
	err := r.conn.Read(func(fd uintptr) bool {
		var events [8]unix.EpollEvent
		n, err := unix.EpollWait(int(fd), events[:], 0)
		return n > 0 || err != nil
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for the rings: %w", err)
	}
	return nil
}
