// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrServed tells that another process serves the path.
var ErrServed = errors.New("another sonde run serves this socket; use --socket to give this one another path")

// Listener is the socket of a Server. Close removes its file.
type Listener struct {
	*net.UnixListener
	path  string
	group string
	alone error // why no group may connect
	id    fileID
}

// fileID tells files of one system apart.
type fileID struct{ device, inode uint64 }

// Path returns the path without links that the socket has.
func (l *Listener) Path() string { return l.path }

// Group returns the group that may connect, or why nobody but root and the owner may.
func (l *Listener) Group() (string, error) { return l.group, l.alone }

// Close ends the listening and removes the file, unless it is another's by now.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	if id, serr := identify(l.path); serr == nil && id == l.id {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// Listen makes the socket of c. A socket that nobody answers at is replaced; ErrServed tells that somebody does.
//
// The file appears with its mode and its group, and already answering: it is made with no permissions under another name, given
// what it shall have, and renamed. Its directory is made if only that is missing. The directory must be one that only root and
// this user can write to, and the way to it must not lead through directories or symbolic links of others.
func Listen(ctx context.Context, c Config) (*Listener, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(c.Path)
	if err == nil {
		err = checkPath(path)
	}
	if err != nil {
		return nil, err
	}
	if err := makeDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	dir, err := trustedDirectory(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	held, err := hold(dir)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	path = filepath.Join(dir, filepath.Base(path))
	if err := vacant(ctx, path); err != nil {
		return nil, err
	}
	return publish(ctx, held, path, c.Group)
}

// holdPatience is how long another start in the same directory is waited for. Anybody who can open the directory can lock it, so
// nothing but the order of two starts of sonde depends on the lock.
const holdPatience = time.Second

// hold opens a directory and locks it, so that of two agents that start at once the second sees the first.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(holdPatience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			break
		}
	}
	return f, nil
}

// vacant makes sure that what is at path, if anything, is a socket that nobody answers at.
func vacant(ctx context.Context, path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket: move it away, or give another path for the socket for viewers", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("%s: %w", path, ErrServed), conn.Close())
	case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded): // it listens, and is overrun
		return fmt.Errorf("%s: %w", path, ErrServed)
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("find out whether somebody serves the socket for viewers: %w", err)
}

// publish makes the socket in the directory dir and gives it its name.
func publish(ctx context.Context, dir *os.File, path, group string) (*Listener, error) {
	temporary := filepath.Join(dir.Name(), ".sonde-"+strconv.Itoa(os.Getpid()))
	_ = os.Remove(temporary) // of a process that had this number and was killed in here
	ln, err := bind(ctx, dir, filepath.Base(temporary))
	if err != nil {
		return nil, fmt.Errorf("make the socket for viewers: %w", err)
	}
	l := &Listener{UnixListener: ln, path: path, group: group}
	err = l.permit(temporary)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the socket for viewers: %w", err), ln.Close(), os.Remove(temporary))
	}
	return l, nil
}

// bind makes a socket that listens, with a file that nobody may use. Its name goes through the descriptor of the directory, so
// that it takes no room of a long path.
func bind(ctx context.Context, dir *os.File, name string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// The file of a socket gets the mode of the socket, less the umask; the umask is the whole process's.
		var changed error
		if err := c.Control(func(fd uintptr) { changed = unix.Fchmod(int(fd), 0) }); err != nil {
			return err
		}
		return changed
	}}
	ln, err := private.Listen(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name))
	if err != nil {
		return nil, err
	}
	l := ln.(*net.UnixListener)
	l.SetUnlinkOnClose(false) // by the name it had then
	return l, nil
}

// permit gives the file its group and then its mode. Where the group cannot be had, nobody but root and the owner may connect.
func (l *Listener) permit(path string) error {
	mode := fs.FileMode(0o660)
	gid, err := groupID(l.group)
	if err == nil {
		err = os.Lchown(path, -1, gid)
	}
	if err != nil {
		mode, l.group, l.alone = 0o600, "", err
	}
	if l.id, err = identify(path); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err // user.UnknownGroupError
	}
	return strconv.Atoi(g.Gid)
}

func identify(path string) (fileID, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return fileID{uint64(st.Dev), st.Ino}, err
}
