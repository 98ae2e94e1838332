// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// Status is what a socket looks like from outside.
type Status struct {
	Path   string `json:"path"`
	Served bool   `json:"served"` // somebody answers; also when this user may not ask
	// Group is the group that may connect: the file's, or, when there is none, the one that it would have. "" is nobody beside
	// root and the owner.
	Group string `json:"group,omitempty"`
	Hint  string `json:"hint,omitempty"` // what to do so that more may connect
}

// Look tells how the socket of c is. It connects to it, and asks nothing.
func Look(ctx context.Context, c Config) Status {
	s := Status{Path: c.Path, Group: c.Group}
	if _, err := user.LookupGroup(c.Group); err != nil {
		s.Group, s.Hint = "", GroupHint(c.Group)
	}
	st, err := os.Stat(c.Path)
	if err != nil {
		return s
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", c.Path)
	if err == nil {
		_ = conn.Close() // nothing was asked
	}
	s.Served = err == nil || errors.Is(err, syscall.EACCES)
	switch gid := st.Sys().(*syscall.Stat_t).Gid; {
	case !s.Served:
	case st.Mode().Perm()&0o060 != 0o060:
		s.Group = ""
	default:
		s.Group = nameOf(gid)
	}
	return s
}

// GroupHint says how a group comes to be.
func GroupHint(name string) string {
	return "there is no group " + name + ": groupadd --system " + name + ", usermod -aG " + name + " USER, and start sonde run again"
}

func nameOf(gid uint32) string {
	number := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}
