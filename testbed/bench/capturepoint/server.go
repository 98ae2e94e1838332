// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// response is what the servers below answer to their one request.
var response = []byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("z", 1000))

// ownServer lets serve answer one request on a blocking socket, in the way that it is there to show.
func ownServer(serve func(fd int) error) func(webPorts) (transcript, error) {
	return func(webPorts) (transcript, error) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return transcript{}, err
		}
		defer l.Close()
		served := make(chan error, 1)
		go func() { served <- acceptOne(l.(*net.TCPListener), serve) }()
		t, err := talk(uint16(l.Addr().(*net.TCPAddr).Port), one("/own"), 0)
		return t, errors.Join(err, <-served)
	}
}

func acceptOne(l *net.TCPListener, serve func(fd int) error) error {
	conn, err := l.AcceptTCP()
	if err != nil {
		return err
	}
	defer conn.Close()
	f, err := conn.File()
	if err != nil {
		return err
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	return serve(fd)
}

func spliceServer(fd int) error {
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		return err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	n, err := unix.Splice(fd, nil, pipe[1], nil, 4096, 0)
	if err != nil {
		return fmt.Errorf("splice in: %w", err)
	}
	if _, err := unix.Read(pipe[0], make([]byte, n)); err != nil {
		return err
	}
	if _, err := unix.Write(pipe[1], response); err != nil {
		return err
	}
	if n, err = unix.Splice(pipe[0], nil, fd, nil, len(response), 0); err != nil || int(n) != len(response) {
		return fmt.Errorf("splice out %d: %w", n, err)
	}
	return nil
}

func zerocopyServer(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1); err != nil {
		return err
	}
	if _, _, _, _, err := unix.Recvmsg(fd, make([]byte, 4096), nil, 0); err != nil {
		return err
	}
	_, err := unix.SendmsgN(fd, response, nil, nil, unix.MSG_ZEROCOPY)
	return err
}

func peekServer(fd int) error {
	buf := make([]byte, 4096)
	for _, flags := range []int{unix.MSG_PEEK, unix.MSG_PEEK, 0} {
		if _, _, err := unix.Recvfrom(fd, buf, flags); err != nil {
			return err
		}
	}
	_, err := unix.Write(fd, response)
	return err
}

func uringServer(fd int) error {
	u, err := newUring()
	if err != nil {
		return err
	}
	defer unix.Close(u.fd)
	if _, err := u.do(opRecv, fd, make([]byte, 4096)); err != nil {
		return err
	}
	_, err = u.do(opSend, fd, response)
	return err
}

// Offsets and numbers of include/uapi/linux/io_uring.h.
const (
	opSend          = 26
	opRecv          = 27
	uringSQEs       = 0x10000000
	uringGetEvents  = 1
	uringParamBytes = 120
	uringSQOffsets  = 40
	uringCQOffsets  = 80
)

// uring is one submission and completion ring with one entry in flight; the kernel maps both rings as one (5.4).
type uring struct {
	fd         int
	ring, sqes []byte
	params     [uringParamBytes]byte
}

func newUring() (*uring, error) {
	u := &uring{}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&u.params)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	u.fd = int(fd)
	var err error
	if u.ring, err = unix.Mmap(u.fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	u.sqes, err = unix.Mmap(u.fd, uringSQEs, 64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return u, err
}

// word is the ring's 32-bit field whose offset the kernel wrote into the parameters.
func (u *uring) word(param int) *uint32 {
	return (*uint32)(unsafe.Pointer(&u.ring[binary.LittleEndian.Uint32(u.params[param:])]))
}

func (u *uring) do(op byte, fd int, buf []byte) (int, error) {
	le := binary.LittleEndian
	clear(u.sqes)
	u.sqes[0] = op
	le.PutUint32(u.sqes[4:], uint32(fd))
	le.PutUint64(u.sqes[16:], uint64(uintptr(unsafe.Pointer(&buf[0]))))
	le.PutUint32(u.sqes[24:], uint32(len(buf)))
	atomic.AddUint32(u.word(uringSQOffsets+4), 1)
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(u.fd), 1, 1, uringGetEvents, 0, 0)
	runtime.KeepAlive(buf)
	if errno != 0 {
		return 0, fmt.Errorf("io_uring_enter: %w", errno)
	}
	head := u.word(uringCQOffsets)
	at := le.Uint32(u.params[uringCQOffsets+20:]) + 16*(*head&*u.word(uringCQOffsets + 8))
	n := int32(le.Uint32(u.ring[at+8:]))
	atomic.AddUint32(head, 1)
	if n < 0 {
		return 0, fmt.Errorf("io_uring operation %d: %w", op, unix.Errno(-n))
	}
	return int(n), nil
}
