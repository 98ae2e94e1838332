// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// directoryMode: anybody may look up the socket, which has permissions of its own; nobody else may put something in its place.
const directoryMode = 0o755

// makeDirectory makes the directory of a socket if only that is missing, whatever the umask.
func makeDirectory(path string) error {
	switch err := os.Mkdir(path, directoryMode); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("make the directory of the socket for viewers: %w", err)
	}
	return os.Chmod(path, directoryMode)
}

// maxLinks bounds the symbolic links of a path, as the kernel does (path_resolution(7)).
const maxLinks = 40

// trustedDirectory resolves the path of a directory, and makes sure of every step that nobody but root and this user can change
// where it leads: each directory belongs to one of the two and is not writable by others, unless it is sticky like /tmp, so that
// others cannot rename what is not theirs; each symbolic link belongs to one of the two. The last directory must not be writable
// by others at all: a socket that is not there yet is nobody's, so whoever came first could pass for the agent.
func trustedDirectory(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, rest, links := "/", strings.Split(path, "/"), 0
	if err := trusted(at, ancestor); err != nil {
		return "", err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		next := filepath.Join(at, name) // for ".." too: at holds no links
		target, err := link(next)
		if err != nil {
			return "", err
		}
		if target == "" {
			if err := trusted(next, ancestor); err != nil {
				return "", err
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, trusted(at, holder)
}

// link returns where a symbolic link of somebody trusted points to, "" for what is none.
func link(path string) (string, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if st.Mode()&fs.ModeSymlink == 0 {
		return "", nil
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; !own(uid) {
		return "", fmt.Errorf("%s is a symbolic link of user %d, who could lead the socket for viewers anywhere: give a path without it", path, uid)
	}
	return os.Readlink(path)
}

// place is what a directory is for the socket.
type place uint8

const (
	ancestor place = iota
	holder         // of the socket itself
)

func trusted(dir string, p place) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; !own(uid) {
		return fmt.Errorf("%s belongs to user %d, who could put another socket in the place of the one for viewers: give a path in a directory of root's", dir, uid)
	}
	if st.Mode().Perm()&0o022 == 0 || p == ancestor && st.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return fmt.Errorf("others may write to %s, and could put another socket in the place of the one for viewers: chmod go-w, or give another path", dir)
}

func own(uid uint32) bool { return uid == 0 || int64(uid) == int64(os.Geteuid()) }
