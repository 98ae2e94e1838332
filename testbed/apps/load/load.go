// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what to send. Requests or Duration must be set; whichever is reached first ends the run, and every request that
// was sent is answered before the connections close.
type Config struct {
	Addr     string
	Conns    int
	Requests int           // in all; 0 means no limit
	Duration time.Duration // 0 means no limit
	Rate     float64       // requests a second over all connections; 0 sends as fast as answers come
	Mix      []Exchange    // request i is Mix[i%len(Mix)]
	Idle     int           // further connections that are opened and never used
}

// Result is what a run did. Latencies are zero when there was no request.
type Result struct {
	Sent      map[string]int // "GET /ok 200" to the number of answers of that kind
	Total     int
	ElapsedNS int64
	Mean      time.Duration
	P50       time.Duration
	P90       time.Duration
	P99       time.Duration
	Max       time.Duration
}

// link is one connection. due is when its request should have gone out.
type link struct {
	fd      int
	resp    response
	kind    int
	due     time.Time
	pending []byte // rest of a request that did not fit into the socket
}

type run struct {
	cfg       Config
	wire      [][]byte
	epoll     int
	links     []*link
	idle      []*link
	begun     time.Time
	sent      int
	inFlight  int
	counts    map[kindStatus]int
	latencies []int32 // in units of 100 ns
	buf       []byte
}

type kindStatus struct{ kind, status int }

// Run sends the load and blocks until the last answer. Not cancellable: it ends by its limits or at the first error.
func Run(cfg Config) (Result, error) {
	if cfg.Requests == 0 && cfg.Duration == 0 || cfg.Conns < 1 || len(cfg.Mix) == 0 {
		return Result{}, errors.New("load needs connections, a mix, and a number of requests or a duration")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The default slack of 50 us is half the distance between two requests at 10,000 a second.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	r := &run{cfg: cfg, counts: map[kindStatus]int{}, buf: make([]byte, 1<<18)}
	for _, e := range cfg.Mix {
		r.wire = append(r.wire, e.wire(cfg.Addr))
	}
	defer r.close()
	if err := r.open(); err != nil {
		return Result{}, err
	}
	r.begun = time.Now()
	for !r.finished() {
		if err := r.step(); err != nil {
			return r.result(), err
		}
	}
	return r.result(), nil
}

func (r *run) open() error {
	var err error
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range r.cfg.Conns + r.cfg.Idle {
		fd, err := dial(r.cfg.Addr)
		if err != nil {
			return fmt.Errorf("connection %d to %s: %w", i, r.cfg.Addr, err)
		}
		l := &link{fd: fd}
		r.links = append(r.links, l)
		if i >= r.cfg.Conns {
			continue
		}
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return fmt.Errorf("epoll add: %w", err)
		}
		r.idle = append(r.idle, l)
	}
	return nil
}

func (r *run) close() {
	for _, l := range r.links {
		_ = unix.Close(l.fd)
	}
	_ = unix.Close(r.epoll)
}

// dial returns a connected non-blocking socket with Nagle's algorithm off.
func dial(addr string) (int, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return 0, err
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())})
	if v4 := tcp.IP.To4(); v4 != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(v4)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.Connect(fd, sa), unix.SetNonblock(fd, true))
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// mayStart reports whether another request is within the limits.
func (r *run) mayStart(now time.Time) bool {
	if r.cfg.Requests > 0 && r.sent >= r.cfg.Requests {
		return false
	}
	return r.cfg.Duration == 0 || now.Sub(r.begun) < r.cfg.Duration
}

func (r *run) finished() bool { return r.inFlight == 0 && !r.mayStart(time.Now()) }

// due returns when request number n should leave.
func (r *run) due(n int) time.Time {
	return r.begun.Add(time.Duration(float64(n) * float64(time.Second) / r.cfg.Rate))
}

func (r *run) step() error {
	now := time.Now()
	for len(r.idle) > 0 && r.mayStart(now) {
		due := now
		if r.cfg.Rate > 0 {
			if due = r.due(r.sent); due.After(now) {
				break
			}
		}
		l := r.idle[0]
		r.idle = r.idle[1:]
		if err := r.start(l, due); err != nil {
			return err
		}
	}
	return r.wait(now)
}

func (r *run) start(l *link, due time.Time) error {
	l.kind, l.due = r.sent%len(r.wire), due
	l.pending = r.wire[l.kind]
	r.sent++
	r.inFlight++
	return r.push(l)
}

// push writes what is left of the request. A full socket is tried again after the next event: bodies are small.
func (r *run) push(l *link) error {
	for len(l.pending) > 0 {
		n, err := unix.Write(l.fd, l.pending)
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		l.pending = l.pending[n:]
	}
	return nil
}

// wait sleeps until an answer comes or the next request is due. poll takes nanoseconds where epoll_wait takes milliseconds.
func (r *run) wait(now time.Time) error {
	timeout := time.Second
	if r.cfg.Rate > 0 && len(r.idle) > 0 && r.mayStart(now) {
		timeout = max(0, time.Until(r.due(r.sent)))
	}
	ts := unix.NsecToTimespec(int64(timeout))
	if timeout > 0 {
		_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(r.epoll), Events: unix.POLLIN}}, &ts, nil)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("poll: %w", err)
		}
	}
	var events [64]unix.EpollEvent
	n, err := unix.EpollWait(r.epoll, events[:], 0)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("epoll wait: %w", err)
	}
	for _, ev := range events[:max(0, n)] {
		if err := r.receive(r.links[ev.Fd]); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) receive(l *link) error {
	if err := r.push(l); err != nil {
		return err
	}
	n, err := unix.Read(l.fd, r.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("server closed the connection during %s", r.cfg.Mix[l.kind])
	}
	done, err := l.resp.feed(r.buf[:n], r.cfg.Mix[l.kind].Method)
	if err != nil || !done {
		return err
	}
	r.latencies = append(r.latencies, int32(min(time.Since(l.due)/100, 1<<31-1)))
	r.counts[kindStatus{l.kind, l.resp.status}]++
	l.resp.reset()
	r.inFlight--
	r.idle = append(r.idle, l)
	return nil
}

func (r *run) result() Result {
	res := Result{Sent: map[string]int{}, ElapsedNS: int64(time.Since(r.begun))}
	for k, n := range r.counts {
		e := r.cfg.Mix[k.kind]
		res.Sent[e.Method+" "+e.Path+" "+strconv.Itoa(k.status)] += n
		res.Total += n
	}
	if len(r.latencies) == 0 {
		return res
	}
	slices.Sort(r.latencies)
	var sum int64
	for _, v := range r.latencies {
		sum += int64(v)
	}
	at := func(q float64) time.Duration {
		return 100 * time.Duration(r.latencies[min(len(r.latencies)-1, int(q*float64(len(r.latencies))))])
	}
	res.Mean = 100 * time.Duration(sum/int64(len(r.latencies)))
	res.P50, res.P90, res.P99, res.Max = at(0.5), at(0.9), at(0.99), at(1)
	return res
}
