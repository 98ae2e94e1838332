// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// archive writes a cpio archive in the newc format, which the kernel unpacks as its first root file system
// (Documentation/driver-api/early-userspace/buffer-format.rst). Several archives in a row are unpacked over each other. The
// first error stays; close returns it.
type archive struct {
	w     io.Writer
	inode int
	dirs  map[string]bool
	size  int64
	err   error
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

func newArchive(w io.Writer) *archive {
	return &archive{w: w, dirs: map[string]bool{".": true, "/": true}}
}

// dir adds a directory with those above it.
func (a *archive) dir(name string) {
	name = clean(name)
	if a.dirs[name] {
		return
	}
	a.dir(path.Dir(name))
	a.dirs[name] = true
	a.entry(name, typeDir|0o755, 0, strings.NewReader(""))
}

// text adds a file with this content.
func (a *archive) text(name, content string) {
	a.dir(path.Dir(clean(name)))
	a.entry(clean(name), typeFile|0o644, int64(len(content)), strings.NewReader(content))
}

// link adds a symbolic link.
func (a *archive) link(name, target string) {
	a.dir(path.Dir(clean(name)))
	a.entry(clean(name), typeLink|0o777, int64(len(target)), strings.NewReader(target))
}

// file adds a copy of a file of this machine, with its permissions.
func (a *archive) file(name, from string) {
	f, err := os.Open(from)
	if err != nil {
		a.fail(err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		a.fail(err)
		return
	}
	a.dir(path.Dir(clean(name)))
	a.entry(clean(name), typeFile|int(st.Mode().Perm()&fs.ModePerm), st.Size(), f)
}

// clean makes names relative: the kernel unpacks below the root.
func clean(name string) string { return path.Clean(strings.TrimPrefix(name, "/")) }

func (a *archive) entry(name string, mode int, size int64, content io.Reader) {
	a.inode++
	links := 1
	if mode&typeDir == typeDir {
		links = 2
	}
	a.write(fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name)+1, 0, name))
	a.pad()
	if a.err != nil {
		return
	}
	n, err := io.Copy(a.w, io.LimitReader(content, size))
	a.size += n
	if err == nil && n != size {
		err = fmt.Errorf("archive %s: %d bytes of %d: %w", name, n, size, io.ErrUnexpectedEOF)
	}
	a.fail(err)
	a.pad()
}

func (a *archive) write(s string) {
	if a.err == nil {
		n, err := io.WriteString(a.w, s)
		a.size += int64(n)
		a.fail(err)
	}
}

// pad: headers with their names, and contents, begin at multiples of four bytes.
func (a *archive) pad() { a.write("\x00\x00\x00"[:(4-a.size%4)%4]) }

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// close ends the archive; w is the caller's.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, strings.NewReader(""))
	return a.err
}
