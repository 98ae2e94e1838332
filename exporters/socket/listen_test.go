// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/view"
	"sonde/testbed/account"
)

// dialVariable has the test binary ask at a socket, as another user, and say what came of it.
const dialVariable = "SONDE_TEST_DIAL"

// serveVariable has it serve a socket, as an agent that never gets an answer made, and say when it is asked.
const serveVariable = "SONDE_TEST_SERVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(serveVariable); path != "" {
		c := Default()
		c.Path = path
		ln, err := Listen(context.Background(), c)
		if err != nil {
			fmt.Print(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		_ = New(c, &world{snapshot: func(ctx context.Context, _ view.Query) (*view.Snapshot, error) {
			fmt.Println("asked")
			<-ctx.Done()
			return nil, ctx.Err()
		}}, "test", silent).Serve(context.Background(), ln) // until it is killed
	}
	if path := os.Getenv(dialVariable); path != "" {
		c, err := Dial(context.Background(), path)
		if err == nil {
			_, err = c.Snapshot(context.Background(), view.Query{Page: view.PageMap})
		}
		fmt.Print(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// askAs asks at a socket as another user and returns the error that the user is shown, "<nil>" for none.
func askAs(t *testing.T, path string, uid, gid uint32, groups ...uint32) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), account.Executable(t))
	cmd.Env = []string{dialVariable + "=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const nobody = 65534

// someGroup is a group of this machine that is neither root's nor nobody's.
func someGroup(t *testing.T) (name string, gid uint32) {
	t.Helper()
	for _, name := range []string{"games", "daemon", "bin", "mail"} {
		if g, err := user.LookupGroup(name); err == nil {
			gid, err := strconv.ParseUint(g.Gid, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			return name, uint32(gid)
		}
	}
	t.Skip("this machine has no group beside root's")
	return "", 0
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
}

func TestMembersOfTheGroupGetInAndStrangersDoNot(t *testing.T) {
	needRoot(t)
	c := here(t)
	var gid uint32
	c.Group, gid = someGroup(t)
	serve(t, c, &world{})
	st, err := os.Stat(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); st.Mode() != fs.ModeSocket|0o660 || sys.Gid != gid || sys.Uid != 0 {
		t.Errorf("the socket has %v, user %d, group %d", st.Mode(), sys.Uid, sys.Gid)
	}
	for _, x := range []struct {
		name   string
		groups []uint32
		says   string
	}{
		{"a member", []uint32{gid}, "<nil>"},
		{"a stranger", nil, "you may not look at the agent at " + c.Path + ": become a member of the socket's group"},
	} {
		if got := askAs(t, c.Path, nobody, nobody, x.groups...); !strings.HasPrefix(got, x.says) {
			t.Errorf("%s is told %q, want %q", x.name, got, x.says)
		}
	}
	if got := Look(context.Background(), c); got != (Status{Path: c.Path, Served: true, Group: c.Group}) {
		t.Errorf("from outside it looks like %+v", got)
	}
}

func TestWithoutTheGroupOnlyRootAndTheOwnerGetIn(t *testing.T) {
	c := here(t)
	c.Group = "no-such-group-of-sonde"
	ln, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, c, &world{}, ln)
	var unknown user.UnknownGroupError
	if group, why := ln.Group(); group != "" || !errors.As(why, &unknown) {
		t.Errorf("group %q, %v", group, why)
	}
	if st, err := os.Stat(c.Path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	dial(t, c.Path)
	needRoot(t)
	if got := askAs(t, c.Path, nobody, 0); !strings.HasPrefix(got, "you may not look") {
		t.Errorf("a member of root's group is told %q", got)
	}
	if got := Look(context.Background(), c); !got.Served || got.Group != "" || !strings.Contains(got.Hint, "groupadd --system no-such-group-of-sonde") {
		t.Errorf("from outside it looks like %+v", got)
	}
}

func TestTheSocketIsBoundForNobody(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir, err := os.Open(filepath.Dir(here(t).Path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	ln, err := bind(t.Context(), dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if st, err := os.Stat(filepath.Join(dir.Name(), "s")); err != nil || st.Mode() != fs.ModeSocket {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestTheSocketIsNeverOpenToOthers looks all the time while it is made, with a mask that takes nothing away.
func TestTheSocketIsNeverOpenToOthers(t *testing.T) {
	needRoot(t)
	defer syscall.Umask(syscall.Umask(0))
	c := here(t)
	var gid uint32
	c.Group, gid = someGroup(t)
	dir := filepath.Dir(c.Path)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			entries, _ := os.ReadDir(dir) // its files come and go
			for _, e := range entries {
				st, err := e.Info()
				if err != nil {
					continue
				}
				owner := st.Sys().(*syscall.Stat_t).Gid
				if open := st.Mode().Perm() & 0o077; open != 0 && (open != 0o060 || owner != gid) {
					t.Errorf("%s has mode %v and group %d", e.Name(), st.Mode(), owner)
				}
			}
		}
	})
	for range 300 {
		ln, err := Listen(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	watching.Wait()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestASocketThatNobodyAnswersAtIsReplaced(t *testing.T) {
	c := here(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	if _, err := Dial(t.Context(), c.Path); !errors.Is(err, ErrNoAgent) || !strings.Contains(err.Error(), "start sonde run again") {
		t.Errorf("a viewer of it is told %v", err)
	}
	_, stop := serve(t, c, &world{})
	dial(t, c.Path)
	stop()
	if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}

func TestASocketThatSomebodyAnswersAtIsLeftAlone(t *testing.T) {
	c := here(t)
	serve(t, c, &world{})
	_, err := Listen(t.Context(), c)
	if !errors.Is(err, ErrServed) || !strings.Contains(err.Error(), c.Path+": another sonde run serves this socket; use --socket") {
		t.Errorf("error %v", err)
	}
	dial(t, c.Path)
}

func TestOfTwoThatStartAtOnceOneServes(t *testing.T) {
	for range 20 {
		c := here(t)
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Path})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		stale.Close()
		lns, errs := make([]*Listener, 4), make([]error, 4)
		var starting sync.WaitGroup
		for i := range lns {
			starting.Go(func() { lns[i], errs[i] = Listen(t.Context(), c) })
		}
		starting.Wait()
		served := 0
		for i := range lns {
			if errs[i] == nil {
				served++
				defer lns[i].Close()
			} else if !errors.Is(errs[i], ErrServed) {
				t.Errorf("error %v", errs[i])
			}
		}
		if served != 1 {
			t.Fatalf("%d of 4 serve one path: %v", served, errs)
		}
	}
}

func TestTheEndLeavesTheSocketOfAnotherAlone(t *testing.T) {
	c := here(t)
	first, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.Path); err != nil { // as an administrator does
		t.Fatal(err)
	}
	serve(t, c, &world{})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	dial(t, c.Path)
}

func TestTheDirectoryIsMadeForAllToSee(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	c := here(t)
	c.Path = filepath.Join(filepath.Dir(c.Path), "run", "s")
	serve(t, c, &world{})
	if st, err := os.Stat(filepath.Dir(c.Path)); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", st, err)
	}
	c.Path = filepath.Join(filepath.Dir(c.Path), "a", "b", "s")
	if _, err := Listen(t.Context(), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("two directories are missing: %v", err)
	}
}

func TestPlacesThatOthersControlAreRefused(t *testing.T) {
	theirs := func(t *testing.T, path string) {
		needRoot(t)
		if err := os.Lchown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		says string
	}{
		{"a directory that others may write to", func(t *testing.T, dir string) string {
			return filepath.Join(directory(t, dir, 0o757), "s")
		}, "others may write to"},
		{"one that the group may write to", func(t *testing.T, dir string) string {
			return filepath.Join(directory(t, dir, 0o775), "s")
		}, "others may write to"},
		{"a sticky one", func(t *testing.T, dir string) string {
			return filepath.Join(directory(t, dir, 0o777|fs.ModeSticky), "s")
		}, "others may write to"},
		{"one below what others may write to", func(t *testing.T, dir string) string {
			return filepath.Join(directory(t, directory(t, dir, 0o777), 0o755), "s")
		}, "others may write to"},
		{"somebody's", func(t *testing.T, dir string) string {
			d := directory(t, dir, 0o755)
			theirs(t, d)
			return filepath.Join(d, "s")
		}, "belongs to user 65534"},
		{"a way through somebody's link", func(t *testing.T, dir string) string {
			at := symlink(t, directory(t, dir, 0o755), filepath.Join(dir, "link"))
			theirs(t, at)
			return filepath.Join(at, "s")
		}, "is a symbolic link of user 65534"},
		{"a link that ends nowhere", func(t *testing.T, dir string) string {
			return filepath.Join(symlink(t, "link", filepath.Join(dir, "link")), "s")
		}, "too many levels of symbolic links"},
		{"a link in the place of the socket", func(t *testing.T, dir string) string {
			return symlink(t, "/etc/passwd", filepath.Join(dir, "s"))
		}, "exists and is no socket"},
		{"a file in the place of the socket", func(t *testing.T, dir string) string {
			return precious(t, filepath.Join(dir, "s"))
		}, "exists and is no socket"},
		{"a file in the place of the directory", func(t *testing.T, dir string) string {
			return filepath.Join(precious(t, filepath.Join(dir, "file")), "s")
		}, "is no directory"},
		{"a path that is too long", func(_ *testing.T, dir string) string {
			return filepath.Join(dir, strings.Repeat("x", maxPath))
		}, "a socket's path at most 107"},
		{"no path", func(*testing.T, string) string { return "" }, "is empty"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := here(t)
			c.Path = x.make(t, filepath.Dir(c.Path))
			ln, err := Listen(t.Context(), c)
			if err == nil {
				ln.Close()
			}
			if err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("error %v, want %q", err, x.says)
			}
		})
	}
}

func symlink(t *testing.T, to, at string) string {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
	return at
}

func precious(t *testing.T, at string) string {
	t.Helper()
	if err := os.WriteFile(at, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

func directory(t *testing.T, in string, mode fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(in, "d")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOwnLinksLeadToTheSocket(t *testing.T) {
	c := here(t)
	dir := filepath.Dir(c.Path)
	if err := os.Symlink("d/../d", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	real := directory(t, dir, 0o755)
	c.Path = filepath.Join(dir, "link", "s")
	ln, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, c, &world{}, ln)
	if want := filepath.Join(real, "s"); ln.Path() != want {
		t.Errorf("path %s, want %s", ln.Path(), want)
	}
	dial(t, c.Path)
}

func TestALongPathIsServed(t *testing.T) {
	c := here(t)
	dir := filepath.Dir(c.Path)
	c.Path = filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	serve(t, c, &world{})
	dial(t, c.Path)
}

// Whoever can open a directory can lock it.
func TestALockOfSomebodyElseHoldsUpTheStartForASecond(t *testing.T) {
	c := here(t)
	f, err := os.Open(filepath.Dir(c.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	serve(t, c, &world{})
	if took := time.Since(from); took > 3*holdPatience {
		t.Errorf("the start took %v", took)
	}
	dial(t, c.Path)
}
