// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connections bounds how many there are. Those over the limit are answered as long as there are few, so that a viewer learns why,
// and beyond that they are closed.
type connections struct {
	net.Listener
	limit int

	mu   sync.Mutex
	open map[*connection]struct{}
}

// connection is one that was accepted.
type connection struct {
	net.Conn
	all     *connections
	pid     int32 // of the peer, 0 where it is out of sight
	refused bool  // one too many: the answer to all it asks is CodeBusy
	once    sync.Once
}

func newConnections(ln net.Listener, limit int) *connections {
	return &connections{Listener: ln, limit: limit, open: map[*connection]struct{}{}}
}

// Accept implements net.Listener.
func (a *connections) Accept() (net.Conn, error) {
	for {
		c, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := a.admit(c); admitted != nil {
			return admitted, nil
		}
		c.Close()
	}
}

func (a *connections) admit(c net.Conn) *connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.open) >= 2*a.limit {
		return nil
	}
	admitted := &connection{Conn: c, all: a, pid: peer(c), refused: a.served() >= a.limit}
	a.open[admitted] = struct{}{}
	return admitted
}

func (a *connections) served() (n int) {
	for c := range a.open {
		if !c.refused {
			n++
		}
	}
	return n
}

// viewers returns the number of processes that are connected.
func (a *connections) viewers() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, pids := 0, map[int32]bool{}
	for c := range a.open {
		if c.refused || c.pid != 0 && pids[c.pid] {
			continue
		}
		pids[c.pid] = true
		n++
	}
	return n
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.once.Do(func() {
		c.all.mu.Lock()
		defer c.all.mu.Unlock()
		delete(c.all.open, c)
	})
	return c.Conn.Close()
}

// peer returns the process at the other end, 0 where it is not known: it lives in another namespace.
func peer(c net.Conn) (pid int32) {
	unixConn, ok := c.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // an error leaves 0
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
	})
	return pid
}

type connectionKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// isRefused tells whether a request came over a connection that is one too many.
func isRefused(ctx context.Context) bool {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	return ok && c.refused
}

// large bounds how many large answers are in memory. A peer that does not take its own holds up only those that want large ones.
type large chan struct{}

// largePatience is how long a large answer waits for its turn.
const largePatience = 2 * time.Second

func (l large) enter(ctx context.Context, rows int) (leave func(), err error) {
	if rows <= LargeRows {
		return func() {}, nil
	}
	patience := time.NewTimer(largePatience)
	defer patience.Stop()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil, &Error{"others are being sent as many rows as these: ask again, or for fewer", CodeBusy}
}
