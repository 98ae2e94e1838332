// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps"
	"sonde/testbed/terminal"
)

// members is a number that no group of this machine should have; the agent is shown a list of groups in which it is sonde's.
const members = 48_713

// agent is a running `sonde run` with a socket for viewers.
type agent struct {
	cmd    *exec.Cmd
	socket string
	ready  string // URL
}

// agent starts `sonde run` for what is in the cgroup. The group of the socket exists for it alone, in a mount namespace.
func (l *lab) agent(t *testing.T, f fence, path string, args ...string) *agent {
	t.Helper()
	port, err := apps.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	groups := filepath.Join(t.TempDir(), "group")
	if err := os.WriteFile(groups, fmt.Appendf(nil, "root:x:0:\nsonde:x:%d:\n", members), 0o644); err != nil {
		t.Fatal(err)
	}
	a := &agent{socket: path, ready: fmt.Sprintf("http://127.0.0.1:%d/readyz", port)}
	argv := slices.Concat([]string{"--mount", "sh", "-c", `mount --bind "$0" /etc/group && exec "$@"`, groups, l.bin, "run", "--socket", path,
		"--prometheus-listen", fmt.Sprintf("127.0.0.1:%d", port)}, f.only(), args)
	a.cmd = exec.Command("unshare", argv...)
	a.cmd.Stderr = os.Stderr
	if testing.Verbose() {
		a.cmd.Stderr = t.Output()
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.kill)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get(a.ready); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return a
			}
		}
		if time.Now().After(end) {
			t.Fatal("the agent is not ready")
		}
	}
}

// kill ends the agent as a crash would: its socket stays.
func (a *agent) kill() {
	if a.cmd.ProcessState == nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}
}

// socketIn makes a directory that others can look into, and names a socket in it.
func (l *lab) socketIn(t *testing.T) string {
	t.Helper()
	dir, err := l.Dir("run-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "sonde.sock")
}

// as runs what follows as a user without any rights, in one group.
func as(group int) []string {
	return []string{"setpriv", "--reuid=65534", "--regid=" + strconv.Itoa(group), "--clear-groups", "--inh-caps=-all", "--"}
}

// attach starts a viewer of a user without rights.
func (l *lab) attach(t *testing.T, a *agent, args ...string) *viewer {
	t.Helper()
	return l.topWith(t, terminal.Options{Width: 150, Height: 40, Term: "xterm-256color"}, as(members),
		append([]string{"--attach", a.socket, "--window", "15m"}, args...)...)
}

func TestTopAttachesWithoutAnyRights(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	s := l.serverAs(t, f, "papaya", apps.Go)
	a := l.agent(t, f, l.socketIn(t))
	v := l.attach(t, a)
	v.shows("agent on")
	second := l.attach(t, a, "--page", "requests", "--role", "client")
	second.shows("agent on")
	l.loadAs(t, f, "mango", s.Addr, "-conns", strconv.Itoa(connsUsed), "-n", strconv.Itoa(sent), "-rate", "2000", "-mix", mixed)
	v.shows("papaya", "mango")
	v.servicesAreRight()
	v.mapIsRight()
	if rows := awaitExport(second, "requests", func(rows []requestRow) bool { return len(rows) >= sent }); len(rows) != sent {
		t.Errorf("%d requests, sent %d", len(rows), sent)
	}
	t.Run("printed", func(t *testing.T) {
		out, err := exec.Command(l.bin, "top", "--attach", a.socket, "--once", "-o", "json", "--window", "15m").Output()
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Mode     string       `json:"mode"`
			Services []serviceRow `json:"services"`
		}
		if err := json.Unmarshal(out, &page); err != nil {
			t.Fatalf("%v: %.300s", err, out)
		}
		r, _ := find(page.Services, func(r serviceRow) bool { return r.Name == "papaya" })
		if page.Mode != "attached" || r.In.Count != sent || r.In.Errors != serverFail {
			t.Errorf("%s: %+v", page.Mode, r)
		}
	})
	t.Run("not in the group", func(t *testing.T) {
		o := l.topWith(t, terminal.Options{Width: 300, Height: 20}, as(65534), "--attach", a.socket)
		exit, err := o.Wait(sight)
		if o.check(err); exit.Code == 0 {
			t.Error("ended with 0")
		}
		o.shows("may not look", "usermod -aG sonde")
	})
}

// TestTopOutlivesItsAgent kills the agent under a viewer, which says so and stays; when there is another agent, it goes on.
func TestTopOutlivesItsAgent(t *testing.T) {
	l := newLab(t)
	f := newFence(t)
	s := l.serverAs(t, f, "papaya", apps.Go)
	a := l.agent(t, f, l.socketIn(t))
	v := l.attach(t, a)
	v.shows("agent on")
	l.loadAs(t, f, "mango", s.Addr, "-n", "100")
	v.shows("papaya")
	a.kill()
	said := v.shows("no agent answers at")
	if text := strings.Join(strings.Fields(said.String()), " "); !strings.Contains(text, "start sonde run") || !said.Contains("papaya") {
		t.Errorf("it does not say what to do, or what was known is gone:\n%s", said)
	}
	v.press("2")
	v.press("1")
	v.shows("papaya", "q quit")
	b := l.agent(t, f, a.socket) // in the place of the stale socket
	v.await("world again", func(s terminal.Screen) bool { return !s.Contains("no agent answers") && !s.Contains("NO ANSWER") })
	l.loadAs(t, f, "mango", s.Addr, "-n", "70")
	rows := awaitExport(v, "the new agent's requests", func(rows []serviceRow) bool {
		r, _ := find(rows, func(r serviceRow) bool { return r.Name == "papaya" })
		return r.In.Count >= 70
	})
	if r, _ := find(rows, func(r serviceRow) bool { return r.Name == "papaya" }); r.In.Count != 70 {
		t.Errorf("the new agent saw %+v, want 70", r.In)
	}
	b.kill()
	v.shows("no agent answers")
	v.leaves()
}

func TestTopSaysWhatToDoWhereNoAgentIs(t *testing.T) {
	l := newLab(t)
	stale := l.socketIn(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := errors.Join(ln.Close(), os.Chmod(stale, 0o666)); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"none": l.socketIn(t), "stale": stale} {
		t.Run(name, func(t *testing.T) {
			v := l.topWith(t, terminal.Options{Width: 300, Height: 20}, as(members), "--attach", path)
			exit, err := v.Wait(sight)
			v.check(err)
			if s := v.shows(path, "start sonde run"); exit.Code == 0 || strings.Contains(s.String(), "goroutine") {
				t.Errorf("ended with %+v:\n%s", exit, s)
			}
		})
	}
}
