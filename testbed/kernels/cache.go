// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Cache keeps what was fetched and built from it, in one directory for each kernel of the catalogue. Several processes may use
// it at once: each kernel has a lock file.
type Cache struct{ dir string }

// NewCache uses the user's cache directory (XDG_CACHE_HOME).
func NewCache() (*Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a place for kernels: %w", err)
	}
	c := &Cache{filepath.Join(dir, "sonde", "kernels")}
	return c, os.MkdirAll(c.dir, 0o755)
}

// Image is a kernel that can be booted.
type Image struct {
	Kernel  Kernel
	Release string // as uname says it
	Boot    string // file of the kernel
	Base    string // file of the first part of its initramfs
}

// Image returns a kernel, fetched now unless it was fetched before; refresh looks for a newer one. boot is the binary of
// testbed/kernels/boot.
func (c *Cache) Image(k Kernel, boot string, refresh bool) (*Image, error) {
	unlock, err := lock(filepath.Join(c.dir, k.Name+".lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir := filepath.Join(c.dir, k.Name)
	release, err := os.ReadFile(filepath.Join(dir, "release"))
	if refresh || errors.Is(err, fs.ErrNotExist) {
		release, err = fetch(k, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch kernel %s: %w", k.Name, err)
	}
	im := &Image{Kernel: k, Release: string(release)}
	if im.Boot, err = find(dir, "vmlinu*"); err != nil {
		return nil, err
	}
	im.Base, err = im.base(dir, boot)
	return im, err
}

func fetch(k Kernel, dir string) ([]byte, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	a, err := newAPT(filepath.Join(dir, "apt"), k.Suite)
	if err != nil {
		return nil, err
	}
	release, err := a.fetch(k.Series, filepath.Join(dir, "root"))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(a.dir); err != nil { // lists of a suite are larger than its kernel
		return nil, err
	}
	return []byte(release), os.WriteFile(filepath.Join(dir, "release"), []byte(release), 0o644) // last: it says that all is there
}

// base builds the first part of the initramfs once for each content.
func (im *Image) base(dir, boot string) (string, error) {
	b, err := os.ReadFile(boot)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(b, strings.Join(wantedModules, " ")...))
	name := filepath.Join(dir, fmt.Sprintf("base-%x.cpio", sum[:6]))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	old, _ := filepath.Glob(filepath.Join(dir, "base-*.cpio"))
	for _, o := range old {
		_ = os.Remove(o) // another one is made in any case
	}
	f, err := os.Create(name + ".new")
	if err != nil {
		return "", err
	}
	a := newArchive(f)
	a.file("init", boot)
	err = errors.Join(im.addModules(a, filepath.Join(dir, "root")), a.close(), f.Close())
	if err != nil {
		return "", fmt.Errorf("build the initramfs of %s: %w", im.Release, err)
	}
	return name, os.Rename(f.Name(), name)
}

// lock waits until this process alone has the file locked.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// find returns the one file below dir whose name matches.
func find(dir, pattern string) (found string, err error) {
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || found != "" || !entry.Type().IsRegular() {
			return err
		}
		if ok, _ := filepath.Match(pattern, entry.Name()); ok {
			found = name
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no %s below %s", pattern, dir)
	}
	return found, err
}

// debianArch is Debian's word for the architecture.
func debianArch() string { return runtime.GOARCH } // amd64 and arm64 are the same words
